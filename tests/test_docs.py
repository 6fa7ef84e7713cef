"""README.md and docs/: commands run, or are parsed where they train; links, paths and quoted messages are there."""

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import i2i_cli
from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.tensors import load_tensors, save_tensors
from i2i_cli.cli import app
from i2i_cli.config import parse_assignment, updated
from i2i_cli.errors import ConfigError
from i2i_cli.jobs.training.config import RunConfig, run_config
from i2i_cli.jobs.training.launching import LaunchResult
from i2i_cli.jobs.training.run import TrainingResult
from i2i_cli.models import FAMILIES
from i2i_cli.models.dual import config as dual_config
from i2i_cli.models.srae import config

ROOT = Path(i2i_cli.__file__).parents[1]
README = ROOT / "README.md"
SHELF = [README, *sorted((ROOT / "docs").glob("*.md"))]
"""The pages whose commands are tried here. Those of docs/commands have tests of their own, and show mistakes too."""

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n\n".join(page.read_text(encoding="utf-8") for page in SHELF)
ALL_TEXT = "\n\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def here(tmp_path: Path, demo: Path, dual_run: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder after `i2i demo`, with images, a run `my-faces` that knows `anime`, and a dual run `edges`."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo, tmp_path / "demo")
    shutil.copy(demo / "glyphs" / "test" / "filled" / "U+0046.png", tmp_path / "img.png")
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos")
    header = read_header(demo / "run" / "model.safetensors")
    renamed = replace(header, domains=("anime", "human", "pixel", "serif"))
    tensors = load_tensors(demo / "run" / "model.safetensors")
    save_tensors(tmp_path / "runs" / "my-faces" / "model.safetensors", tensors, renamed.to_metadata())
    (tmp_path / "runs" / "faces-first").symlink_to("my-faces")
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


def blocks(page: Path) -> Iterator[list[str]]:
    """The commands of each block of code, which are run one after another. Blocks in lists are indented."""
    for block in re.findall(r"^ *```\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        if commands := re.findall(r"^ *\$ (i2i .+)$", block, re.MULTILINE):
            yield commands


BLOCKS = [pytest.param(commands, id=f"{named(page)}: {commands[0]}") for page in SHELF for commands in blocks(page)]


def test_every_command_is_in_a_block() -> None:
    """None is passed over for the form of its block."""
    written = len(re.findall(r"^ *\$ i2i ", TEXT, re.MULTILINE))
    assert written == sum(len(commands) for page in SHELF for commands in blocks(page))


def test_there_are_commands_for_every_subcommand() -> None:
    used = set(re.findall(r"^ *\$ i2i ([a-z-]+)", ALL_TEXT, re.MULTILINE))
    assert used >= {name for name, found in typer.main.get_command(app).commands.items() if not found.hidden}


def parsed(words: list[str]) -> None:
    """What `i2i train` makes of its words, short of training: every option, recipe and setting is one that there is."""
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "i2i_cli.jobs.training.start.train", lambda config, folder, **_: told.update(config=config) or DONE
        )
        patch.setattr(
            "i2i_cli.jobs.training.start.resume", lambda folder, changes, **_: told.update(changes=changes) or DONE
        )
        for refuse in ("refuse_early", "refuse_if_no_run"):  # the images and runs of the text are not here
            patch.setattr(f"i2i_cli.jobs.training.refusals.{refuse}", lambda *_: None)
        patch.setattr("i2i_cli.jobs.training.tensorboard_log.is_installed", lambda: True)
        patch.setattr("i2i_cli.jobs.training.launching.launch", lambda count, *_: LaunchResult(exit_code=0))
        result = CliRunner().invoke(app, ["train", *words])
    assert result.exit_code == 0, result.stderr
    if "changes" in told:
        updated(run_config({}), told["changes"])
    assert told or "--devices" in words


DONE = TrainingResult(folder=Path("runs/x"), step=1, finished=True, images_per_second=1.0, figures=None)

TRAIN_LINES = sorted(
    {line.split("`")[0] for line in re.findall(r"`(i2i train [^`]*)`", re.sub(r"\s*\n\s*", " ", TEXT))}
)
"""Those in the text and in its tables, beside the commands in blocks."""


def test_the_figures_name_their_commands() -> None:
    assert len(TRAIN_LINES) >= 15


@pytest.mark.parametrize("line", TRAIN_LINES)
def test_training_that_a_figure_came_of(here: Path, line: str) -> None:
    parsed([word for word in shlex.split(line)[2:] if word != "…"])


def test_recipes_and_settings_in_the_text_are_those_that_there_are() -> None:
    recipes = {name for kind in FAMILIES.values() for name in kind.recipes}
    assert set(re.findall(r"--recipe ([a-z]+)", TEXT)) <= recipes
    known = [
        run_config({"family": kind.name, "recipe": recipe, "networks": ROLES if kind.name == "dual" else {}})
        for kind in FAMILIES.values()
        for recipe in kind.recipes
    ]
    for key, value in re.findall(r"--set\s+([a-z0-9_]+\.[a-z0-9_.]+)=([^\s`]+)", TEXT):
        assert any(takes(config, f"{key}={value}") for config in known), f"--set {key}={value}"
    for key in re.findall(r"`((?:data|networks|objective|training)\.(?!py\b)[a-z0-9_.]+)`", TEXT):
        assert any(has(config, key) for config in known), key


def takes(config: RunConfig, assignment: str) -> bool:
    try:
        updated(config, parse_assignment(assignment))
    except ConfigError:
        return False
    return True


def has(settings: Any, key: str) -> bool:
    """Whether there is a setting, or a table of them, of this dotted name."""
    for part in key.split("."):
        settings = getattr(settings, part, None)
    return settings is not None


ROLES = {"inputs": ("sketch_bag", "photo_shoe"), "outputs": ("photo_bag", "sketch_shoe")}


@pytest.mark.parametrize("commands", BLOCKS)
def test_commands(here: Path, commands: list[str]) -> None:
    for command in commands:
        run(here, command)


def run(here: Path, command: str) -> None:
    command, _, stdin = command.partition(" | ")[0].partition(" < ")
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    if words[0] == "train":
        return parsed(words[1:])
    slow = words[0] in ("demo", "serve")  # their options are parsed all the same
    data = (here / stdin.split(" > ")[0].strip()).read_bytes() if stdin else None
    result = CliRunner().invoke(app, [*words, "--help"] if slow else words, input=data)
    assert result.exit_code == 0, f"{command}: {result.stderr}"


def test_the_python_of_the_readme_runs(here: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # our own README's
    assert names["image"].size == (154, 154) and names["shares"]["anime"] > 0.99


def test_the_make_targets_and_files_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`", ALL_TEXT):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"`((?:i2i_cli|benchmarks|tests|weights|docs)/[\w./-]+)`", ALL_TEXT):
        if not re.search(r"NAME|blend|format-N", path):  # what a contributor is told to add
            assert (ROOT / path).exists(), path
    for path in re.findall(r"python (benchmarks/[\w.]+)", ALL_TEXT):
        assert (ROOT / path).is_file(), path


def test_every_deviation_marked_in_the_code_is_listed() -> None:
    papers = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    table = papers.split("## Where the code differs from the papers")[1].split("\n## ")[0]
    marked = [path for path in (ROOT / "i2i_cli").rglob("*.py") if "Differs from the paper" in path.read_text()]
    assert marked
    for path in marked:
        assert f"`{path.relative_to(ROOT / 'i2i_cli').as_posix()}`" in table, path
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
    assert all(family in README.read_text(encoding="utf-8") for family in FAMILIES)
