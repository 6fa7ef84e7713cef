"""On real photographs and drawings, where they lie beside the checkout; skipped elsewhere."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image

import i2i_cli as i2i
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.inputs import find_sources
from i2i_cli.jobs.classification.classify import classify_files
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.start import train

REAL_IMAGES = Path(__file__).parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="no real images beside the checkout")


def test_sets_are_found_split_and_labelled() -> None:
    faces = scan(REAL_IMAGES / "faces" / "64")
    assert faces.domains == ("anime", "human")
    assert Counter(item.label for item in faces.train) == {0: 10_000, 1: 6_597}
    assert Counter(item.label for item in faces.test) == {0: 400, 1: 500}
    xray = scan(REAL_IMAGES / "xray" / "64")
    assert Counter(item.label for item in xray.test) == {0: 151, 1: 391}, "val is a test split"


def test_pairs_are_found_by_name() -> None:
    emoji = decoded(scan(REAL_IMAGES / "emoji" / "64"), 32)
    assert len(emoji.domains) == 4 and not emoji.images.bad
    for other in range(1, 4):
        first, second = emoji.pairs(emoji.test, 0, other)
        assert len(first) == len(second) == 160


def test_a_small_model_learns_something_in_sixty_steps(tmp_path: Path) -> None:
    flags = {
        "data": {"root": str(REAL_IMAGES / "fruit" / "128"), "image_size": 32, "pairs": "none"},
        "networks": {"width": 32, "min_width": 16},
        "objective": {"perceptual": "none"},
        "training": {"steps": 60, "batch_size": 16, "device": "cpu", "warmup": 10},
    }
    result = train(run_config(flags), tmp_path / "run")
    assert result.figures is not None and result.figures.reconstruction_l1 < 0.45, "a grey image has 0.5 and more"
    model = i2i.load(tmp_path / "run", device="cpu")
    path = next(iter((REAL_IMAGES / "faces" / "256" / "test" / "human_ffhq").iterdir()))
    translated = model.translate(path, to="apple")
    with Image.open(path) as original:
        assert translated.size == original.size
    assert torch.isfinite(model.model.kept_codes).all()


def test_the_shipped_xray_tells_both_classes_of_another_origin() -> None:
    model, folder = i2i.load("xray"), REAL_IMAGES / "xray" / "64" / "other"
    for name in ("NORMAL", "PNEUMONIA"):
        found = [one.label for one in classify_files(model, find_sources([folder / name], recursive=True))]
        assert Counter(found)[name] > 0.8 * len(found)
