from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i_cli.config import merged
from i2i_cli.jobs.training import opening
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.opening import open_images
from i2i_cli.models.peers import ALONE


class Told(Observer):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)

    def decoding(self, done: int, total: int) -> None:
        if done == 0 or "decoding" not in self.told:
            self.told.append("decoding")


def told(domains: Path, tmp_path: Path, settings: dict[str, Any], **more: Any) -> list[str]:
    config = run_config(merged({"data": {"root": str(domains), "image_size": 64}}, settings))
    observer = Told()
    open_images(config, observer, ALONE, tmp_path / "run", **more)
    return observer.told


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        ({}, "faces-64"),
        ({"recipe": "sharp"}, "faces-64"),
        ({"recipe": "classification"}, "xray"),
        ({"recipe": "sharp", "networks": {"width": 96, "content_channels": 24}}, "emoji"),
        ({"data": {"image_size": 32}}, ""),
        ({"networks": {"width": 64}}, ""),
    ],
)
def test_a_shipped_model_is_named_where_a_run_can_start_from_it(
    domains: Path, tmp_path: Path, settings: dict[str, Any], start: str
) -> None:
    (warning,) = (text for text in told(domains, tmp_path, settings) if "the smallest domain" in text)
    assert (f"(--init {start})" in warning) == bool(start) and ("--init" in warning) == bool(start)
    if start:
        weights = next(entry.path for entry in opening.list_weights() if entry.name == start)
        again = told(domains, tmp_path, settings, init=weights)  # it does fit
        assert not any("--init" in text for text in again)


def test_enough_images_are_not_warned_of(domains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "FEW", 15)
    assert not any("the smallest domain" in text for text in told(domains, tmp_path, {}))


def test_what_is_trained_on_is_counted(domains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (40, 40)).save(domains / "disc" / "17.png")
    assert "images: disc 16, square 15; 2 more held out to measure on" in told(domains, tmp_path, {})
    monkeypatch.setattr(opening, "_MANY_DOMAINS", 1)
    assert "images: 31 of 2 domains; 2 more held out to measure on" in told(domains, tmp_path, {})


def test_the_run_is_named_once_nothing_stands_against_it_and_before_images_are_decoded(
    domains: Path, tmp_path: Path
) -> None:
    first, *others = told(domains, tmp_path, {})
    assert first == f"run: {tmp_path / 'run'}" and others.index("decoding") > 0
