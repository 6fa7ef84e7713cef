"""Decode and encode one image: every odd kind comes in as upright 8-bit RGB with its alpha beside it."""

import io
import os
import threading
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from i2i_cli.errors import DataError
from i2i_cli.files import written_whole

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "TGA")
"""What Pillow is allowed to try: well-fuzzed readers of common formats."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".tga"})
"""File name endings that count as images in a folder, whatever their case."""

GROUND = (255, 255, 255)
"""The colour that transparent images are laid on before a model sees them."""

MAX_PIXELS = 100_000_000
LARGE_PIXELS = 16_000_000
"""Images above this are decoded one at a time, whatever the number of threads; one takes up to 12 bytes a pixel."""

_one_large = threading.Lock()

# Pillow warns of what is refused or mended here anyway. Set once: the filters belong to the whole
# process, and images are decoded in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_STRIP = 256
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

OUTPUT_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}

_OPTIONS = {"JPEG": {"quality": 95}, "WEBP": {"quality": 95}, "PNG": {"compress_level": 4}}
"""A PNG of 12 megapixels takes a third of the default level's time, and is 3 % larger."""


class Picture(NamedTuple):
    """An image as the models see it, and what they don't see.

    Args:
        rgb: upright, mode RGB, transparent parts laid on white.
        size: (width, height) of the file's image when upright; `rgb` may be smaller (see `max_side`).
        alpha: mode L of that size, or None for an opaque image.
        note: what a person should know of how it was read ("first of 12 frames"), or "".
    """

    rgb: Image.Image
    size: tuple[int, int]
    alpha: Image.Image | None = None
    note: str = ""


def read_image(source: Path | bytes, max_side: int | None = None) -> Picture:
    """Decode an image file, or the bytes of one.

    Args:
        source: a path, or the file's bytes (named "stdin" in errors).
        max_side: the side needed; a large JPEG is then decoded at a fraction of its size.

    Raises:
        DataError: not a file, not an image, damaged, or of more than 100 megapixels.
    """
    name = "stdin" if isinstance(source, bytes) else str(source)
    if isinstance(source, Path) and not source.is_file():
        raise DataError(f"{name}: {'not a regular file' if source.exists() else 'no such file'}")
    try:
        file: BinaryIO | Path = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=FORMATS) as image:
            _check_size(image, name)
            size = image.size
            if max_side is not None:
                image.draft("RGB", (max_side, max_side))
            is_large = image.width * image.height > LARGE_PIXELS
            with _one_large if is_large else nullcontext():
                image.load()
                picture = upright(image)
                if is_large and max_side is not None:
                    picture = _reduced(picture, max_side)
            turned = image.getexif().get(_ORIENTATION, 1) in _SIDEWAYS
            return picture._replace(size=(size[1], size[0]) if turned else size)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"{name}: not an image that can be read", f"known formats: {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name}: more than {MAX_PIXELS // 10**6} megapixels", "scale it down first") from None
    except MemoryError:
        raise DataError(f"{name}: too large for this machine's memory") from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise DataError(f"{name}: damaged image ({error})") from error


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{name}: {image.width}x{image.height} is more than {MAX_PIXELS // 10**6} megapixels", "scale it down first"
        )


def _reduced(picture: Picture, max_side: int) -> Picture:
    """`picture` with its pixels averaged down to four times the side that is needed in the end."""
    factor = min(picture.rgb.size) // (2 * max_side)
    return picture._replace(rgb=picture.rgb.reduce(factor)) if factor > 1 else picture


def upright(image: Image.Image) -> Picture:
    """Any Pillow image as RGB and alpha, turned as its EXIF orientation says."""
    frames = getattr(image, "n_frames", 1)
    note = f"first of {frames} frames" if frames > 1 else ""
    profile = image.info.get("icc_profile")
    if image.getexif().get(_ORIENTATION, 1) != 1:  # without one it would be copied
        image = ImageOps.exif_transpose(image)
    alpha = None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        rgb = _scaled_grey(image).convert("RGB")
    elif image.mode == "CMYK" and profile:
        rgb = _through_profile(image, profile)
    elif image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = rgba.getchannel("A")
        rgb = Image.new("RGB", rgba.size, GROUND)
        rgb.paste(rgba, mask=alpha)
    else:
        rgb = image.convert("RGB")  # a copy, which needs the file no longer
    return Picture(rgb, rgb.size, alpha, note)


def _scaled_grey(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey to 8 bits. Pillow's own convert would clip it at 255.

    16-bit keeps its absolute scale; wider kinds have none, so their own range becomes 0..255.
    """
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = 0.0, 65535.0
    if not image.mode.startswith("I;16") and not (values.min() >= 0 and 255 < values.max() <= 65535):
        low, high = float(values.min()), float(values.max())
    scaled = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _STRIP):  # eight bytes a pixel for a strip, not for the whole image
        strip = slice(start, start + _STRIP)
        scaled[strip] = np.rint((values[strip].astype(np.float64) - low) * (255.0 / max(high - low, 1e-12)))
    return Image.fromarray(scaled)


def _through_profile(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def encode_image(image: Image.Image, suffix: str = ".png") -> bytes:
    """The file contents of `image` in the format that `suffix` stands for.

    Raises:
        DataError: no format is written under that suffix.
    """
    format_name = OUTPUT_FORMATS.get(suffix.lower())
    if format_name is None:
        raise DataError(f"no image format is written as {suffix!r}", f"use one of {', '.join(OUTPUT_FORMATS)}")
    if format_name in ("JPEG", "BMP") and image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        image = Image.alpha_composite(ground, image).convert("RGB")
    buffer = io.BytesIO()
    options = _OPTIONS.get(format_name, {})
    try:
        image.save(buffer, format_name, **options)
    except (OSError, ValueError) as error:
        raise DataError(f"{image.width}x{image.height} pixels cannot be written as {format_name}: {error}") from error
    return buffer.getvalue()


def write_image(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Write `image` to `path` whole or not at all, in the format of its suffix."""
    path = Path(path)
    data = encode_image(image, path.suffix)
    with written_whole(path) as temporary:
        temporary.write_bytes(data)
