"""A run's losses and held-out figures over its steps, and its samples. No torch."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from i2i_cli.errors import DataError
from i2i_cli.files import check_written_as, write_text, written_whole
from i2i_cli.jobs.advice import SCORE, advice
from i2i_cli.jobs.plots.charts import Curve, CurveGroup, chart
from i2i_cli.jobs.plots.pages import inline, render
from i2i_cli.jobs.training.layout import LATEST, SAMPLES, journal_of, sample_sheets
from i2i_cli.jobs.training.watching import RunStatus
from i2i_cli.jobs.training.words import HELD_OUT, MORE_IS_BETTER, TERMS, Words, words_of
from i2i_cli.jobs.verdict import number, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".html", ".csv")
ERRORS = ("reconstruction_l1",)
SHARES = (
    "mean_judged", "worst_judged", "judge_accuracy", "worst_found", "worst_content_kept", "worst_apart",
    "worst_sharpness", "leak_noisy", "leak_means",
)  # fmt: skip
DISTANCES = ("mean_frechet", "frechet_reconstruction", "shortfall")
MAX_SAMPLES = 8
SHEET_PIXELS = 18_000_000
"""Of all sheets of a page together: some 6 MB as JPEG."""

LARGEST = 4
"""Times by which sheets are enlarged at most: squares of 64 pixels to 256."""


def read_journal(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal that curves are made of, in order.

    Raises:
        DataError: there are none yet.
    """
    lines = [line for line in journal_of(run).lines() if line["kind"] in ("training", "held-out")]
    if not lines:
        raise DataError(f"{run} has an empty journal", "wait until it has trained for 20 steps")
    return lines


def curve_groups(lines: Iterable[dict[str, Any]]) -> tuple[CurveGroup, ...]:
    """The curves of a journal's `lines` in the groups that share a picture; groups without a curve are left out."""
    training, scores = list[dict[str, Any]](), list[dict[str, Any]]()
    for line in lines:
        if line["kind"] == "training":
            training.append({name: value for name, value in line.items() if name != "images_per_second"})
        elif line["kind"] == "held-out":
            scores.append(_with_worst(line))
    found = (
        CurveGroup(
            "Errors of images", "Differences between images: all of them should fall.",
            (*_terms(training, readable=True), *_held_out(scores, ERRORS)),
        ),
        CurveGroup("Shares of held-out images", "1 is all of them, or as real images.", _held_out(scores, SHARES)),
        CurveGroup("Distances of held-out images", "Lower is better.", _held_out(scores, DISTANCES)),
        CurveGroup(
            "Forces between networks", "They pull against each other, so they tell little by themselves: a flat line "
            "can be a good sign. Look here where something goes wrong.",
            _terms(training, readable=False),
        ),
    )  # fmt: skip
    return tuple(group for group in found if group.curves)


def save_curves(path: Path, run: Path) -> None:
    """Write the curves of `run` to `path`: a .png, an .html page with its samples, or a .csv with a line a number.

    Raises:
        ConfigError: another suffix.
        DataError: nothing was journalled yet.
    """
    check_written_as(path, SUFFIXES, "picture of a run")
    lines = read_journal(run)
    kind = path.suffix.lower()
    if kind == ".csv":
        write_text(path, _table(lines))
    elif kind == ".html":
        write_text(path, _page(run, lines))
    else:
        _save_png(path, run, lines)


def _numbers(line: dict[str, Any]) -> dict[str, float]:
    found = {name: number(value) for name, value in line.items() if name != "step"}
    return {name: value for name, value in found.items() if value is not None}


def _with_worst(line: dict[str, Any]) -> dict[str, Any]:
    """The line, with the least of every figure that pairs of domains have where more is better."""
    found = {name: _numbers(pairs) for name in MORE_IS_BETTER if isinstance(pairs := line.get(name), dict)}
    return line | {f"worst_{name}": min(pairs.values()) for name, pairs in found.items() if pairs}


def _curve(lines: Sequence[dict[str, Any]], name: str, words: Words) -> Curve:
    places = [(line["step"], value) for line in lines if (value := number(line.get(name))) is not None]
    return Curve(name, *words, tuple(step for step, _ in places), tuple(value for _, value in places))


