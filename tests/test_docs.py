"""The README's commands: those that use a model are run, those that train are parsed."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import i2i_cli
from i2i_cli.cli import app
from i2i_cli.config import parse_assignment, updated
from i2i_cli.engine.checkpoint import load_tensors, save_tensors
from i2i_cli.engine.header import read_header
from i2i_cli.errors import ConfigError
from i2i_cli.jobs.launching import LaunchResult
from i2i_cli.jobs.run_config import RunConfig, run_config
from i2i_cli.jobs.sitting import TrainingResult
from i2i_cli.models import FAMILIES
from i2i_cli.models.dual import config as dual_config
from i2i_cli.models.srae import config

ROOT = Path(i2i_cli.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.removeprefix("$ ") for line in README.splitlines() if line.startswith("$ i2i ")]


@pytest.fixture
def here(tmp_path: Path, demo: Path, dual_run: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder after `i2i demo`, with images, a run `faces` that knows `anime`, and a dual run `edges`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo, tmp_path / "demo")
    shutil.copy(demo / "glyphs" / "test" / "filled" / "U+0046.png", tmp_path / "img.png")
    header = read_header(demo / "run" / "model.safetensors")
    renamed = replace(header, domains=("anime", "human", "pixel", "serif"))
    tensors = load_tensors(demo / "run" / "model.safetensors")
    save_tensors(tmp_path / "runs" / "faces" / "model.safetensors", tensors, renamed.to_metadata())
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "astronaut.jpg", tmp_path / "docs")
    shutil.copy(photo, tmp_path / "sketch.png")
    shutil.copy(photo, tmp_path / "shoe.png")
    metadata = str(read_header(dual_run / "model.safetensors").to_metadata()["i2i"])
    for ours, theirs in (("grey_", "sketch_"), ("red_", "photo_"), ("_disc", "_bag"), ("_square", "_shoe")):
        metadata = metadata.replace(ours, theirs)
    edges = load_tensors(dual_run / "model.safetensors")
    save_tensors(tmp_path / "runs" / "edges" / "model.safetensors", edges, {"i2i": metadata})
    return tmp_path


def test_there_are_commands_for_every_subcommand() -> None:
    named = {command.split()[1] for command in COMMANDS}
    registered = typer.main.get_command(app).commands
    assert named >= set(registered)


def parsed(words: list[str]) -> None:
    """What `i2i train` makes of its words, short of training: every option, recipe and setting is one that there is."""
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2i_cli.jobs.training.train", lambda config, folder, **_: told.update(config=config) or DONE)
        patch.setattr("i2i_cli.jobs.training.resume", lambda folder, changes, **_: told.update(changes=changes) or DONE)
        patch.setattr("i2i_cli.jobs.launching.launch", lambda count, *_: LaunchResult(exit_code=0))
        result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 0, result.stderr
    if "changes" in told:
        updated(run_config({}), told["changes"])
    assert told or "--devices" in words


DONE = TrainingResult(folder=Path("runs/x"), step=1, finished=True, images_per_second=1.0, figures=None)

TRAIN_LINES = sorted(
    {line.split("`")[0] for line in re.findall(r"`(i2i train [^`]*)`", re.sub(r"\s*\n\s*", " ", README))}
)
"""Those in the text and in its tables, beside `COMMANDS`."""


@pytest.mark.parametrize("line", TRAIN_LINES)
def test_training_that_a_figure_came_of(here: Path, line: str) -> None:
    parsed([word for word in shlex.split(line)[2:] if word != "…"])


def test_recipes_and_settings_in_the_text_are_those_that_there_are() -> None:
    recipes = {name for kind in FAMILIES.values() for name in kind.recipes}
    assert set(re.findall(r"--recipe ([a-z]+)", README)) <= recipes
    known = [run_config({"family": name, "networks": ROLES if name == "dual" else {}}) for name in FAMILIES]
    for key, value in re.findall(r"--set\s+([a-z0-9_.]+)=([^\s`]+)", README):
        assert any(takes(config, f"{key}={value}") for config in known), f"--set {key}={value}"


def takes(config: RunConfig, assignment: str) -> bool:
    try:
        updated(config, parse_assignment(assignment))
    except ConfigError:
        return False
    return True


ROLES = {"inputs": ("sketch_bag", "photo_shoe"), "outputs": ("photo_bag", "sketch_shoe")}


@pytest.mark.parametrize("command", COMMANDS)
def test_command(here: Path, command: str) -> None:
    command, _, stdin = command.partition(" | ")[0].partition(" < ")
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    if words[0] == "train":
        return parsed(words[1:])
    slow = words[0] == "demo"
    data = (here / stdin.split(" > ")[0].strip()).read_bytes() if stdin else None
    result = CliRunner().invoke(app, [*words, "--help"] if slow else words, input=data)
    assert result.exit_code == 0, result.stderr


def test_the_make_targets_and_files_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`", README):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"`((?:i2i_cli|benchmarks|tests|weights)/[\w./-]+)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_every_deviation_marked_in_the_code_is_listed() -> None:
    table = README.split("## Where it differs from the paper")[1].split("\n## ")[0]
    marked = [path for path in (ROOT / "i2i_cli").rglob("*.py") if "Differs from the paper" in path.read_text()]
    assert marked
    for path in marked:
        assert f"`{path.relative_to(ROOT / 'i2i_cli')}`" in table, path
    for name in (
        "pixel",
        "kl",
        "content_consistency",
        "domain_consistency",
        "adversarial",
        "image_critic",
        "image_mismatch",
    ):
        assert hasattr(config.Weights(), name) and f"`{name}`" in table
    for name in ("identity", "cycle", "r1"):
        assert hasattr(dual_config.Weights(), name) and f"`{name}`" in table
    assert all(family in README for family in FAMILIES)
