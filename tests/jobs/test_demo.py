import shutil
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from i2i_cli.cli import app
from i2i_cli.jobs import demo as job

RUNNER = CliRunner()


@pytest.fixture
def here(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which the demo has been run."""
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_leaves_pictures_that_open(here: Path) -> None:
    for path in ("swap.png", "samples.png", "run/samples/latest.png", "translated/filled/U+0046-serif.png"):
        with Image.open(here / "demo" / path) as image:
            image.load()


def test_a_second_time_the_model_is_used_again_and_what_it_says_to_type_works(here: Path) -> None:
    before = (here / "demo" / "run" / "model.safetensors").read_bytes()
    result = RUNNER.invoke(app, ["demo"])
    assert result.exit_code == 0, result.stderr
    assert (here / "demo" / "run" / "model.safetensors").read_bytes() == before
    assert "using the model of an earlier demo" in result.stderr
    assert "filled->outline " in result.stdout and "domain leakage: content code (chance 25%)" in result.stdout
    commands = [line.strip() for line in result.stdout.split("Type next:")[1].splitlines() if line.strip()]
    assert commands[0].startswith("i2i translate demo/glyphs/test/filled/U+0039.png --to serif -w demo/run")
    for command in commands[:2]:
        assert RUNNER.invoke(app, command.split()[1:]).exit_code == 0, command


def test_it_never_becomes_the_default(here: Path) -> None:
    assert "demo" not in RUNNER.invoke(app, ["weights", "list"]).stdout


def test_json(here: Path) -> None:
    assert RUNNER.invoke(app, ["demo", "--json"]).stdout.startswith('{"figures"')


@pytest.mark.slow
def test_the_real_demo_learns_to_translate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 steps on the real sample set: every style is met, and the easy pairs come near the truth."""
    monkeypatch.setattr(job, "STEPS", 1000)
    monkeypatch.setattr(job, "MINUTES", 0.0)
    figures = job.run_demo(tmp_path / "demo").figures
    assert figures["held_out"] and figures["judge_accuracy"] > 0.95
    assert figures["mean_judged"] > 0.8 and figures["reconstruction_l1"] < 0.08
    assert figures["pair_l1"]["filled->pixel"] < 0.08 and figures["pair_l1"]["serif->filled"] < 0.15
