"""What images are read from: files, folders, stdin, lists of paths, objects of Python; and reading them. No torch."""

import codecs
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar, Union

from PIL import Image

from i2i_cli.data.folders import Note, passed_over, silent, walk
from i2i_cli.data.geometry import Crop, Frame, fit
from i2i_cli.data.images import SUFFIXES, read_image, upright
from i2i_cli.errors import ConfigError, DataError, I2IError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ImageLike = Union[Image.Image, str, os.PathLike[str], bytes, BinaryIO, "NDArray[np.uint8]"]  # numpy is late
"""A Pillow image, a path, the bytes of an image file, such a file opened for reading, or levels (H, W), (H, W, 3) or
(H, W, 4) of 0 to 255."""

STREAM = Path("-")
"""stdin as a source, stdout as an output."""

BATCH = 32
"""Images a forward pass; as many more are decoded ahead."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image to read: its path (or `STREAM`), the folder it was found through, if any, and the part that is meant."""

    path: Path
    below: Path | None = None
    crop: Crop | None = None


class Loaded(NamedTuple):
    """A decoded image in the model's square, where it lies in it, and what a person should know of it."""

    source: Source
    square: "NDArray[np.uint8]"
    frame: Frame
    note: str


class Failure(NamedTuple):
    """An image that could not be read, and why."""

    source: Source
    error: I2IError


ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)")
"""An address as a `Path` keeps it: with one slash of the two. A single letter is a drive of Windows."""


def url_of(path: Path) -> str | None:
    """The address that `path` stands for, or None for a file of this machine."""
    found = ADDRESS.fullmatch(path.as_posix())
    if found is None:
        return None
    scheme, rest = found.groups()
    return f"{scheme}:///{rest}" if scheme in ("file", "local") else f"{scheme}://{rest}"


def parse_crop(text: str) -> Crop:
    """`"X,Y,W,H"` as a crop.

    Raises:
        ConfigError: not four whole numbers, or an empty part.
    """
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isascii() and part.strip().isdigit()]
    if not len(parts) == len(numbers) == 4 or 0 in numbers[2:]:
        raise ConfigError(f"--crop {text!r} is not of the form X,Y,W,H", "give left, top, width and height in pixels")
    return Crop(*numbers)


Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Shard:
    """One machine's part of a list that several share: every `count`-th thing, from the one at `index` (from 0) on."""

    index: int = 0
    count: int = 1

    def of(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """The things that are this shard's."""
        return things[self.index :: self.count]


WHOLE = Shard()


def parse_shard(text: str | None) -> Shard:
    """`"2/8"` as the second of eight; None is all.

    Raises:
        ConfigError: no such fraction.
    """
    if text is None:
        return WHOLE
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in text.split("/")]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
        raise ConfigError(f"--shard {text!r} is not of the form I/N", "give 1/4 to 4/4 on four machines")
    return Shard(numbers[0] - 1, numbers[1])


def find_sources(paths: Sequence[Path], recursive: bool, crop: Crop | None = None, note: Note = silent) -> list[Source]:
    """The images that `paths` (files, folders, `-`) stand for; `crop`: that part of each.

    Args:
        note: is told what is passed over in folders.

    Raises:
        ConfigError: a folder without `recursive`, unless it is called like an image.
        DataError: a folder without images.
    """
    sources = []
    for path in paths:
        is_odd_image = not recursive and path.suffix.lower() in SUFFIXES  # one bad name of a glob stops no other
        if path == STREAM or is_odd_image or not _is_folder(path):
            sources.append(Source(path=path, crop=crop))
            continue
        if not recursive:
            raise ConfigError(f"{path} is a folder", "add -r to take all images in it")
        found = walk(path)
        told = passed_over([found])
        if not found.images:
            raise DataError(f"{path} has no images in it", told)
        if told:
            note(f"{path}: {told}")
        sources += [Source(path=image, below=path, crop=crop) for image in found.images]
    return sources


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be entered: reading it will say so
        return False


def listed_paths(data: bytes, separator: bytes = b"\n") -> list[Path]:
    """Paths from a list of them, one a line, or ended by NUL bytes as `find -print0` writes them.

    Lines may end as on Windows, and the list may be UTF-8 or UTF-16 with a byte order mark.

    Raises:
        DataError: lines with NUL bytes in them, which no path holds.
    """
    if separator == b"\n":
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            data = data.decode("utf-16", "replace").encode()
        data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").removesuffix(b"\r")
        if b"\0" in data:
            hint = "add -0 if NUL bytes end the paths; else save it as UTF-8 (UTF-16 without its mark looks like this)"
            raise DataError("the list of paths holds NUL bytes", hint)
    return [Path(os.fsdecode(name)) for name in data.split(separator) if name]


def load_source(source: Source, side: int, read_stdin: Callable[[], bytes] = bytes) -> Loaded | Failure:
    """The image behind `source`, fitted into a square of `side`.

    Args:
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """
    try:
        max_side = 2 * side if source.crop is None else None  # a crop is counted in the file's own pixels
        picture = read_image(read_stdin() if source.path == STREAM else source.path, max_side)
        if source.crop is not None:
            picture = source.crop.of(picture, "stdin" if source.path == STREAM else str(source.path))
        return Loaded(source, *fit(picture, side), picture.note)
    except I2IError as error:
        return Failure(source, error)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        return Failure(source, DataError(f"{source.path}: {error.strerror}"))


def load_batches(
    sources: Sequence[Source], side: int, read_stdin: Callable[[], bytes] = bytes, size: int | None = None
) -> Iterator[list[Loaded | Failure]]:
    """All `sources` in order, `size` (`BATCH`) at a time; the next batch is decoded while one is worked on."""

    size = BATCH if size is None else size

    def submit(start: int) -> list:
        chosen = sources[start : start + size]
        return [pool.submit(load_source, source, side, read_stdin) for source in chosen]

    with ThreadPoolExecutor() as pool:
        ahead = submit(0)
        for start in range(size, len(sources) + size, size):
            current, ahead = ahead, submit(start)
            yield [future.result() for future in current]


def load_image(image: ImageLike, side: int) -> Loaded:
    """What a program gives as an image, fitted into a square of `side`.

    Raises:
        DataError: it cannot be read.
        ConfigError: it is nothing that an image can be taken from.
    """
    # Late, as in all of this file: what is wrong with a command line is told without numpy.
    import numpy as np

    if isinstance(image, Image.Image):
        try:
            picture = upright(image)
        except Exception as error:  # whatever Pillow trips over: its file is closed, damaged or cut
            raise DataError(f"the image given cannot be read: {error or type(error).__name__}") from error
    elif isinstance(image, np.ndarray):
        picture = upright(_from_levels(image))
    else:
        picture = read_image(_file_behind(image), 2 * side)
    source = Source(path=Path(image) if isinstance(image, (str, os.PathLike)) else STREAM)
    return Loaded(source, *fit(picture, side), picture.note)


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


def _from_levels(levels: "NDArray[Any]") -> Image.Image:
    import numpy as np

    shape = levels.shape
    if levels.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise ConfigError(
            f"an array of {levels.dtype} with the shape {shape} is not an image",
            "give values of 0 to 255 as uint8: (height, width), or with 3 or 4 channels last",
        )
    return Image.fromarray(np.ascontiguousarray(levels))
