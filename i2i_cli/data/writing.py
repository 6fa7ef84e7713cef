"""Encode one image, and write it whole or not at all."""

import io
import os
from pathlib import Path

from PIL import Image

from i2i_cli.data.images import GROUND
from i2i_cli.errors import DataError
from i2i_cli.files import written_whole

OUTPUT_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}

_OPTIONS = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}, "PNG": {"compress_level": 4}}
"""A PNG of 12 megapixels takes a third of the default level's time, and is 3 % larger."""


def encode_image(image: Image.Image, suffix: str = ".png", quality: int | None = None) -> bytes:
    """The file contents of `image` in the format that `suffix` stands for.

    Args:
        quality: of a JPEG or WebP, 1 to 100; None is 95.

    Raises:
        DataError: no format is written under that suffix.
    """
    format_name = OUTPUT_FORMATS.get(suffix.lower())
    if format_name is None:
        raise DataError(f"cannot write an image as {suffix!r}", f"use one of {', '.join(OUTPUT_FORMATS)}")
    if format_name in ("JPEG", "BMP") and image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        image = Image.alpha_composite(ground, image).convert("RGB")
    buffer = io.BytesIO()
    options = _OPTIONS.get(format_name, {}) | ({} if quality is None else {"quality": quality})
    try:
        image.save(buffer, format_name, **options)
    except (OSError, ValueError) as error:
        raise DataError(f"{image.width}x{image.height} pixels cannot be written as {format_name}: {error}") from error
    return buffer.getvalue()


def write_image(path: str | os.PathLike[str], image: Image.Image, quality: int | None = None) -> None:
    """Write `image` to `path` whole or not at all, in the format of its suffix. `quality`: see `encode_image`."""
    path = Path(path)
    data = encode_image(image, path.suffix, quality)
    with written_whole(path) as temporary:
        temporary.write_bytes(data)
