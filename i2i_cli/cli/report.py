"""Results on stdout, everything else on stderr. Nothing else in the package prints."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

import typer

from i2i_cli.errors import ConfigError, DataError, I2IError

if TYPE_CHECKING:
    from rich.console import Console


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""The same without tabs and ends of lines."""


def say(text: str) -> None:
    """A line for the person, on stderr. Nothing is lost where nobody can hear it."""
    with suppress(OSError):
        typer.echo(_printable(text, sys.stderr), err=True)


def _write_line(text: str) -> None:
    """A line of results on stdout, shown as it can be there.

    Raises:
        DataError: stdout is full, or cannot be written. Where its reader is gone, `BrokenPipeError`.
    """
    with _stdout_told():
        typer.echo(_printable(text, sys.stdout))


@contextmanager
def _stdout_told() -> Iterator[None]:
    """A stdout that is full becomes an error of ours; one whose reader is gone does not."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DataError(
            f"cannot write to stdout: {error.strerror or error}", "free some space, or give -o FILE"
        ) from error


def print_error(error: I2IError) -> None:
    """What is wrong and, on the next line, what to do instead; on stderr."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"  try: {error.hint}")


def print_result(values: Mapping[str, Any], plain: str, as_json: bool) -> None:
    """One result on stdout: a JSON object on a line of its own, or the plain text."""
    _write_line(json.dumps(values) if as_json else plain)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout; columns are kept apart by two spaces, so that it can be cut and read."""
    table = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        _write_line(line.rstrip())


def summarise(num_failed: int, num_images: int, failed: bool = False) -> None:
    """End the command with exit code 1 if any image failed, and say how many of them did.

    Args:
        failed: something else failed, which was told already.

    Raises:
        typer.Exit: something failed.
    """
    if num_failed and num_images > 1:
        say(f"{num_failed} of {num_images} images failed")
    if num_failed or failed:
        raise typer.Exit(1)


class TakenParts:
    """Tells which part of an image was taken, of one image at once, and of how many no face was found, at the end."""

    def __init__(self, num_images: int) -> None:
        self.num_images, self._num_faceless = num_images, 0

    def taken(self, crop: Sequence[int] | None, faceless: bool) -> None:
        """An image of which `crop` (x, y, w, h) was taken; None is the whole, with `faceless` for want of a face."""
        if self.num_images == 1 and crop is not None:
            say(f"cut to {','.join(map(str, crop))} (x,y,w,h); --crop none takes the whole image")
        self._num_faceless += faceless

    def end(self) -> None:
        """All images have been told."""
        if self._num_faceless:
            what = "the image" if self.num_images == 1 else f"{self._num_faceless} of {self.num_images} images"
            say(f"no face found in {what}: taken whole")


def with_crop(values: dict[str, Any], crop: Sequence[int] | None) -> dict[str, Any]:
    """`values` of a result, with the part of the image that was taken, where that is not the whole."""
    return values if crop is None else {**values, "crop": list(crop)}


def as_line(*fields: object) -> str:
    """Fields of one line with tabs between; control characters in them, such as a newline in a name, escaped."""
    return "\t".join(_CONTROL.sub(lambda found: repr(found.group())[1:-1], str(field)) for field in fields)


def stderr_console() -> "Console":
    """A rich console on stderr, for progress bars; it honours NO_COLOR and TERM."""
    # Late: rich takes longer to import than the rest of the command line.
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def check_stdin() -> None:
    """Refuse to wait for a person to type an image.

    Raises:
        ConfigError: stdin is a terminal, or closed.
    """
    if sys.stdin is None or sys.stdin.isatty():
        what = "closed" if sys.stdin is None else "the terminal, not a file"
        raise ConfigError(f"stdin is {what}", "give it a file: i2i … - < image.png")


def read_stdin() -> bytes:
    """All of stdin.

    Raises:
        ConfigError: stdin is a terminal, or closed.
        DataError: it cannot be read.
    """
    check_stdin()
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise DataError(f"cannot read stdin: {error.strerror or error}", "pipe a file in") from error


def write_stdout(data: bytes) -> None:
    """Bytes on stdout; refuses to fill a terminal with them.

    Raises:
        ConfigError: stdout is a terminal, or closed.
        DataError: it is full, or cannot be written.
    """
    if sys.stdout is None or sys.stdout.isatty():
        what = "closed" if sys.stdout is None else "the terminal, not a file"
        raise ConfigError(f"stdout is {what}", "redirect it (> out.png), or give -o FILE")
    with _stdout_told():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _printable(text: str, stream: TextIO | None) -> str:
    """File names may hold bytes that are no text, and escapes that move a cursor: they are shown, not acted out."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = _ESCAPES.sub(lambda found: repr(found.group())[1:-1], text)
    return text.encode(encoding, "backslashreplace").decode(encoding)
