"""What a person sees of a training: a live bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from i2i_cli.cli.report import say, stderr_console
from i2i_cli.jobs.training.observer import Observer

if TYPE_CHECKING:
    from i2i_cli.jobs.training.held_out import HeldOutFigures

PLAIN_EVERY = 30.0
"""Seconds between two plain lines."""


class _Bars(Progress):
    """Progress bars, and below them a line of losses as wide as the terminal."""

    losses = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the losses."""
        yield from super().get_renderables()
        if self.losses:
            yield Text(self.losses, style="dim")


class TrainingView(Observer):
    """Shows the training on stderr."""

    def __init__(self) -> None:
        console = stderr_console()
        self._live = console.is_terminal
        self._bars = _Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> "TrainingView":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        self._print(text)

    def decoding(self, done: int, total: int) -> None:
        self._count("decoding", done, total)

    def encoding(self, done: int, total: int) -> None:
        self._count("encoding", done, total)

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        losses = ", ".join(f"{name} {value:.3f}" for name, value in terms.items())
        self._bars.losses = losses
        detail = f"step {step}, {images_per_second:.0f} images/s"
        self._show("training", share, detail if self._live else f"{detail}, {losses}")

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        rebuilt, leak = figures.reconstruction_l1, figures.leak_means
        parts = [
            "" if rebuilt is None else f"rebuild error {rebuilt:.3f}",
            f"classified as the target {figures.mean_judged:.1%} (worst pair {min(figures.judged.values()):.1%})",
            f"Frechet {figures.mean_frechet:.2f}",
            "" if leak is None else f"domain leakage {leak:.2f}",
        ]
        self._print(f"step {step}, held out: {', '.join(part for part in parts if part)}")

    def _count(self, name: str, done: int, total: int) -> None:
        self._show(name, done / total, f"{done} of {total} images")
        if done == total and name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))

    def _show(self, name: str, share: float, detail: str) -> None:
        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=1.0, detail="")
            self._bars.update(self._tasks[name], completed=share, detail=detail)
        elif time.monotonic() - self._last_line > PLAIN_EVERY:
            say(f"{name} {share:.0%}: {detail}")
            self._last_line = time.monotonic()

    def _print(self, text: str) -> None:
        if self._live:
            self._bars.console.print(text, markup=False, soft_wrap=True)
        else:
            say(text)
