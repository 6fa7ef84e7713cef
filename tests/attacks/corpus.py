"""Images of every mode in every format, drawn here, and ways to damage a file."""

import io
import random
from collections.abc import Iterator

import numpy as np
from PIL import Image

MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "F", "I;16", "LAB")
FORMATS = ("PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF", "TGA", "PPM")
SUFFIXES = {"JPEG": ".jpg", "TIFF": ".tif"}
ODD_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def drawn(mode: str) -> Image.Image:
    """Noise in `mode`."""
    noise = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    base = Image.fromarray(noise)
    if mode == "I;16":
        return Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", base.size, noise.tobytes())
    return base.convert("LA").convert("PA") if mode == "PA" else base.convert(mode)


def encoded(image: Image.Image, format_name: str, **options) -> bytes:
    """`image` as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def images() -> Iterator[tuple[str, bytes]]:
    """(suffix, bytes) of every mode in every format that can hold it, and of the formats' odder kinds."""
    for format_name in FORMATS:
        suffix = SUFFIXES.get(format_name, f".{format_name.lower()}")
        for mode in MODES:
            try:
                yield suffix, encoded(drawn(mode), format_name)
            except (OSError, ValueError, KeyError):
                continue  # Pillow writes no such file
        frames = [drawn("RGB"), drawn("RGB").rotate(90), drawn("RGB").rotate(180)]
        if format_name in ("GIF", "WEBP", "PNG", "TIFF"):
            yield suffix, encoded(frames[0], format_name, save_all=True, append_images=frames[1:])
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in ({"progressive": True}, {"exif": exif}, {"quality": 10, "subsampling": 2}):
        yield ".jpg", encoded(drawn("RGB"), "JPEG", **options)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield ".tif", encoded(drawn("RGB"), "TIFF", compression=compression)
    yield ".tif", encoded(drawn("1"), "TIFF", compression="group4")
    yield ".webp", encoded(drawn("RGBA"), "WEBP", lossless=True)
    yield ".png", encoded(drawn("P"), "PNG", transparency=3)
    yield ".gif", encoded(drawn("P"), "GIF", transparency=3)
    yield ".tga", encoded(drawn("RGB"), "TGA", compression="tga_rle")


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """`data` after one to three accidents; `other` is a file of the same kind to splice with."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_ACCIDENTS)(data, other, rng)
    return data


def _place(data: bytes, rng: random.Random) -> int:
    """Somewhere in `data`, twice as often as not where headers are."""
    return rng.randrange(min(len(data), 96) if rng.random() < 0.66 else len(data)) if data else 0


def _cut(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flip_bits(data: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if data else 0):
        changed[_place(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start, length = _place(data, rng), rng.randint(1, 64)
    run = rng.choice((rng.randbytes(length), b"\0" * length, b"\xff" * length))
    return data[:start] + run + data[start + length :]


def _insert(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start = _place(data, rng)
    return data[:start] + rng.randbytes(rng.randint(1, 32)) + data[start:]


def _remove(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + rng.randint(1, 64) :]


def _repeat(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start, length = _place(data, rng), rng.randint(1, 200)
    return data[: start + length] + data[start:]


def _splice(data: bytes, other: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _odd_number(data: bytes, other: bytes, rng: random.Random) -> bytes:
    start, size = _place(data, rng), rng.choice((1, 2, 4, 8))
    number = (rng.choice(ODD_NUMBERS) % 2 ** (8 * size)).to_bytes(size, rng.choice(("little", "big")))
    return data[:start] + number + data[start + size :]


_ACCIDENTS = (_cut, _flip_bits, _flip_bits, _overwrite, _insert, _remove, _repeat, _splice, _odd_number, _odd_number)
