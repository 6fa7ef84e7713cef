"""What a program may give as an image. No torch."""

import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.data.images import read_image, upright
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.inputs import ALL_OF_IT, STREAM, Loaded, Part, Source, loaded

ImageLike = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8]
"""A Pillow image, a path, the bytes of an image file, such a file opened for reading, or levels (H, W), (H, W, 3) or
(H, W, 4) of 0 to 255."""


def load_image(image: ImageLike, side: int, part: Part = ALL_OF_IT) -> Loaded:
    """What a program gives as an image, or the part of it that is meant, fitted into a square of `side`.

    Raises:
        DataError: it cannot be read.
        ConfigError: it is nothing that an image can be taken from.
    """
    path = Path(image) if isinstance(image, (str, os.PathLike)) else STREAM
    source = Source(path=path, crop=part.crop, face=part.face)
    if isinstance(image, Image.Image):
        try:
            picture = upright(image)
        except Exception as error:  # whatever Pillow trips over: its file is closed, damaged or cut
            raise DataError(f"the image given cannot be read: {error or type(error).__name__}") from error
        return loaded(source, side, lambda max_side: picture)
    if isinstance(image, np.ndarray):
        levels = upright(_from_levels(image))
        return loaded(source, side, lambda max_side: levels)
    file = _file_behind(image)
    return loaded(source, side, lambda max_side: read_image(file, max_side))


def _file_behind(image: str | os.PathLike[str] | bytes | BinaryIO) -> Path | bytes:
    """The path of an image file, or the bytes of one."""
    if isinstance(image, (str, os.PathLike)):
        return Path(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    data = _bytes_in(image) if hasattr(image, "read") else None
    if not isinstance(data, bytes):
        raise ConfigError(f"an object of type {type(image).__name__} is not an image", _IMAGES)
    return data


def _bytes_in(file: Any) -> object:
    """What is read of a file object; None of one that is opened as text."""
    try:
        return file.read()
    except UnicodeDecodeError:
        return None
    except (OSError, ValueError) as error:  # a ValueError: it is closed
        raise DataError(f"the file given cannot be read: {error}") from error


_IMAGES = "give a path, a Pillow image, the bytes of a file, a file opened as binary, or an array of uint8"


def _from_levels(levels: NDArray[Any]) -> Image.Image:
    shape = levels.shape
    if levels.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise ConfigError(
            f"an array of {levels.dtype} with the shape {shape} is not an image",
            "give values of 0 to 255 as uint8: (height, width), or with 3 or 4 channels last",
        )
    return Image.fromarray(np.ascontiguousarray(levels))
