from pathlib import Path

import numpy as np
import torch
from PIL import Image

from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.plots.sheets import sheet
from i2i_cli.jobs.plots.translations import translated_columns, translation_sheet


def squares(images: torch.Tensor) -> np.ndarray:
    return to_bytes(images.detach()).numpy()


def test_a_sheet_shows_every_image_under_its_title() -> None:
    red = np.broadcast_to(np.array([255, 0, 0], np.uint8), (3, 32, 32, 3))
    page = sheet([("input", red), ("a very long name of a domain", 255 - red)], rows_per_group=2)
    assert isinstance(page, Image.Image)
    colours = {colour: count for count, colour in page.getcolors(100_000)}
    assert colours[(255, 0, 0)] == colours[(0, 255, 255)] == 3 * 64 * 64, "small images are enlarged"
    assert page.width < 3 * 64 + 20, "a long title does not widen its column"


def test_a_sheet_has_a_column_for_every_domain_or_for_several_codes_of_the_only_one(
    run: Path, dual_run: Path, domains: Path, factors: Path
) -> None:
    cpu, widths = torch.device("cpu"), {}
    for name, folder, data in (("all", run, domains), ("one", dual_run, factors)):
        model, dataset = load(folder, device="cpu").model, decoded(scan(data), 32)
        pages = [translation_sheet(model, dataset, cpu, 2, rebuilds=rebuilds) for rebuilds in (True, False)]
        widths[name] = [page.width // 66 for page in pages]
    assert widths == {"all": [4, 3], "one": [6, 5]}


def test_the_rebuilt_column_of_a_dual_sheet_is_what_the_model_rebuilds(dual_run: Path, factors: Path) -> None:
    model, dataset = load(dual_run, device="cpu").model, decoded(scan(factors), 32)
    rows = torch.cat([dataset.rows(dataset.train, label, 2) for label in range(4)])
    images, y = to_model_range(dataset.images.squares(rows), torch.device("cpu")), dataset.labels[rows]
    page = sheet(translated_columns(model, images, y, dataset.domains), 2)
    wanted = sheet([("", squares(images)), ("", squares(model.rebuild(images, y)))], 2)
    columns = (2 * 66 + 2, page.height)
    one, other = (np.asarray(picture.crop((0, 18, *columns)), int) for picture in (page, wanted))
    assert np.abs(one - other).max() <= 1
    again = sheet([("", squares(images)), ("", squares(model.decode(*model.encode(images, y))))], 2)
    assert np.abs(one - np.asarray(again.crop((0, 18, *columns)), int)).max() > 1, "G(z, z) is another image"
