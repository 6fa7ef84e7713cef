"""The built-in sample sets: characters drawn from the typefaces that matplotlib carries.

`draw_styles`: four domains of the same characters (filled, outline, pixel, serif). `draw_factors`:
two factors crossed, letters | digits and filled | outline. `draw_symbols`: a few symbols in two styles.
The file name says what is shown, so images of one name are true pairs. Every run draws the same bytes.
"""

import colorsys
import hashlib
import shutil
import string
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from i2i_cli.data.domains import is_held_out
from i2i_cli.errors import DataError

VERSION = 1
"""Goes up when the drawn images change, so that cached sets are drawn anew."""

STYLES = ("filled", "outline", "pixel", "serif")

SIDE = 64
_TEXT_SIZE = 42
_SANS, _SERIF = "DejaVuSans-Bold", "DejaVuSerif-Bold"
_FACTOR_FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Bold",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol",
    "STIXGeneralItalic", "cmb10", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip
_NUM_VARIANTS = {"letter": 2, "digit": 10}
_CATEGORIES = {"Lu", "Ll", "Nd", "Lo"}
_LOOK_ALIKE = 0.012
"""Mean absolute difference of two renders, as a share of white, under which they count as twins."""

SYMBOLS = {
    "sun": 0x2600, "cloud": 0x2601, "umbrella": 0x2602, "star": 0x2605, "telephone": 0x260E, "cup": 0x2615,
    "clover": 0x2618, "skull": 0x2620, "peace": 0x262E, "yin-yang": 0x262F, "smile": 0x263A, "knight": 0x265E,
    "spade": 0x2660, "heart": 0x2665, "note": 0x266A, "flag": 0x2691, "anchor": 0x2693, "scales": 0x2696,
    "gear": 0x2699, "scissors": 0x2702, "plane": 0x2708, "envelope": 0x2709, "flower": 0x273F, "snowflake": 0x2744,
}  # fmt: skip
"""Name -> code point of the characters that `draw_symbols` draws."""

_SYMBOL_FONT, _SYMBOL_TILT = "DejaVuSans", 8

Glyph = Image.Image
"""A character as an L image of the set's side: 255 inside, 0 outside."""


def draw_styles(root: Path, styles: Sequence[str] = STYLES, end: int = sys.maxunicode) -> None:
    """Draw `root/{train,test}/STYLE/U+XXXX.png`, unless they are there.

    Args:
        styles: which of the styles.
        end: the code point before which the characters end.
    """
    _draw_once(root, lambda folder: _draw_styles(folder, styles, end))


def draw_factors(root: Path) -> None:
    """Draw `root/{train,test}/{filled,outline}_{letter,digit}/U+XXXX-FONT-N.png`, unless they are there."""
    _draw_once(root, lambda folder: _draw_factors(folder))


def draw_symbols(root: Path) -> None:
    """Draw `root/{coloured,outlined}/NAME.png`, unless they are there; the outlined ones are tilted a little."""
    _draw_once(root, lambda folder: _draw_symbols(folder))


SAMPLE_SETS: dict[str, Callable[[Path], None]] = {"styles": draw_styles, "factors": draw_factors}
"""Name -> what draws that set into a folder."""


