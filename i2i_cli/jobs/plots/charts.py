"""Curves over the steps of a training, laid out for pages to draw as lines. No torch, no numpy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f7f7f", "#8c564b")
"""Told apart with every kind of colour vision (Okabe and Ito), then two more; a ninth begins anew."""

WIDTH, HEIGHT = 400, 254
"""Of a chart: small enough for its letters to be read where a phone draws it 330 pixels wide."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 378, 10, 222
_FEW = 30
"""Curves of fewer points show each of them."""

_INTERVALS = 5


@dataclass(frozen=True)
class Curve:
    """One number over the steps.

    Args:
        name: its name in the journal, and of a loss term in settings.
        title, meaning: in plain words, and what it says; "" where nothing is known of it.
    """

    name: str
    title: str
    meaning: str
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class CurveGroup:
    """Curves that share a picture, with a sentence on all of them."""

    title: str
    meaning: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Line:
    """A curve as it is drawn.

    Args:
        points: (x, y) on a chart of `WIDTH` times `HEIGHT`, counted downwards.
        dashed: its colour is taken by another one already.
    """

    curve: Curve
    colour: str
    dashed: bool
    points: tuple[tuple[float, float], ...]

    @property
    def has_dots(self) -> bool:
        """Whether each point is to be shown."""
        return len(self.points) < _FEW


@dataclass(frozen=True)
class Chart:
    """A group of curves as it is drawn.

    Args:
        across, up: (place, text) of the axes' ticks.
    """

    group: CurveGroup
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    bottom: int = _BOTTOM


def chart(group: CurveGroup) -> Chart:
    """Lay out `group`, which has at least one curve with a point; the axes include 0."""
    steps = ticks([step for curve in group.curves for step in curve.steps])
    values = ticks([value for curve in group.curves for value in curve.values])

    def x(step: float) -> float:
        return _placed(step, steps, _LEFT, _RIGHT)

    def y(value: float) -> float:
        return _placed(value, values, _BOTTOM, _TOP)

    lines = []
    for place, curve in enumerate(group.curves):
        points = tuple((x(step), y(value)) for step, value in zip(curve.steps, curve.values, strict=True))
        lines.append(Line(curve, COLOURS[place % len(COLOURS)], place >= len(COLOURS), points))
    across, up = (tuple((at(tick), f"{tick:,g}") for tick in axis) for at, axis in ((x, steps), (y, values)))
    return Chart(group, tuple(lines), across, up)


def ticks(values: Sequence[float]) -> tuple[float, ...]:
    """Round numbers, evenly spaced, from 0 or below to the largest of `values` or above."""
    low, high = min(0.0, *values), max(0.0, *values)
    rough = (high - low) / _INTERVALS or 1.0
    unit = 10.0 ** math.floor(math.log10(rough))
    width = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / width + 1e-9), max(1, math.ceil(high / width - 1e-9))
    return tuple(place * width for place in range(first, last + 1))


def _placed(value: float, axis: Sequence[float], start: int, end: int) -> float:
    return round(start + (value - axis[0]) / (axis[-1] - axis[0]) * (end - start), 1)
