"""A run's losses and held-out figures over its steps, and its samples."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from i2i_cli.errors import DataError
from i2i_cli.files import check_written_as, write_text, written_whole
from i2i_cli.jobs.plots.pages import inline, inline_figure, render
from i2i_cli.jobs.training.folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".html", ".csv")
SHARES = ("judge_accuracy", "mean_judged", "leak_means", "leak_noisy")
DISTANCES = ("mean_frechet", "frechet_reconstruction", "shortfall")
MAX_SAMPLES = 12
Series = dict[str, tuple[list[int], list[float]]]


def is_run(path: Path) -> bool:
    """Whether `path` is the folder of a run."""
    return RunFolder(path).journal.path.is_file()


def save_curves(path: Path, run: Path) -> None:
    """Write the curves of `run` to `path`: a .png, an .html page with its samples, or a .csv with a line a number.

    Raises:
        ConfigError: another suffix.
        DataError: nothing was journalled yet.
    """
    check_written_as(path, SUFFIXES, "picture of a run")
    lines = [line for line in RunFolder(run).journal.lines() if line["kind"] in ("training", "held-out")]
    if not lines:
        raise DataError(f"{run} has an empty journal", "wait until it has trained for 20 steps")
    kind = path.suffix.lower()
    if kind == ".csv":
        write_text(path, _table(lines))
    elif kind == ".html":
        write_text(path, _page(run, lines))
    else:
        _save_png(path, run, lines)


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in line.items()
        if name != "step" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _table(lines: list[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["step", "kind", "name", "value"])
    for line in lines:
        writer.writerows([line["step"], line["kind"], name, value] for name, value in _numbers(line).items())
    return text.getvalue()


def _series(lines: list[dict[str, Any]], kind: str) -> Series:
    found: Series = {}
    for line in lines:
        if line["kind"] == kind:
            for name, value in _numbers(line).items():
                steps, values = found.setdefault(name, ([], []))
                steps.append(line["step"])
                values.append(value)
    return found


def _groups(lines: list[dict[str, Any]]) -> dict[str, Series]:
    """The curves that share a picture, by its title."""
    losses, scores = _series(lines, "training"), _series(lines, "held-out")
    losses.pop("images_per_second", None)
    return {
        "losses": losses,
        "held out: shares": {name: scores[name] for name in SHARES if name in scores},
        "held out: distances": {name: scores[name] for name in DISTANCES if name in scores},
    }


def _draw(axes: "Axes", title: str, group: Series) -> None:
    for name, (steps, values) in group.items():
        axes.plot(steps, values, marker="." if len(steps) < 30 else "", linewidth=1.2, label=name)
    axes.set(title=title, xlabel="step")
    axes.grid(alpha=0.3)
    if group:
        axes.legend(fontsize="small", frameon=False)


def _save_png(path: Path, run: Path, lines: list[dict[str, Any]]) -> None:
    # Late: matplotlib; its object interface, so that no window system is looked for.
    from matplotlib.figure import Figure

    latest = run / "samples" / "latest.png"
    figure = Figure(figsize=(20 if latest.is_file() else 15, 6), layout="constrained")
    figure.suptitle(run.name)
    grid = figure.add_gridspec(1, 4 if latest.is_file() else 3)
    for column, (title, group) in enumerate(_groups(lines).items()):
        _draw(figure.add_subplot(grid[0, column]), title, group)
    if latest.is_file():
        axes = figure.add_subplot(grid[0, 3])
        with Image.open(latest) as samples:
            axes.imshow(samples.convert("RGB"), interpolation="nearest")
        axes.set_axis_off()
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _page(run: Path, lines: list[dict[str, Any]]) -> str:
    from matplotlib.figure import Figure

    pictures = []
    for title, group in _groups(lines).items():
        figure = Figure(figsize=(7, 5), layout="constrained")
        _draw(figure.subplots(), title, group)
        pictures.append((title, inline_figure(figure)))
    sheets = sorted((run / "samples").glob("step-*.png"))
    samples = []
    for place in np.linspace(0, len(sheets) - 1, min(MAX_SAMPLES, len(sheets))).round().astype(int).tolist():
        with Image.open(sheets[place]) as image:
            samples.append((int(sheets[place].stem.removeprefix("step-")), inline(image)))
    held_out = [{"step": line["step"]} | _numbers(line) for line in lines if line["kind"] == "held-out"]
    columns = [name for name in (*SHARES, *DISTANCES) if held_out and name in held_out[-1]]
    return render("curves.html", run=run.name, pictures=pictures, samples=samples, held_out=held_out, columns=columns)