def characters(end: int = sys.maxunicode) -> list[str]:
    """Letters and digits before `end` that both typefaces have, without twins such as Latin A and Greek Alpha."""
    shared = set(FT2Font(_font_path(_SANS)).get_charmap()) & set(FT2Font(_font_path(_SERIF)).get_charmap())
    candidates = [chr(code) for code in sorted(shared) if code < end and unicodedata.category(chr(code)) in _CATEGORIES]
    kept: list[str] = []
    renders: NDArray[np.float32] = np.empty((len(candidates), (SIDE // 2) ** 2), np.float32)
    shades: NDArray[np.float32] = np.empty(len(candidates), np.float32)
    for character in candidates:
        glyph = _glyph(character, _SANS)
        if glyph is None or _glyph(character, _SERIF) is None:
            continue
        small = glyph.resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX)
        render = np.asarray(small, np.float32).reshape(-1) / 255
        # Two renders differ by as much as their shades at least: few are left to compare in full.
        alike = np.abs(shades[: len(kept)] - render.mean()) < 1.01 * _LOOK_ALIKE
        if render.any() and not (np.abs(renders[: len(kept)][alike] - render).mean(1) < _LOOK_ALIKE).any():
            renders[len(kept)], shades[len(kept)] = render, render.mean()
            kept.append(character)
    return kept


def _draw_once(root: Path, draw: Callable[[Path], None]) -> None:
    """Draw into a folder beside `root` that takes its name when it is complete."""
    if root.exists():
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
            draw(Path(temporary, "set"))
            if not root.exists():  # another process may have been quicker
                shutil.move(Path(temporary, "set"), root)
    except OSError as error:
        raise DataError(f"cannot draw the sample set into {root}: {error.strerror or error}") from error


def _draw_styles(folder: Path, styles: Sequence[str], end: int) -> None:
    for character in characters(end):
        name = f"U+{ord(character):04X}"
        glyph, serif = _glyph(character, _SANS), _glyph(character, _SERIF)
        assert glyph is not None and serif is not None
        split = "test" if is_held_out(name) else "train"
        images = {
            "filled": _inked(glyph, (0, 0, 0), (255, 255, 255)),
            "outline": _inked(_outline(glyph), (0, 0, 0), (255, 255, 255)),
            "pixel": _pixelated(glyph),
            "serif": _coloured(serif, name),
        }
        for style in styles:
            _save(images[style], folder / split / style / f"{name}.png")


def _draw_factors(folder: Path) -> None:
    letters = [letter for letter in string.ascii_letters if letter not in "OoIl"]  # digits' twins
    for kind, texts in {"letter": letters, "digit": list("0123456789")}.items():
        for name, glyph in _variants(texts, _NUM_VARIANTS[kind]):
            split = "test" if is_held_out(name) else "train"
            _save(_inked(glyph, (0, 0, 0), (255, 255, 255)), folder / split / f"filled_{kind}" / f"{name}.png")
            _save(
                _inked(_outline(glyph), (0, 0, 0), (255, 255, 255)), folder / split / f"outline_{kind}" / f"{name}.png"
            )


def _draw_symbols(folder: Path) -> None:
    for name, code in SYMBOLS.items():
        glyph = _glyph(chr(code), _SYMBOL_FONT)
        assert glyph is not None
        ink = _as_bytes(colorsys.hsv_to_rgb(_fractions(name)[0], 0.75, 0.85))
        tilted = _outline(glyph.rotate(_SYMBOL_TILT, Image.Resampling.BICUBIC))
        _save(_inked(glyph, ink, (255, 255, 255)), folder / "coloured" / f"{name}.png")
        _save(_inked(tilted, (0, 0, 0), (255, 255, 255)), folder / "outlined" / f"{name}.png")


def _variants(texts: list[str], count: int) -> Iterator[tuple[str, Glyph]]:
    """Each text in each typeface, turned and scaled a little, `count` times."""
    for text in texts:
        for font in _FACTOR_FONTS:
            for variant in range(count):
                name = f"U+{ord(text):04X}-{font}-{variant}"
                turn, size = _fractions(name)[:2]
                glyph = _glyph(text, font, round(_TEXT_SIZE * (0.85 + 0.25 * size)))
                if glyph is not None:
                    yield name, glyph.rotate(16 * turn - 8, Image.Resampling.BICUBIC)


def _glyph(text: str, font: str, size: int = _TEXT_SIZE) -> Glyph | None:
    """`text` centred by its ink; None where it does not fit or has no ink."""
    typeface = ImageFont.truetype(_font_path(font), size)
    left, top, right, bottom = typeface.getbbox(text)
    if not 0 < right - left <= SIDE - 6 or not 0 < bottom - top <= SIDE - 6:
        return None
    glyph = Image.new("L", (SIDE, SIDE), 0)
    x, y = (SIDE - left - right) / 2, (SIDE - top - bottom) / 2
    ImageDraw.Draw(glyph).text((round(x), round(y)), text, 255, typeface)
    return glyph


def _outline(glyph: Glyph) -> Glyph:
    """The ring around a glyph: its shape grown by two pixels, less the shape itself."""
    ink = np.asarray(glyph, np.int16)
    padded = np.pad(ink, 2)
    offsets = [(y, x) for y in range(5) for x in range(5) if (y - 2) ** 2 + (x - 2) ** 2 <= 5]
    grown = np.max([padded[y : y + SIDE, x : x + SIDE] for y, x in offsets], axis=0)
    return Image.fromarray((grown - ink).astype(np.uint8))


def _inked(glyph: Glyph, ink: tuple[int, int, int], ground: tuple[int, int, int]) -> Image.Image:
    return Image.composite(Image.new("RGB", glyph.size, ink), Image.new("RGB", glyph.size, ground), glyph)


def _pixelated(glyph: Glyph) -> Image.Image:
    """A 16 x 16 bitmap in the two greens of an old handheld, enlarged without smoothing."""
    coarse = glyph.resize((SIDE // 4, SIDE // 4), Image.Resampling.BOX).point(lambda level: 255 * (level > 110))
    return _inked(coarse.resize(glyph.size, Image.Resampling.NEAREST), (24, 66, 24), (160, 190, 40))


def _coloured(glyph: Glyph, name: str) -> Image.Image:
    """Dark ink on a light ground of another hue; the name decides both."""
    hue, turn, shade = _fractions(name)[:3]
    ink = colorsys.hsv_to_rgb(hue, 0.85, 0.35 + 0.25 * shade)
    ground = colorsys.hsv_to_rgb((hue + 0.25 + 0.5 * turn) % 1, 0.35, 0.95)
    return _inked(glyph, _as_bytes(ink), _as_bytes(ground))


def _as_bytes(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * level) for level in colour)
    return red, green, blue


def _fractions(name: str) -> list[float]:
    """Numbers in [0, 1) that look random and depend on `name` alone."""
    return [byte / 256 for byte in hashlib.sha256(name.encode()).digest()]


def _font_path(font: str) -> str:
    return str(Path(get_data_path(), "fonts", "ttf", f"{font}.ttf"))


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
