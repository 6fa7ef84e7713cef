"""Write what the pages of `docs/commands` show: the help of each command, and the output of their examples.

`python docs/generate.py` renews all pages; `tests/cli/test_pages.py` fails where one is out of date. A page is written
by hand but for two things: the help between `BEGIN` and `END`, and, in blocks that start with "```console", what
follows a line of "$ COMMAND". Those commands are run, in a folder of their own, in the order of the page. Commands in
other blocks are only parsed.
"""

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from typer.testing import CliRunner

from i2i_cli.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "commands"
CONTENTS = PAGES / "README.md"
BEGIN, END = "<!-- help: written by docs/generate.py -->", "<!-- end of help -->"
RUN = "```console"
COLUMNS = 80


def subcommands(name: str = "") -> list[str]:
    """The commands of `i2i`, or those of `i2i NAME`, in the order of the help."""
    command = typer.main.get_command(app)
    if name:
        command = command.commands[name]
    return [name for name, found in getattr(command, "commands", {}).items() if not found.hidden]


def help_of(*words: str) -> str:
    """What `i2i WORDS --help` prints in a terminal of 80 columns."""
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="i2i", terminal_width=COLUMNS, color=False)
    assert result.exit_code == 0, result.output
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()).strip() + "\n"


def with_help(page: str, name: str) -> str:
    """`page` with the help of command `name`, and of its own commands, between the marks."""
    texts = [help_of(*([name] if name else []))] + [help_of(name, sub) for sub in subcommands(name) if name]
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"the page of {name or 'i2i'} lacks the marks of the help"
    return before + BEGIN + "\n\n" + "\n".join(f"```text\n{text}```\n" for text in texts) + "\n" + END + after


@dataclass(frozen=True)
class Example:
    """A command of a page, and the lines that it prints there (stderr first where stdout goes into a pipe)."""

    command: str
    output: tuple[str, ...]


def examples(page: str) -> list[Example]:
    """The commands in the blocks that are run."""
    return [example for block in _blocks(page) for example in _parse(block)]


def mentioned(page: str) -> list[str]:
    """The `i2i` commands in all other blocks, and in the help, without what a shell does around them."""
    text = re.sub(re.escape(RUN) + r"\n.*?```", "", page, flags=re.DOTALL).replace("\\\n", " ")
    lines = re.findall(r"^\s*(?:\$ )?(?:[^`\n]* \| )?(i2i [^\n]*)$", text, flags=re.MULTILINE)
    return [re.split(r"\s+(?:[|<>] |#)|\s{2,}(?!-)", line)[0] for line in lines]


def with_output(page: str, here: Path) -> str:
    """`page` with what its examples print when they are run in the folder `here`."""
    for block in _blocks(page):
        renewed = [Example(example.command, tuple(run(example.command, here))) for example in _parse(block)]
        lines = [line for example in renewed for line in (f"$ {example.command}", *example.output)]
        page = page.replace(f"{RUN}\n{block}```", f"{RUN}\n" + "".join(f"{line}\n" for line in lines) + "```")
    return page


def _blocks(page: str) -> list[str]:
    return re.findall(re.escape(RUN) + r"\n(.*?)```", page, flags=re.DOTALL)


def _parse(block: str) -> Iterator[Example]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *output = part.splitlines()
        yield Example(command, tuple(output))


def run(command: str, here: Path) -> list[str]:
    """The lines that `command` prints in the folder `here`: `i2i` in this process, whatever surrounds it by a shell."""
    before, found, rest = ("", "i2i ", command[4:]) if command.startswith("i2i ") else command.rpartition(" | i2i ")
    if not found:
        return (
            subprocess.run(command, shell=True, cwd=here, capture_output=True, check=True).stdout.decode().splitlines()
        )
    words, pipe, target, source = _taken_apart(rest)
    given = subprocess.run(before, shell=True, cwd=here, capture_output=True, check=True).stdout if before else None
    if source:
        given = (here / source).read_bytes()
    with contextlib.chdir(here):
        result = CliRunner().invoke(app, shlex.split(words), input=given, prog_name="i2i")
    shown = result.stderr if pipe or target else result.output
    if target:
        (here / target).write_bytes(result.stdout_bytes)
    if pipe:
        shown += subprocess.run(
            pipe, shell=True, cwd=here, input=result.stdout_bytes, capture_output=True, check=True
        ).stdout.decode()
    if result.exit_code:
        shown += f"(exit code {result.exit_code})\n"
    return shown.replace(f"{ROOT}/", "").replace(f"{here}/", "").splitlines()


def _taken_apart(line: str) -> tuple[str, str, str, str]:
    """The words of a command line, what they are piped into, and the files that stdout and stdin are."""
    words, _, pipe = line.partition(" | ")
    words, _, target = words.partition(" > ")
    words, _, source = words.partition(" < ")
    if " < " in target:
        target, _, source = target.partition(" < ")
    return words, pipe, target.strip(), source.strip()


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder with the photo of the examples; those of the page of contents make the other images."""
    with tempfile.TemporaryDirectory() as name:
        here = Path(name).resolve()
        (here / "docs").mkdir()
        (here / "docs" / "astronaut.jpg").symlink_to(ROOT / "docs" / "astronaut.jpg")
        yield here


def main() -> None:
    """Renew every page."""
    with workplace() as here:
        os.environ["I2I_CACHE"] = str(here / ".cache")
        for path in [CONTENTS, *(PAGES / f"{name}.md" for name in subcommands())]:
            name = "" if path == CONTENTS else path.stem
            page = with_help(path.read_text(encoding="utf-8"), name)
            path.write_text(with_output(page, here), encoding="utf-8")


if __name__ == "__main__":
    main()
