"""The pages of `docs/commands`: their help is today's, their examples print what they say, and their commands parse."""

import importlib.util
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import i2i_cli
from i2i_cli.cli import app
from i2i_cli.models import FAMILIES

DOCS = Path(i2i_cli.__file__).parents[1] / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()
COMMANDS = GENERATE.subcommands()
HELPS = [[], *([name] for name in COMMANDS), *(["weights", name] for name in GENERATE.subcommands("weights"))]
PAGES = {path.stem: path for path in sorted((DOCS / "commands").glob("*.md"))}
NUMBER = re.compile(r"\d+\.\d+")


@pytest.fixture(scope="module")
def here() -> Iterator[Path]:
    """A folder with what the examples need, which those of the page of contents make."""
    with GENERATE.workplace() as folder:
        for example in GENERATE.examples(text_of("README")):
            assert_prints(example, folder)
        yield folder


def text_of(name: str) -> str:
    return PAGES[name].read_text(encoding="utf-8")


def assert_prints(example, folder: Path) -> None:
    """The command prints what the page says, numbers with a point within what another machine may give."""
    found = GENERATE.run(example.command, folder)
    assert [NUMBER.sub("#", line).split() for line in found] == [
        NUMBER.sub("#", line).split() for line in example.output
    ], f"{example.command}: renew the page with python docs/generate.py"
    for line, wanted in zip(found, example.output, strict=True):
        for one, other in zip(NUMBER.findall(line), NUMBER.findall(wanted), strict=True):
            assert float(one) == pytest.approx(float(other), rel=0.05, abs=0.02), f"{example.command}: {line}"


def test_every_command_has_a_page_that_the_contents_link_to() -> None:
    assert set(PAGES) == {*COMMANDS, "README"}
    assert re.findall(r"^\| \[`i2i ([a-z-]+)`\]\(\1\.md\)", text_of("README"), flags=re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("name", PAGES)
def test_help_is_today_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")
    page = text_of(name)
    assert GENERATE.with_help(page, "" if name == "README" else name) == page, "python docs/generate.py renews it"


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_fits_80_columns_without_colour(words: list[str]) -> None:
    text = GENERATE.help_of(*words)
    assert text.isascii() and "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "..." not in text.partition("\nCommands:\n")[2].partition("Examples:")[0], "a summary is cut short"


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_in_groups_where_they_are_many(name: str) -> None:
    text = GENERATE.help_of(name)
    many = len(typer.main.get_command(app).commands[name].params) > 10
    assert not many or len(re.findall(r"^[A-Z][a-z ]+:$", text, flags=re.MULTILINE)) > 3


@pytest.mark.parametrize("name", [name for name in PAGES if GENERATE.examples(text_of(name))])
def test_examples_print_what_the_page_says(name: str, here: Path) -> None:
    for example in GENERATE.examples(text_of(name)) if name != "README" else []:
        programs = re.findall(r"\| (\w+)", example.command)
        if all(program == "i2i" or shutil.which(program) for program in programs):
            assert_prints(example, here)


@pytest.mark.parametrize("name", PAGES)
def test_all_other_commands_are_ones_that_there_are(name: str) -> None:
    lines = GENERATE.mentioned(text_of(name))
    assert lines
    for line in lines:
        command, words = typer.main.get_command(app), shlex.split(line)[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        if words and not hasattr(command, "commands"):
            given = command.make_context(line, words).params
            if command.name == "train" and given["resume"] is None:
                assert_resolves(given)


def assert_resolves(given: dict[str, Any]) -> None:
    """The options of a training make a config: the family has the recipe, and there are such settings."""
    chosen = {name: given[name] for name in ("family", "recipe") if given[name] is not None}
    roles = {name: given[name].split(",") for name in ("inputs", "outputs") if given[name] is not None}
    i2i_cli.run_config({**chosen, **({"networks": roles} if roles else {})}, None, given["assignments"] or [])


def test_recipes_and_settings_are_ones_that_there_are() -> None:
    text = "\n".join(text_of(name).replace("shrap", "sharp").replace("wdith", "width") for name in PAGES)
    recipes = {name for family in FAMILIES.values() for name in family.recipes}
    assert set(re.findall(r"--recipe ([a-z]+)", text)) <= recipes
    settings = set(re.findall(r"--set ([a-z0-9_.]+=[^\s`]+)", text)) - {"data.root=NEW"}
    assert len(settings) > 2
    for setting in settings:
        i2i_cli.run_config({}, None, [setting.replace('"', "")])


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([\w./-]*)(#[\w-]+)?\)", text_of(name)):
        path = (PAGES[name].parent / target).resolve() if target else PAGES[name]
        if path.parent == DOCS / "commands" or path.suffix != ".md" or path.name == "api.md":
            assert path.is_file(), target
            titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE) if anchor else []
            slugs = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}
            assert not anchor or anchor[1:] in slugs, f"{target}{anchor}"
