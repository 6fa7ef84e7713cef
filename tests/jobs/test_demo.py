import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i_cli.bundled import portrait_file
from i2i_cli.cli import app
from i2i_cli.data.images import upright
from i2i_cli.inference.inputs import face_crops
from i2i_cli.jobs import demo as job
from i2i_cli.jobs.training.config import RunConfig
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.run import TrainingResult
from tests.conftest import draw_few_glyphs

RUNNER = CliRunner()


@pytest.fixture
def here(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the demo has been run."""
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PICTURES = (
    "portrait/sheet.png", "portrait/astronaut-anime.png", "swap.png", "neighbours.png", "samples.png",
    "run/samples/latest.png", "translated/filled/U+0046-serif.png",
)  # fmt: skip


def test_it_leaves_pictures_that_open(here: Path) -> None:
    for path in PICTURES:
        with Image.open(here / "demo" / path) as image:
            image.load()


def test_the_portrait_becomes_anime_and_the_swap_exchanges_looks(here: Path) -> None:
    portrait = Path("demo/portrait")
    words = [str(portrait / name) for name in ("face.png", "astronaut-anime.png", "face~drawn.png", "drawn~face.png")]
    lines = RUNNER.invoke(app, ["classify", *words, "-w", "faces"]).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["human", "anime", "anime", "human"]
    with Image.open(portrait / "sheet.png") as sheet:
        assert sheet.width > 8 * sheet.height * 0.8, "the face, rebuilt, and six of anime in a row"


def test_the_shipped_models_find_and_name_what_is_drawn(here: Path) -> None:
    """Twice by chance: 1 of 24 symbols, and a quarter of the domains."""
    emoji = job.load("emoji")
    assert job._find_neighbours(emoji, here / "demo" / "symbols", here / "sheet.png") >= 22
    assert job._classify(emoji, here / "demo" / "symbols" / "coloured", "google") >= 18
    assert job._classify(emoji, here / "demo" / "symbols" / "outlined", "openmoji_black") >= 18
    assert job._classify(emoji, here / "demo" / "symbols" / "outlined", "google") <= 6


class Notes(Observer):
    """Keeps what was said, and the steps of the training."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_every_step_is_told_in_a_line_with_where_to_look(here: Path) -> None:
    notes = Notes()
    result = job.run_demo(Path("demo"), observer=notes)
    steps = [text for text in notes.told if text[:2] in ("1.", "2.", "3.", "4.", "5.")]
    assert [text[:2] for text in steps] == ["1.", "2.", "3.", "4."], "the model of the earlier demo is used again"
    for text in steps:
        assert "\n" not in text and Path(text.rpartition(": ")[2]).exists(), text
    assert result.shipped["neighbours"] > 0.9 and not result.trained
    assert all(path.exists() for _, path in result.pictures)


def test_a_demo_that_is_stopped_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training itself is not what is tried here: it only leaves what a stopped one leaves."""
    called: list[tuple[str, Path]] = []

    def trained(config: RunConfig, folder: Path, **watch: Any) -> TrainingResult:
        called.append(("train", folder))
        assert watch["should_stop"]() and config.training.steps == job.STEPS and config.networks.width == 64
        folder.mkdir()
        RunFolder(folder).state.touch()
        return stopped_at(folder)

    def resumed(folder: Path, **watch: Any) -> TrainingResult:
        called.append(("resume", folder))
        return stopped_at(folder)

    monkeypatch.setattr(job, "draw_styles", draw_few_glyphs)
    monkeypatch.setattr(job, "_use_shipped", lambda folder, observer: {})
    monkeypatch.setattr("i2i_cli.jobs.training.start.train", trained)
    monkeypatch.setattr("i2i_cli.jobs.training.start.resume", resumed)
    monkeypatch.chdir(tmp_path)
    notes = Notes()
    first = job.run_demo(Path("demo"), observer=notes, should_stop=lambda: True)
    assert not first.finished and not first.pictures and notes.told[0].startswith("5.")
    result = RUNNER.invoke(app, ["demo"])
    assert result.exit_code != 0 and "to resume: i2i demo -o demo" in result.stderr and not result.stdout
    assert called == [("train", Path("demo/run")), ("resume", Path("demo/run"))]


def stopped_at(folder: Path) -> TrainingResult:
    return TrainingResult(folder=folder, step=1, finished=False, images_per_second=1.0, figures=None)


def test_the_portrait_comes_with_the_package() -> None:
    with Image.open(portrait_file()) as photo:
        assert len(face_crops(upright(photo))) == 1


def test_a_second_time_the_model_is_used_again_and_what_it_says_to_type_works(here: Path) -> None:
    before = (here / "demo" / "run" / "model.safetensors").read_bytes()
    result = RUNNER.invoke(app, ["demo"])
    assert result.exit_code == 0, result.stderr
    assert (here / "demo" / "run" / "model.safetensors").read_bytes() == before
    assert "using the model of an earlier demo" in result.stderr
    assert "filled->outline " in result.stdout and "domain leakage: content code (chance 25%)" in result.stdout
    commands = [line.strip() for line in result.stdout.split("Type next:")[1].splitlines() if line.strip()]
    assert commands[0].startswith("i2i translate demo/glyphs/test/filled/U+0039.png --to serif -w demo/run")
    for command in commands[:6]:
        assert RUNNER.invoke(app, command.split()[1:]).exit_code == 0, command


def test_it_never_becomes_the_default(here: Path) -> None:
    assert "demo" not in RUNNER.invoke(app, ["weights", "list"]).stdout


def test_json(here: Path) -> None:
    found = json.loads(RUNNER.invoke(app, ["demo", "--json"]).stdout)
    assert set(found) == {"figures", "shipped", "pictures"} and found["figures"]["judged"]
    assert set(found["shipped"]) == {"neighbours", "classified"}
    assert all(Path(path).exists() for path in found["pictures"].values()) and len(found["pictures"]) == 6


@pytest.mark.slow
def test_the_real_demo_learns_to_translate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps, however long they take: every style is met, and the easy pairs come near the truth."""
    monkeypatch.setattr(job, "MINUTES", 0.0)
    figures = job.run_demo(tmp_path / "demo").figures
    assert figures["held_out"] and figures["judge_accuracy"] > 0.95
    assert figures["mean_judged"] > 0.95 and figures["reconstruction_l1"] < 0.06
    assert figures["pair_l1"]["filled->pixel"] < 0.05 and figures["pair_l1"]["serif->filled"] < 0.1
