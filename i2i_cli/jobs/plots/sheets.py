"""Pictures of what a model does: sheets of images under named columns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import OUTPUT_FORMATS, read_image, upright, write_image
from i2i_cli.errors import DataError
from i2i_cli.files import check_written_as
from i2i_cli.inference.loaded import Translator
from i2i_cli.jobs.retrieval.neighbours import Answer
from i2i_cli.models.family import TranslationModel

SWAP_SIDE = 256
SHEET_SAMPLES = 4

_GAP = 2
_MIN_CELL = 64
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)


def check_picture(path: Path) -> None:
    """Refuse names that no picture is written under.

    Raises:
        ConfigError: the suffix is not one of an image's.
    """
    check_written_as(path, OUTPUT_FORMATS, "image")


def sheet(columns: Sequence[tuple[str, Tensor]], rows_per_group: int) -> Image.Image:
    """A grid: a titled column for each (title, images (n, 3, S, S)), a gap after each group of rows."""
    side = columns[0][1].shape[3]
    scale = max(1, _MIN_CELL // side)
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
        for row, pixels in enumerate(to_bytes(images).numpy()):
            y = header + row * (cell + _GAP) + (row // rows_per_group) * 3 * _GAP
            picture = Image.fromarray(pixels)
            page.paste(picture.resize((cell, cell), Image.Resampling.NEAREST) if scale > 1 else picture, (x, y))
    return page


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while len(text) > 1 and font.getlength(text) > width:
        text = text[:-2] + "…" if text.endswith("…") else text[:-1] + "…"
    return text


def translation_sheet(
    model: TranslationModel, dataset: Dataset, device: torch.device, per_domain: int = 4, rebuilds: bool = True
) -> Image.Image:
    """Held-out images: input, reconstruction (if the model `rebuilds`), and each in every domain that it can go to.

    The target codes are the domains' medoids, so that a column differs by content alone. Where an image
    can go to one domain alone, there are columns of more of that domain's codes.
    """
    split = dataset.test if len(dataset.test) else dataset.train
    sources = [source for source in range(model.num_domains) if model.targets_of(source)]
    rows = torch.cat([dataset.rows(split, source, per_domain) for source in sources])
    images = to_model_range(dataset.images.squares(rows), device)
    return translated_sheet(model, images, dataset.labels[rows], dataset.domains, per_domain, rebuilds)


@torch.no_grad()
def translated_sheet(
    model: TranslationModel, images: Tensor, y: Tensor, domains: Sequence[str], per_domain: int, rebuilds: bool = True
) -> Image.Image:
    """The same of any `images` (n, 3, S, S), ordered by their labels `y` (n,) on the CPU."""
    goals = {source: model.targets_of(source) for source in y.unique().tolist()}
    source = y.to(images.device)
    codes = model.encode(images, source)
    columns = [("input", images), *([("rebuilt", model.rebuild(images, source))] if rebuilds else [])]
    if all(len(labels) == model.num_domains for labels in goals.values()):
        chosen = [(f"to {name}", dict.fromkeys(goals, (label, 0))) for label, name in enumerate(domains)]
    else:
        chosen = [
            (f"translated {i + 1}", {source: (labels[0], i) for source, labels in goals.items()})
            for i in range(SHEET_SAMPLES)
        ]
    for title, places in chosen:
        target = torch.stack([_kept(model, *places[source]) for source in y.tolist()])
        columns.append((title, model.decode(codes.content, target)))
    return sheet(columns, per_domain)


def _kept(model: TranslationModel, label: int, place: int) -> Tensor:
    """The kept code of domain `label` at `place`, or the last one where there are fewer."""
    codes = model.target_codes(label)
    return codes[min(place, len(codes) - 1)]


def swap_sheet(a: Path, b: Path, a_as_b: Image.Image, b_as_a: Image.Image) -> Image.Image:
    """a, a~b, b~a and b side by side, each fitted into a square and named."""
    pictures = [
        (a.name, read_image(a)),
        (f"{a.stem}~{b.stem}", upright(a_as_b)),
        (f"{b.stem}~{a.stem}", upright(b_as_a)),
        (b.name, read_image(b)),
    ]
    squares = [(title, torch.from_numpy(fit(picture, SWAP_SIDE)[0])[None]) for title, picture in pictures]
    return sheet([(title, to_model_range(square, torch.device("cpu"))) for title, square in squares], 1)


def save_neighbours_sheet(path: Path, answers: Sequence[Answer], side: int) -> None:
    """Write `neighbours_sheet` to `path`."""
    write_image(path, neighbours_sheet(answers, side))


def neighbours_sheet(answers: Sequence[Answer], side: int) -> Image.Image:
    """A row a query: the query at the left, then its neighbours, the closest first (SRAE figure 7)."""
    count = max(len(answer.neighbours) for answer in answers)
    blank = np.full((side, side, 3), 255, np.uint8)
    titles = ["query", *(str(rank) for rank in range(1, count + 1))]
    cells: list[list[NDArray[np.uint8]]] = [[] for _ in titles]
    for answer in answers:
        row = [blank if answer.square is None else answer.square]
        for place in answer.neighbours:
            try:
                row.append(fit(read_image(place.path, 2 * side), side)[0])
            except (DataError, OSError):  # gone since it was indexed, or not to be entered
                row.append(_lost(side))
        for column, cell in zip(cells, row + [blank] * (len(titles) - len(row)), strict=True):
            column.append(cell)
    columns = [(title, torch.from_numpy(np.stack(column))) for title, column in zip(titles, cells, strict=True)]
    return sheet([(title, to_model_range(pixels, torch.device("cpu"))) for title, pixels in columns], len(answers))


def _lost(side: int) -> NDArray[np.uint8]:
    """What stands in a sheet for an image that cannot be read any more."""
    tile = Image.new("RGB", (side, side), (225, 225, 225))
    draw = ImageDraw.Draw(tile)
    draw.line((0, 0, side, side), (170, 170, 170))
    draw.line((0, side, side, 0), (170, 170, 170))
    draw.text((side / 2, side / 2), "gone", _INK, ImageFont.load_default(max(8, side // 4)), anchor="mm")
    return np.asarray(tile)


def samples_sheet(translator: Translator, paths: Sequence[Path], domain: str, count: int) -> Image.Image:
    """Each image of `paths` beside its translations by `count` kept codes of `domain`, one code a column."""
    side, device = translator.image_size, torch.device("cpu")
    squares = [fit(read_image(path), side)[0] for path in paths]
    known = [translator.folder_domain(path) for path in paths]
    codes = translator.encode(squares, translator.sources_of(squares, known))
    columns = [("input", torch.from_numpy(np.stack(squares)))]
    columns += [
        (f"{domain} {target.sample}", torch.from_numpy(translator.decode(codes, target)))
        for target in translator.samples(domain, count)
    ]
    return sheet([(title, to_model_range(pixels, device)) for title, pixels in columns], len(paths))
