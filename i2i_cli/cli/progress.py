"""Long work on a terminal: a bar on stderr, and Ctrl-C as a polite request."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from i2i_cli.cli.report import say, stderr_console


@contextmanager
def progress(name: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar called `name` while the block runs, moved by (done, total).

    There is none where stderr is no terminal, nor for a single thing. Results that go to the same terminal are
    written above it.
    """
    if total == 1 or sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    # Late: rich takes longer to import than the rest of the command line.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = stderr_console()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    shared = sys.stdout is not None and sys.stdout.isatty()
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True, redirect_stdout=shared
    ) as bars:
        task = bars.add_task(name, total=total)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class Stop:
    """Whether a signal asked to stop, and the exit code that tells of it."""

    def __init__(self) -> None:
        self.exit_code = 128 + signal.SIGTERM  # where another process was asked
        self._received = False
        self._is_asked = False

    def received(self) -> bool:
        """Whether a signal has come. Whoever asks takes care of saving."""
        self._is_asked = True
        return self._received

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Ask to stop. Before anyone asks, and at a second Ctrl-C, there is nothing to wait for."""
        if not self._is_asked or (self._received and number == signal.SIGINT):
            raise typer.Exit(128 + number)
        self._received, self.exit_code = True, 128 + number
        say("\nfinishing the current work, then saving (press Ctrl-C again to stop at once)")


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Turn Ctrl-C and SIGTERM into a polite request while the block runs."""
    stop = Stop()
    earlier = {number: signal.signal(number, stop.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
