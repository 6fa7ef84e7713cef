"""Decode and encode one image: every odd kind comes in as upright 8-bit sRGB with its alpha beside it."""

import hashlib
import io
import threading
import warnings
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from PIL import ExifTags, Image, ImageCms, PngImagePlugin, UnidentifiedImageError, features

from i2i_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ENDINGS = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TGA": (".tga",),
    **({"AVIF": (".avif",)} if features.check("avif") else {}),
}

FORMATS = tuple(_ENDINGS)
"""What Pillow is allowed to try: well-fuzzed readers of common formats."""

SUFFIXES = frozenset(ending for endings in _ENDINGS.values() for ending in endings)
"""File name endings that count as images in a folder, whatever their case."""

GROUND = (255, 255, 255)
"""The colour that transparent images are laid on before a model sees them."""

MAX_PIXELS = 100_000_000
LARGE_PIXELS = 16_000_000
"""Images above this are decoded one at a time, whatever the number of threads; one takes up to 12 bytes a pixel."""

_one_large = threading.Lock()
_one_shared = threading.Lock()

# Text and colour profiles that unpack to more than a megabyte make no image unsound; all of them together may
# come to this.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

# Pillow warns of what is refused or mended here anyway. Set once: the filters belong to the whole
# process, and images are decoded in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_STRIP = 256
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation; from 5 on they swap width and height."""

_GDAL_NODATA = 42113
"""The tag by which geographic TIFFs name the value that stands for "no data"."""

_JPEG_END = b"\xff\xd9"


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
    if isinstance(source, Path):
        check_file(source)
    try:
        try:
            return _decoded(io.BytesIO(source) if isinstance(source, bytes) else source, name, max_side)
        except UnidentifiedImageError:
            raise
        except OSError:
            whole = _with_its_end(source)
            if whole is None:
                raise
            return _decoded(io.BytesIO(whole), name, max_side)
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


def check_file(path: Path) -> None:
    """Refuse what is no file, before it is opened.

    Raises:
        DataError: there is nothing at `path`, or a folder or a pipe.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")


def upright_size(path: Path) -> tuple[int, int] | None:
    """(width, height) of an image file when upright, from its header alone; None where that cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return (image.height, image.width) if _orientation(image) >= 5 else image.size
    except Exception:  # reading it whole will say what is wrong
        return None


def _decoded(file: BinaryIO | Path, name: str, max_side: int | None) -> Picture:
    with Image.open(file, formats=FORMATS) as image:
        _check_size(image, name)
        size = image.size
        if max_side is not None:
            image.draft("RGB", (max_side, max_side))
        is_large = image.width * image.height > LARGE_PIXELS
        with _one_large if is_large else nullcontext():
            image.load()
            picture = _upright(image)
            if is_large and max_side is not None:
                picture = _reduced(picture, max_side)
        return picture._replace(size=(size[1], size[0]) if _orientation(image) >= 5 else size)


_PADDINGS = (b"", *(hashlib.blake2b(bytes([number])).digest().replace(b"\xff", b"\x5a") for number in range(3)))


def _with_its_end(source: Path | bytes) -> bytes | None:
    """The bytes of a JPEG that lacks its end marker alone, with it; None of anything else.

    Where more is lacking, what follows is taken for pixels: then different endings show different images.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        if file.read(2) != b"\xff\xd8":
            return None
        data = b"\xff\xd8" + file.read()
    if data.endswith(_JPEG_END):
        return None
    try:
        shown = [Image.open(io.BytesIO(data + more + _JPEG_END), formats=["JPEG"]).tobytes() for more in _PADDINGS]
        return data + _JPEG_END if len(set(shown)) == 1 else None
    except Exception:  # damaged in another way
        return None


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
    """Any Pillow image as sRGB and alpha, turned as its EXIF orientation says.

    One image may be asked for by several threads at once; what Pillow keeps in it is not made for that.
    """
    with _one_shared:
        return _upright(image)


