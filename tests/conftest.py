"""Shared fixtures: everything is drawn here, nothing is downloaded, and no cache of the user's is touched."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

DEVICE = os.environ.get("I2I_TEST_DEVICE", "cpu")
"""What tiny models train on: `make device` has the suite run on a GPU too."""

TINY = {
    "data": {"image_size": 32},
    "networks": {"width": 16, "min_width": 8, "content_channels": 4, "domain_channels": 4, "num_blocks": 1},
    "objective": {"critic_width": 8, "perceptual": "none", "hiding_ramp": 4},
    "training": {"steps": 6, "batch_size": 6, "precision": "fp32", "device": DEVICE},
}
"""Settings of a model that trains in a second."""


TINY_DUAL = {
    "family": "dual",
    "data": {"image_size": 32},
    "networks": {"inputs": ("grey_disc", "red_square"), "outputs": ("red_disc", "grey_square"), "width": 0.0625},
    "objective": {"critic_width": 0.0625, "pretraining_steps": 4, "r1_every": 2},
    "training": {"steps": 8, "batch_size": 8, "precision": "fp32", "device": DEVICE},
}
"""The same of the dual family, of `draw_factor_domains`."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / ".cache"))
    monkeypatch.delenv("I2I_WEIGHTS", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> Iterator[None]:
    import torch

    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    yield


def draw_image(
    shape: str, colour: tuple[int, int, int], place: int, size: tuple[int, int] = (40, 36), shift: int = 0
) -> Image.Image:
    """A square or a disc somewhere on a light ground: the shape is the domain, the place the content."""
    image = Image.new("RGB", size, (235, 235, 225))
    x, y = 6 + 3 * (place % 4) + shift, 5 + 3 * (place // 4 % 4) + shift
    draw = ImageDraw.Draw(image)
    (draw.rectangle if shape == "square" else draw.ellipse)((x, y, x + 14, y + 14), fill=colour)
    return image


def draw_domains(root: Path, count: int = 16, shift: int = 0) -> Path:
    """`root/{disc,square}/NN.png`, the same names in both; another `shift` makes other images of all of them."""
    for domain, colour in {"disc": (200, 40, 40), "square": (30, 60, 190)}.items():
        (root / domain).mkdir(parents=True)
        for place in range(count):
            draw_image(domain, colour, place, shift=shift).save(root / domain / f"{place:02d}.png")
    return root


def draw_factor_domains(root: Path, count: int = 16, shift: int = 0) -> Path:
    """`root/{grey,red}_{disc,square}/NN.png`: two things in two colours, the same names in all."""
    for shape in ("disc", "square"):
        for name, colour in {"grey": (90, 90, 90), "red": (200, 40, 40)}.items():
            (root / f"{name}_{shape}").mkdir(parents=True)
            for place in range(count):
                image = draw_image(shape, colour, place, shift=shift)
                image.save(root / f"{name}_{shape}" / f"{place:02d}.png")
    return root


@pytest.fixture
def factors(tmp_path: Path) -> Path:
    """A fresh data set of two things in two colours."""
    return draw_factor_domains(tmp_path / "factors")


@pytest.fixture
def tiny(domains: Path) -> dict[str, Any]:
    """Settings of a model of `domains` that trains in a second."""
    return {**TINY, "data": {"root": str(domains), "image_size": 32}}


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    """A fresh data set of two domains."""
    return draw_domains(tmp_path / "shapes")


def finished_run(root: Path, settings: dict[str, Any]) -> Path:
    """The run folder of a training on `root`, beside it."""
    from i2i_cli.jobs.training.config import run_config
    from i2i_cli.jobs.training.start import train

    folder = root.parent / "runs" / root.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("I2I_CACHE", str(root.parent / "cache"))
        train(run_config({**settings, "data": {"root": str(root), "image_size": 32}}), folder)
    return folder


def trusted(folder: Path) -> Path:
    """The run in `folder`, its held-out figures changed to those of a model that is used unasked."""
    from dataclasses import replace

    from i2i_cli.checkpoints.header import read_header
    from i2i_cli.checkpoints.tensors import load_tensors, save_tensors

    path = folder / "model.safetensors"
    header = read_header(path)
    figures = header.figures | {"judged": dict.fromkeys(header.figures["judged"], 1.0), "reconstruction_l1": 0.1}
    save_tensors(path, load_tensors(path), replace(header, figures=figures).to_metadata())
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a tiny model; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    return finished_run(draw_domains(folder / "shapes"), TINY)


@pytest.fixture(scope="session")
def dual_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a tiny dual model; not to be changed."""
    folder = tmp_path_factory.mktemp("dual")
    return finished_run(draw_factor_domains(folder / "factors"), TINY_DUAL)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture that is neither square nor small."""
    path = tmp_path / "photo.jpg"
    ramp = np.linspace(0, 255, 120 * 200, dtype=np.uint8).reshape(120, 200)
    Image.fromarray(np.stack([ramp, ramp[::-1], 255 - ramp], axis=2)).save(path, quality=90)
    return path


@pytest.fixture
def here(tmp_path: Path, run: Path, domains: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a finished run, its data as `shapes/`, and `query.png`."""
    trusted(shutil.copytree(run, tmp_path / "runs" / "faces"))
    shutil.copy(domains / "disc" / "03.png", tmp_path / "query.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


GLYPHS = ("U+0039", "U+0046", "U+0056", "U+0069", "U+0077", "U+00D9", "U+00DD", "U+00FB")


def draw_few_glyphs(root: Path, *which: object) -> None:
    """A stand-in for the built-in sample set: its folders and some of its names, `which` asked for or not."""
    if root.exists():
        return
    for d, domain in enumerate(("filled", "outline", "pixel", "serif")):
        for split, names in (("train", [f"U+1{i:03X}" for i in range(12)]), ("test", GLYPHS)):
            (root / split / domain).mkdir(parents=True, exist_ok=True)
            for place, name in enumerate(names):
                image = Image.new("RGB", (32, 32), (60 * d, 90, 90))
                image.paste((255, 255, 255), (2 * place, 4, 2 * place + 6, 20))
                image.save(root / split / domain / f"{name}.png")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `i2i demo` leaves, after three steps on a few glyphs; not to be changed."""
    from i2i_cli.jobs import demo as job

    folder = tmp_path_factory.mktemp("demo") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "draw_styles", draw_few_glyphs)
        patch.setattr(job, "STEPS", 3)
        patch.setattr(job, "SETTINGS", TINY)
        patch.setenv("I2I_CACHE", str(folder.parent / "cache"))
        job.run_demo(folder)
    return folder