def _terms(lines: Sequence[dict[str, Any]], readable: bool) -> tuple[Curve, ...]:
    names = dict.fromkeys(name for line in lines for name in _numbers(line))
    return tuple(_curve(lines, name, words_of(name)) for name in names if (name in TERMS) == readable)


def _held_out(lines: Sequence[dict[str, Any]], names: Iterable[str]) -> tuple[Curve, ...]:
    curves = (_curve(lines, name, HELD_OUT[name]) for name in names)
    return tuple(curve for curve in curves if curve.steps)


def _table(lines: list[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["step", "kind", "name", "value"])
    for line in lines:
        writer.writerows([line["step"], line["kind"], name, value] for name, value in _numbers(line).items())
    return text.getvalue()


def _draw(axes: "Axes", group: CurveGroup) -> None:
    for curve in group.curves:
        marker = "." if len(curve.steps) < 30 else ""
        axes.plot(curve.steps, curve.values, marker=marker, linewidth=1.2, label=curve.title)
    axes.set(title=group.title, xlabel="step")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", frameon=False)


def _save_png(path: Path, run: Path, lines: list[dict[str, Any]]) -> None:
    # Late: matplotlib; its object interface, so that no window system is looked for.
    from matplotlib.figure import Figure

    latest, groups = run / SAMPLES / LATEST, curve_groups(lines)
    num_columns = 2 + latest.is_file()
    figure = Figure(figsize=(6 * num_columns, 9), layout="constrained")
    figure.suptitle(run.name)
    grid = figure.add_gridspec(2, num_columns)
    for place, group in enumerate(groups):
        _draw(figure.add_subplot(grid[place // 2, place % 2]), group)
    if latest.is_file():
        axes = figure.add_subplot(grid[:, 2])
        with Image.open(latest) as samples:
            axes.imshow(samples.convert("RGB"), interpolation="nearest")
        axes.set_axis_off()
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def live_page(status: RunStatus) -> str:
    """A part of a page on a training that goes on: how far it is, what its figures say, and its curves."""
    lines = [line for line in journal_of(status.folder).lines() if line["kind"] in ("training", "held-out")]
    return render(
        "training.html",
        status=status,
        time_left=_time_left(status.seconds_left),
        verdict=verdict(status.figures) if status.history else None,
        advice=advice(status.history),
        charts=[chart(group) for group in curve_groups(lines)],
    )


def _time_left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    return (
        "under a minute left"
        if minutes < 1
        else f"about {minutes} minutes left"
        if minutes < 120
        else (f"about {minutes / 60:.1f} hours left")
    )


def _page(run: Path, lines: list[dict[str, Any]]) -> str:
    history = [line for line in lines if line["kind"] == "held-out"]
    held_out = [_with_worst(line) for line in history]
    columns = [
        name for name in (*ERRORS, *SHARES, *DISTANCES) if any(number(line.get(name)) is not None for line in held_out)
    ]
    return render(
        "curves.html",
        run=run.name,
        step=lines[-1]["step"],
        verdict=verdict(history[-1] if history else {}),
        advice=advice(history),
        score=SCORE,
        charts=[chart(group) for group in curve_groups(lines)],
        samples=_samples(run),
        columns=[HELD_OUT[name].title for name in columns],
        held_out=[(line["step"], [number(line.get(name)) for name in columns]) for line in held_out],
    )


def _samples(run: Path) -> list[tuple[int, str]]:
    """Sheets with their steps, evenly spread, the latest one first: as large as fits into `SHEET_PIXELS`."""
    known = sample_sheets(run)
    count = min(MAX_SAMPLES, len(known))
    sheets = []
    for place in reversed(range(count)):
        step, path = known[round(place * (len(known) - 1) / max(1, count - 1))]
        with Image.open(path) as image:
            sheets.append((step, image.convert("RGB")))
    pixels = sum(sheet.width * sheet.height for _, sheet in sheets)
    scale = min(LARGEST, (SHEET_PIXELS / max(1, pixels)) ** 0.5)
    return [(step, inline(_resized(sheet, scale), "JPEG")) for step, sheet in sheets]


def _resized(sheet: Image.Image, scale: float) -> Image.Image:
    size = (round(sheet.width * scale), round(sheet.height * scale))
    return sheet.resize(size, Image.Resampling.BICUBIC)