def _upright(image: Image.Image) -> Picture:
    frames = getattr(image, "n_frames", 1)
    notes = [f"first of {frames} frames"] if frames > 1 else []
    profile, nothing = image.info.get("icc_profile"), _no_data(image)
    # Turned by the orientation alone: one odd tag among the others, and Pillow could not write them back.
    if (undo := _UPRIGHT.get(_orientation(image))) is not None:
        image = image.transpose(undo)
    if image.mode in ("La", "RGBa"):  # colours multiplied by their alpha
        image = image.convert(image.mode.upper())
    alpha = None
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey, note = _scaled_grey(image, nothing)
        rgb, notes = grey.convert("RGB"), notes + note
    elif image.mode != "CMYK" and image.has_transparency_data:
        rgba = image if image.mode in ("RGBA", "LA") else image.convert("RGBA")
        alpha = rgba.getchannel("A")
        rgb = Image.new("RGB", rgba.size, GROUND)
        rgb.paste(_in_srgb(rgba.convert("L" if rgba.mode == "LA" else "RGB"), profile), mask=alpha)
    else:
        rgb = _in_srgb(image, profile)
    return Picture(rgb, rgb.size, alpha, "; ".join(notes))


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, upright, where there is none or none that makes sense."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # whatever Pillow's reader of somebody's tags trips over
        return 1
    return found if found in _UPRIGHT else 1


def _no_data(image: Image.Image) -> float:
    """The value that stands for "no data" in a geographic TIFF; NaN, which no number equals, where none is named."""
    try:
        return float(str(getattr(image, "tag_v2", {}).get(_GDAL_NODATA, "nan")).strip("\0 "))
    except ValueError:
        return float("nan")


def _scaled_grey(image: Image.Image, nothing: float) -> tuple[Image.Image, list[str]]:
    """16-bit, 32-bit and float grey to 8 bits, with what a person should know of it. Pillow's own would clip at 255.

    Whole numbers of up to 16 bits keep their absolute scale, which is that of 8 or 12 bits where all of them are
    that small. Wider kinds have none, so their own range becomes 0..255; what is no number, infinite or equal to
    `nothing` counts as the least of it.
    """
    # Late, as in all of this file: what is wrong with a command line is told without numpy.
    import numpy as np

    values = np.asarray(image)
    there = np.isfinite(values) & (values != nothing)
    some, notes = values.flat[there.argmax()] if there.any() else 0, []
    low, high = (float(edge(values, where=there, initial=some)) for edge in (np.min, np.max))
    if image.mode != "F" and low >= 0 and high < 65536:
        bits = next(bits for bits in (8, 12, 16) if high < 2**bits)
        notes = [f"{bits}-bit grey in a wider file"] if bits < 16 and high > 0 else []
        low, high = 0.0, 2.0**bits - 1
    scaled = np.zeros(values.shape, np.uint8)
    for start in range(0, len(values), _STRIP):  # eight bytes a pixel for a strip, not for the whole image
        strip = slice(start, start + _STRIP)
        levels = (values[strip].astype(np.float64) - low) * (255.0 / max(high - low, 1e-12))
        scaled[strip] = np.rint(np.where(there[strip], levels, 0.0))
    return Image.fromarray(scaled), notes


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A copy in mode RGB; a colour profile that comes with the image says what its numbers mean."""
    source = image if image.mode in ("L", "CMYK") else image.convert("RGB")
    transform = _to_srgb(profile, source.mode) if profile else None
    # As in the file where a profile says nothing new, or does not fit.
    converted = None if transform is None else transform.apply(source)
    return converted if converted is not None else source.convert("RGB")


@lru_cache(maxsize=64)
def _to_srgb(profile: bytes, mode: str) -> Any:
    """The way from the colours of `profile` to sRGB; None where it is broken, of other modes, or sRGB itself."""
    import numpy as np

    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(theirs, ImageCms.createProfile("sRGB"), mode, "RGB")
        probe = Image.fromarray(_ramp(len(Image.new(mode, (1, 1)).getbands())), mode)
        there = np.asarray(transform.apply(probe), np.int16)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if np.abs(there - np.asarray(probe.convert("RGB"), np.int16)).max() <= 1 else transform


def _ramp(channels: int) -> "NDArray[np.uint8]":
    """Every combination of a few levels of each channel, as one row of pixels."""
    import numpy as np

    levels = np.stack(np.meshgrid(*[np.linspace(0, 255, 6)] * channels), axis=-1).reshape(1, -1, channels)
    return levels.astype(np.uint8)[..., 0] if channels == 1 else levels.astype(np.uint8)
