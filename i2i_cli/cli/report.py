"""Results on stdout, everything else on stderr. Nothing else in the package prints."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from i2i_cli.errors import I2IError

if TYPE_CHECKING:
    from rich.console import Console


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def say(text: str) -> None:
    """A line for the person, on stderr."""
    typer.echo(_printable(text), err=True)


def print_error(error: I2IError) -> None:
    """What is wrong and, on the next line, what to do instead; on stderr."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"  try: {error.hint}")


def print_result(values: Mapping[str, Any], plain: str, as_json: bool) -> None:
    """One result on stdout: a JSON object on a line of its own, or the plain text."""
    typer.echo(json.dumps(values) if as_json else _printable(plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; columns are kept apart by two spaces, so that it can be cut and read."""
    table = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(_printable(line.rstrip()))


def shown_path(path: Path) -> str:
    """A path as short as it can be told from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def summarise(num_failed: int, num_images: int) -> None:
    """End the command with exit code 1 if any image failed, and say how many of them did.

    Raises:
        typer.Exit: some failed.
    """
    if num_failed:
        if num_images > 1:
            say(f"{num_failed} of {num_images} images failed")
        raise typer.Exit(1)


def as_line(*fields: object) -> str:
    """Fields of one line with tabs between; control characters in them, such as a newline in a name, escaped."""
    return "\t".join(_CONTROL.sub(lambda found: repr(found.group())[1:-1], str(field)) for field in fields)


def stderr_console() -> "Console":
    """A rich console on stderr, for progress bars; it honours NO_COLOR and TERM."""
    # Late: rich takes longer to import than the rest of the command line.
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def read_stdin() -> bytes:
    """All of stdin; refuses to wait for a person to type an image."""
    if sys.stdin.isatty():
        raise I2IError("stdin is the terminal, not a file", "pipe one in: i2i … - < image.png", exit_code=2)
    return sys.stdin.buffer.read()


def write_stdout(data: bytes) -> None:
    """Bytes on stdout; refuses to fill a terminal with them."""
    if sys.stdout.isatty():
        raise I2IError("stdout is the terminal, not a file", "redirect it (> out.png), or give -o FILE", exit_code=2)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _printable(text: str) -> str:
    """File names may hold bytes that are no text; they are shown, not tripped over."""
    encoding = sys.stderr.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
