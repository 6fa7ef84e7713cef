"""Images of 2:1 from training to the commands: what is kept, fitted and measured describes what the commands see."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.jobs.evaluation.inputs import gather
from i2i_cli.jobs.retrieval.gallery import open_gallery
from tests.conftest import TINY, draw_image, finished_run


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs and squares on canvases of 2:1; what tells images apart lies at the ends, which a crop would cut off."""
    root = tmp_path_factory.mktemp("wide") / "shapes"
    for domain, colour in {"disc": (200, 40, 40), "square": (30, 60, 190)}.items():
        (root / domain).mkdir(parents=True)
        for place in range(16):
            image = Image.new("RGB", (72, 36), (235, 235, 225))
            image.paste(draw_image(domain, colour, place).crop((0, 0, 36, 36)), (36 * (place % 2), 0))
            image.save(root / domain / f"{place:02d}.png")
    return root


@pytest.fixture(scope="module")
def model(wide: Path) -> Iterator[TorchTranslator]:
    yield load(finished_run(wide, TINY), "cpu")


def codes(model: TorchTranslator, path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(code[0] for code in model.encode([fit(read_image(path), 32)[0]]))


def test_kept_codes_are_those_of_whole_images(model: TorchTranslator, wide: Path) -> None:
    for label, domain in enumerate(model.domains):
        kept = model.model.kept_codes[label, : int(model.model.num_kept_codes[label])]
        own = torch.stack([codes(model, path)[1] for path in sorted((wide / domain).iterdir())])
        assert len(kept) == 15 and torch.cdist(kept, own).min(1).values.max() < 1e-3


def test_the_gallery_and_a_measurement_hold_what_a_command_encodes(model: TorchTranslator, wide: Path) -> None:
    gallery = open_gallery(model.path.parent / "gallery.safetensors")
    for row in (0, 7, 20):
        assert np.allclose(gallery.content[row], codes(model, gallery.path(row))[0].flatten(), atol=5e-3)
    for split in ("train", "test"):
        for domain in model.domains:
            (wide.parent / "split" / split).mkdir(parents=True, exist_ok=True)
            (wide.parent / "split" / split / domain).symlink_to(wide / domain)
    material = gather(
        model,
        wide.parent / "split",
        test_limit=9,
        train_limit=9,
        same=None,
        table=None,
        report=lambda done, total: None,
    )
    first = sorted((wide / "disc").iterdir())[0]
    assert torch.allclose(material.test.content[0], codes(model, first)[0].flatten(), atol=1e-4)


def test_results_come_back_at_2_to_1_with_both_ends(model: TorchTranslator, wide: Path) -> None:
    for place in (2, 3):  # one at the left, one at the right
        made = model.translate(wide / "disc" / f"{place:02d}.png", to="square")
        assert made.size == (72, 36)
