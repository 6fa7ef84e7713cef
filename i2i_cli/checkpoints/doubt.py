"""What speaks against weights, by the held-out figures in their header. No torch."""

from collections.abc import Mapping
from typing import Any

from i2i_cli.checkpoints.header import Header

MIN_STEPS = 200
"""A run without held-out figures has to be this long to be used unasked."""

MAX_REBUILD_ERROR = 0.35
MIN_JUDGED = 0.25
"""Of the worst pair of domains: share of translations classified as the target."""

MIN_FOUND = 0.3
"""Of the worst pair: share of translations whose own input is found again. Models that were looked at and follow their
input lie at 0.42 and above (emoji in the style that is hardest to compare), collapsed ones at 0.13 to 0.26."""

MIN_APART = 0.6
"""Of the worst pair: distance to the nearest other output under one code, as a share of that among real images. Models
that were looked at lie at 0.75 and above, collapsed ones at 0.4 and below."""


def doubt(header: Header) -> str:
    """Why weights should not be used unasked, from their held-out figures; "" where nothing speaks against it."""
    judged, error = _least(header.figures, "judged"), header.figures.get("reconstruction_l1")
    if judged is None:
        return f"it was trained for {header.step} steps" if header.step < MIN_STEPS else ""
    worst, share = judged
    if share < MIN_JUDGED:
        return f"only {share:.0%} of its translations {worst} are classified as the target"
    if error is not None and error > MAX_REBUILD_ERROR:
        return f"its rebuild error is {error:.2f}, above {MAX_REBUILD_ERROR}"
    return alarm(header.figures)


def alarm(figures: Mapping[str, Any]) -> str:
    """That translations no longer are of their inputs, in plain words; "" where they are, or where it was not measured.

    Args:
        figures: as `HeldOutFigures.to_dict` gives them.
    """
    apart, found = _least(figures, "apart"), _least(figures, "found")
    if apart is not None and apart[1] < MIN_APART:
        return (
            f"its translations {apart[0]} look alike, whatever the input: the nearest other one is {apart[1]:.2f} "
            "times as far as among real images"
        )
    if found is not None and found[1] < MIN_FOUND:
        return (
            f"its translations {found[0]} do not follow their input: only {found[1]:.0%} of them resemble it "
            "more than other inputs"
        )
    return ""


def _least(figures: Mapping[str, Any], name: str) -> tuple[str, float] | None:
    """The pair with the least figure `name`, and it; None where none is known."""
    known = {pair: value for pair, value in (figures.get(name) or {}).items() if value is not None}
    return min(known.items(), key=lambda pair: pair[1], default=None)
