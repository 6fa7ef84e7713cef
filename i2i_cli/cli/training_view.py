"""What a person sees of a training: a live bar on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from i2i_cli.checkpoints.doubt import alarm
from i2i_cli.cli.progress import stop_on_signal
from i2i_cli.cli.report import print_result, say, stderr_console
from i2i_cli.jobs.training.launching import end_at_once, is_orphaned, is_shared, leads
from i2i_cli.jobs.training.observer import Observer, Observers
from i2i_cli.jobs.training.tensorboard_log import TensorBoardLog
from i2i_cli.jobs.training.words import readable

if TYPE_CHECKING:
    from PIL import Image

    from i2i_cli.jobs.training.figures import HeldOutFigures
    from i2i_cli.jobs.training.start import TrainingResult

PLAIN_EVERY = 30.0
"""Seconds between two plain lines."""

DECODING, TRAINING, ENCODING = "reading images", "training", "writing the images' codes"
LEGEND = (
    "classified as the target, own input found again and nearest other output: more is better, up to real images; "
    "all others: less is better"
)


class _Bars(Progress):
    """Progress bars, and below them a line on how good the model is, as wide as the terminal."""

    quality = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the line."""
        yield from super().get_renderables()
        if self.quality:
            yield Text(self.quality, style="dim")


class TrainingView(Observer):
    """Shows the training on stderr."""

    def __init__(self) -> None:
        console = stderr_console()
        self._live = console.is_terminal
        self._bars = _Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._last_line = time.monotonic()
        self._begun: tuple[float, float] | None = None  # when, and at which share, training was first seen
        self._folder: Path | None = None
        self._has_sampled = self._has_scored = False

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
        self._count(DECODING, done, total)

    def encoding(self, done: int, total: int) -> None:
        self._bars.quality = ""
        if TRAINING in self._tasks:
            self._bars.remove_task(self._tasks.pop(TRAINING))
        self._count(ENCODING, done, total)

    def started(self, folder: Path, step: int) -> None:
        self._folder = folder

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        quality = ", ".join(f"{word} {value:.3f}" for word, value in readable(terms).items())
        self._bars.quality = f"{quality} (0 is perfect)" if quality else ""
        detail = f"step {step:,}, {images_per_second:.0f} images/s"
        if not self._live:
            parts = (detail, self._time_left(share), quality)
            detail = ", ".join(part for part in parts if part)
        self._show(TRAINING, share, detail)

    def sampled(self, step: int, sheet: "Image.Image") -> None:
        if not self._has_sampled and self._folder is not None:
            self._print(f"step {step:,}: the first samples are in {self._folder}/samples/latest.png; look again later")
        self._has_sampled = True

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        rebuilt, leak, floor = figures.reconstruction_l1, figures.leak_means, figures.frechet_reconstruction
        worst, chance = min(figures.judged.values()), 1 / figures.num_domains
        found, apart = figures.found, figures.apart
        parts = [
            "" if rebuilt is None else f"rebuild error {rebuilt:.3f}",
            f"classified as the target {figures.mean_judged:.1%} (worst pair {worst:.1%}; "
            f"real images {figures.judge_accuracy:.1%})",
            f"Frechet {figures.mean_frechet:.2f}" + ("" if floor is None else f" (rebuilt images {floor:.2f})"),
            f"own input found again {min(found.values()):.0%}" if found else "",
            f"nearest other output {min(apart.values()):.2f} of real images'" if apart else "",
            "" if leak is None else f"domain leakage {leak:.2f} (chance {chance:.2f})",
        ]
        self._print(f"step {step:,}, held out: {', '.join(part for part in parts if part)}")
        if problem := alarm(figures.to_dict()):
            self._print(f"  warning: {problem}")
        if not self._has_scored:
            self._print(f"  {LEGEND}")
        self._has_scored = True

    def _time_left(self, share: float) -> str:
        now = time.monotonic()
        if self._begun is None:
            self._begun = now, share
        since, before = self._begun
        if share <= before or share >= 1:
            return ""
        minutes = (now - since) / (share - before) * (1 - share) / 60
        return "under a minute left" if minutes < 1 else f"about {minutes:.0f} minutes left"

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


def watch_training(trained: Callable[[dict[str, Any]], "TrainingResult"], as_json: bool, log: bool = False) -> None:
    """Show a training and let signals stop it; of several processes one alone speaks.

    Args:
        trained: trains, given `observer` and `should_stop`.
        log: write a log for TensorBoard too.

    Raises:
        typer.Exit: it was asked to stop.
    """
    with stop_on_signal() as stop, TrainingView() as view:
        logs = [TensorBoardLog(view.note)] if log and leads() else []
        observer = Observers([view, *logs]) if leads() else Observer()
        try:
            result = trained({"observer": observer, "should_stop": lambda: stop.received() or is_orphaned()})
        finally:
            for each in logs:
                each.close()
    if leads():
        _tell(result, as_json)
    code = 0 if result.finished else stop.exit_code
    if is_shared():
        end_at_once(code)
    if code:
        raise typer.Exit(code)


def _tell(result: "TrainingResult", as_json: bool) -> None:
    if not result.finished:
        say(f"stopped and saved at step {result.step}; to resume: i2i train --resume {result.folder}")
        return
    say(f"finished at step {result.step}: look at {result.folder}/samples/latest.png")
    values = {"run": str(result.folder), "step": result.step, "images_per_second": round(result.images_per_second, 1)}
    values |= {"figures": result.figures.to_dict()} if result.figures else {}
    print_result(values, str(result.folder), as_json)
