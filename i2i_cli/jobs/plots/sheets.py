"""Pictures of what a model does: sheets of images under named columns. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image, upright
from i2i_cli.data.writing import OUTPUT_FORMATS, write_image
from i2i_cli.errors import DataError
from i2i_cli.files import check_written_as
from i2i_cli.inference.translator import Translator

if TYPE_CHECKING:
    from i2i_cli.jobs.retrieval.neighbours import Answer

SWAP_SIDE = 256

Squares = NDArray[np.uint8]

_GAP = 2
_MIN_CELL = 64
LARGE_CELL = 128
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


def check_picture(path: Path) -> None:
    """Refuse names that no picture is written under.

    Raises:
        ConfigError: the suffix is not one of an image's.
    """
    check_written_as(path, OUTPUT_FORMATS, "image")


def sheet(columns: Sequence[tuple[str, Squares]], rows_per_group: int, min_cell: int = _MIN_CELL) -> Image.Image:
    """A grid: a titled column for each (title, squares (n, S, S, 3)), a gap after each group of rows.

    Squares are enlarged, pixel by pixel, to at least `min_cell` pixels a side.
    """
    side = columns[0][1].shape[2]
    scale = max(1, -(-min_cell // side))
    cell, num_rows = side * scale, len(columns[0][1])
    font = ImageFont.load_default(11)
    header = 18
    num_groups = -(-num_rows // rows_per_group)
    width = len(columns) * (cell + _GAP) + _GAP
    height = header + num_rows * (cell + _GAP) + num_groups * 3 * _GAP
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for column, (title, images) in enumerate(columns):
        x = _GAP + column * (cell + _GAP)
        draw.text((x, 2), _shortened(title, font, cell), _INK, font)
        for row, pixels in enumerate(images):
            y = header + row * (cell + _GAP) + (row // rows_per_group) * 3 * _GAP
            picture = Image.fromarray(pixels)
            page.paste(picture.resize((cell, cell), Image.Resampling.NEAREST) if scale > 1 else picture, (x, y))
    return page


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…" if text.endswith("…") else text[:-1] + "…"
    return text


def swap_sheet(a: Path, b: Path, a_as_b: Image.Image, b_as_a: Image.Image) -> Image.Image:
    """a, a~b, b~a and b side by side, each fitted into a square and named."""
    pictures = [
        (a.name, read_image(a)),
        (f"{a.stem}~{b.stem}", upright(a_as_b)),
        (f"{b.stem}~{a.stem}", upright(b_as_a)),
        (b.name, read_image(b)),
    ]
    return sheet([(title, fit(picture, SWAP_SIDE)[0][None]) for title, picture in pictures], 1)


def save_neighbours_sheet(path: Path, answers: "Sequence[Answer]", side: int) -> None:
    """Write `neighbours_sheet` to `path`."""
    write_image(path, neighbours_sheet(answers, side))


def neighbours_sheet(answers: "Sequence[Answer]", side: int) -> Image.Image:
    """A row a query: the query at the left, then its neighbours, the closest first (SRAE figure 7)."""
    count = max(len(answer.neighbours) for answer in answers)
    blank = np.full((side, side, 3), 255, np.uint8)
    titles = ["query", *(str(rank) for rank in range(1, count + 1))]
    cells: list[list[Squares]] = [[] for _ in titles]
    for answer in answers:
        row = [blank if answer.square is None else answer.square]
        for place in answer.neighbours:
            try:
                row.append(fit(read_image(place.path, 2 * side), side)[0])
            except (DataError, OSError):  # gone since it was indexed, or not to be entered
                row.append(_lost(side))
        for column, cell in zip(cells, row + [blank] * (len(titles) - len(row)), strict=True):
            column.append(cell)
    return sheet([(title, np.stack(column)) for title, column in zip(titles, cells, strict=True)], len(answers))


def _lost(side: int) -> Squares:
    """What stands in a sheet for an image that cannot be read any more."""
    tile = Image.new("RGB", (side, side), (225, 225, 225))
    draw = ImageDraw.Draw(tile)
    draw.line((0, 0, side, side), (170, 170, 170))
    draw.line((0, side, side, 0), (170, 170, 170))
    draw.text((side / 2, side / 2), "gone", _INK, ImageFont.load_default(max(8, side // 4)), anchor="mm")
    return np.asarray(tile)


def save_translations_sheet(path: Path, labels: Sequence[str], rows: Sequence[Sequence[Squares]]) -> None:
    """Write a sheet to `path`: a row an image, the image itself (S, S, 3), then its translations, named by `labels`."""
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    write_image(path, sheet(list(zip(["input", *labels], columns, strict=True)), len(rows), LARGE_CELL))


def samples_sheet(translator: Translator, paths: Sequence[Path], domain: str, count: int) -> Image.Image:
    """Each image of `paths` beside its translations by `count` kept codes of `domain`, one code a column."""
    squares = [fit(read_image(path), translator.image_size)[0] for path in paths]
    known = [translator.folder_domain(path) for path in paths]
    codes = translator.encode(squares, translator.sources_of(squares, known))
    made = [
        (f"{domain} {target.sample}", translator.decode(codes, target)) for target in translator.samples(domain, count)
    ]
    return sheet([("input", np.stack(squares)), *made], len(paths))
