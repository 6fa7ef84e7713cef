from pathlib import Path
from typing import Any

import pytest

from i2i_cli.jobs.training import run as sitting
from i2i_cli.jobs.training.config import RunConfig, run_config
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.outlook import steps_in_all, steps_needed, told
from i2i_cli.jobs.training.start import train

RUN = Path("runs/x")


def config_of(minutes: float = 60, **more: Any) -> RunConfig:
    return run_config({"training": {"steps": 0, "minutes": minutes, "batch_size": 32}, **more})


def test_the_minutes_that_are_left_are_counted_in_steps() -> None:
    assert steps_in_all(config_of(10), step=0, seconds=0, images_per_second=64) == 1200
    assert steps_in_all(config_of(10), step=100, seconds=300, images_per_second=64) == 700
    assert steps_in_all(config_of(10), step=100, seconds=900, images_per_second=64) == 100


def test_steps_and_how_often_images_are_seen_are_told() -> None:
    assert told(config_of(), RUN, 40, 2412, {"a": 1900, "b": 1950}) == [
        "about 2,400 steps in 60 minutes: each image is seen some 20 times"
    ]
    (text,) = told(config_of(), RUN, 40, 2400, {"a": 10000, "b": 400})
    assert text.endswith("each image is seen some 4 (a) to 96 (b) times")
    (text,) = told(config_of(), RUN, 40, 1000, {"a": 32000, "b": 400})
    assert text.endswith("of the images of 'a', 50% are seen")


def test_nothing_is_said_where_steps_end_the_run() -> None:
    both = run_config({"training": {"steps": 300, "minutes": 60, "batch_size": 32}})
    assert told(both, RUN, 20, 300, {"a": 100}) == []
    assert len(told(both, RUN, 20, 299, {"a": 100})) == 2


def test_too_few_steps_come_with_what_to_do() -> None:
    _, warning = told(config_of(10), RUN, 20, 100, {"a": 100, "b": 100})
    assert warning.startswith("warning: 100 steps are few; expect little below 500")
    assert "(--resume runs/x --minutes 55)" in warning
    assert "--image-size 32 or --set networks.width=64" in warning
    small = config_of(10, data={"image_size": 32}, networks={"width": 64})
    assert "start again" not in told(small, RUN, 20, 100, {"a": 100})[1]


@pytest.mark.parametrize(("more", "needed"), [({}, 500), ({"recipe": "sharp"}, 1300), ({"family": "dual"}, 1300)])
def test_what_begins_late_has_to_be_learned_too(more: dict[str, Any], needed: int) -> None:
    config = config_of(**more)
    assert steps_needed(config) == needed
    assert len(told(config, RUN, 20, needed - 1, {"a": 9})) == 2 and len(told(config, RUN, 20, needed, {"a": 9})) == 1
    slower = told(config, RUN, 20, 5000, {"a": 9})[0]
    assert ("(steps are slower from 800 on)" in slower) == (needed > 500)


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("minutes", [1.0, 0.0])
def test_it_is_told_once_when_the_first_steps_are_over(
    tiny: dict, tmp_path: Path, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitting, "FAIR_SECONDS", 0.0)
    monkeypatch.setattr(sitting, "LOG_EVERY", 2)
    notes, tiny["training"] = Notes(), {**tiny["training"], "steps": 0 if minutes else 99, "minutes": minutes}
    asked = iter(range(10))
    train(run_config(tiny), tmp_path / "run", observer=notes, should_stop=lambda: next(asked) == 9)
    assert len([text for text in notes.notes if " steps in 1 minutes: " in text]) == (minutes > 0)


def test_nothing_is_told_of_a_training_that_ends_before_its_speed_is_known(tiny: dict, tmp_path: Path) -> None:
    notes, tiny["training"] = Notes(), {**tiny["training"], "steps": 0, "minutes": 0.01}
    train(run_config(tiny), tmp_path / "run", observer=notes)
    assert not [text for text in notes.notes if " steps in " in text]
