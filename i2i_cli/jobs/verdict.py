"""Held-out figures in plain words: how good a model is. No torch.

Figures are read as `HeldOutFigures.to_dict` writes them to journals and headers. Files of other versions may
lack some: what is missing is left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from i2i_cli.checkpoints.doubt import MAX_REBUILD_ERROR, MIN_APART, MIN_FOUND, MIN_JUDGED, alarm

Level = Literal["good", "fair", "poor", "unknown"]

REBUILD_ERROR, JUDGED, FRECHET, FOUND, APART, LEAKAGE, VARIETY = (
    "rebuild error",
    "classified as the target",
    "Frechet distance",
    "own input found again",
    "nearest other output",
    "domain leakage",
    "variety",
)
"""What the figures are called, here as in the line that a training prints."""

GOOD_REBUILD_ERROR = 0.2
"""The shipped models lie between 0.14 and 0.2."""

GOOD_JUDGED = 0.9
"""Of the worst pair, as a share of what real images reach: at most one miss in ten beyond the classifier's own."""

TELLING = 0.5
"""Of the way from chance to 1: a classifier that tells real images apart less well says nothing of translations."""

GOOD_FRECHET, POOR_FRECHET = 3.0, 10.0
"""Times the distance of rebuilt images. The shipped models lie between 0.6 and 6; images of another domain, left as
they are, at 15 and more (measured of faces and glyphs). One image in the place of all lies anywhere from 0.2 to 13."""

GOOD_FOUND, GOOD_APART = 0.7, 0.75
"""Of the worst pair. Shipped models that were looked at reach these, but for emoji, whose styles share few edges."""

FRECHET_NOISE = 1.0
"""Distances below this are those of two samples of the same few hundred images: never divided by less."""

GOOD_LEAKAGE, POOR_LEAKAGE = 0.25, 0.75
"""Of the way from chance to 1. The shipped models lie between 0.44 and 0.9 with noise."""

GOOD_VARIETY, POOR_VARIETY = 0.5, 0.25
"""As a share of the variety of real images. Models that were looked at and found good lie above 0.55."""

LOOK = "Look at the sheet too: an eye sees faults that no figure does."
NOT_HELD_OUT = "All figures are of training images, since too few are held out; they flatter the model."


@dataclass(frozen=True)
class Finding:
    """One figure in plain words.

    Args:
        measure: what was measured.
        value: the figure as it is shown, "0.093" or "97 %".
        meaning: a sentence: what it means, and what good is.
    """

    measure: str
    value: str
    meaning: str
    level: Level


@dataclass(frozen=True)
class Verdict:
    """What the figures say together.

    Args:
        headline: in a sentence.
        caution: what to bear in mind with it.
    """

    headline: str
    level: Level
    findings: tuple[Finding, ...]
    caution: str


def verdict(figures: Mapping[str, Any], *, num_domains: int | None = None, more: Sequence[Finding] = ()) -> Verdict:
    """What held-out `figures` say of a model.

    The level is that of the worst of rebuild error, classified as the target, Frechet distance, own input found again,
    nearest other output and variety. Domain leakage is told, but does not decide: models that leak can translate well.

    Args:
        figures: as `HeldOutFigures.to_dict` gives them, and "variety" (of outputs of different inputs, as a share of
            that of real images) where it was measured.
        num_domains: of the data, where the pairs in `figures` do not name them all.
        more: findings that are told after these, and do not decide either.
    """
    num_domains = num_domains or len({name for pair in pairs_of(figures, "judged") for name in pair.split("->")})
    judged, leakage = _judged(figures, num_domains), _leakage(figures, num_domains)
    images = [_rebuild_error(figures), judged, _frechet(figures), *_input_kept(figures), _variety(figures)]
    deciding = [finding for finding in images if finding is not None]
    findings = [*deciding, *([] if leakage is None else [leakage]), *more]
    level = _level(deciding, judged)
    flattered = figures.get("held_out") is False
    if flattered and level == "good":
        level = "fair"
    cautions = [NOT_HELD_OUT if flattered and findings else "", LOOK if deciding else ""]
    headline = _headline(level, deciding, judged is not None)
    if problem := alarm({name: pairs_of(figures, name) for name in ("apart", "found")}):
        headline = f"Do not rely on this model: {problem}."
    return Verdict(headline, level, tuple(findings), " ".join(filter(None, cautions)))


def percent(share: float) -> str:
    """A share as it is read: with a decimal only where it is close to none or all."""
    digits = 1 if 0 < share < 0.01 or 0.99 <= share < 0.9995 else 0
    return f"{100 * share:.{digits}f} %"


def in_words(pair: str) -> str:
    """ "a->b" as "a to b"."""
    return pair.replace("->", " to ")


def number(value: object) -> float | None:
    """`value` where it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def graded(value: float, good: float, poor: float) -> Level:
    """The level of a figure that is good up to `good` and poor beyond `poor`; more is better where `good` is more."""
    if good > poor:
        value, good, poor = -value, -good, -poor
    return "good" if value <= good else "fair" if value <= poor else "poor"


def _level(deciding: Sequence[Finding], judged: Finding | None) -> Level:
    levels = {finding.level for finding in deciding}
    if "poor" in levels:
        return "poor"
    if judged is None or judged.level == "unknown":  # the rest does not say what became of the domain
        return "unknown"
    return "fair" if "fair" in levels else "good"


def _headline(level: Level, deciding: Sequence[Finding], has_translated: bool) -> str:
    weak = [finding.measure for finding in deciding if finding.level == level]
    named = " and ".join(filter(None, [", ".join(weak[:-1]), *weak[-1:]]))
    if level == "good":
        return "The figures are good: translations reach their targets."
    if level == "fair":
        return f"The figures are fair{f', held back by {named}' if named else ''}."
    if level == "poor":
        return f"The figures are poor in {named}: do not rely on this model."
    if has_translated:
        return "The figures do not tell whether translations reach their targets."
    return "There are no figures of translations to judge by."


def pairs_of(figures: Mapping[str, Any], name: str) -> dict[str, float]:
    """The figure `name` of every pair "a->b" that has one, a finite number."""
    found = figures.get(name)
    values = {str(pair): number(value) for pair, value in found.items()} if isinstance(found, Mapping) else {}
    return {pair: value for pair, value in values.items() if value is not None}


def mean_of(values: Mapping[str, float]) -> float | None:
    """Their mean; None where there are none."""
    return sum(values.values()) / len(values) if values else None


def _rebuild_error(figures: Mapping[str, Any]) -> Finding | None:
    error = number(figures.get("reconstruction_l1"))
    if error is None:
        return None
    meaning = (
        f"On average, a pixel of an image rebuilt from its own codes is off by {percent(error / 2)} of the way from "
        f"black to white. 0 is perfect, up to {GOOD_REBUILD_ERROR:g} is good."
    )
    return Finding(REBUILD_ERROR, f"{error:.3f}", meaning, graded(error, GOOD_REBUILD_ERROR, MAX_REBUILD_ERROR))


def _judged(figures: Mapping[str, Any], num_domains: int) -> Finding | None:
    judged, real = pairs_of(figures, "judged"), number(figures.get("judge_accuracy"))
    mean = mean_of(judged)
    if mean is None:
        return None
    worst = min(judged, key=lambda pair: judged[pair])
    some = f"; fewest from {in_words(worst)}: {percent(judged[worst])}" if len(judged) > 1 else ""
    best = f" Real images reach {percent(real)}, the most to hope for." if real is not None else " More is better."
    meaning = f"The share of translations that a classifier of real images takes for their target{some}.{best}"
    chance, level = 1 / max(2, num_domains), _judged_level(judged[worst], real)
    if level != "poor" and real is not None and real < chance + TELLING * (1 - chance):
        return Finding(JUDGED, percent(mean), f"{meaning} That is too few for this figure to say much.", "unknown")
    return Finding(JUDGED, percent(mean), meaning, level)


def _judged_level(worst: float, real: float | None) -> Level:
    if worst < MIN_JUDGED:
        return "poor"
    return "good" if worst >= GOOD_JUDGED * (1.0 if real is None else real) else "fair"


def _frechet(figures: Mapping[str, Any]) -> Finding | None:
    distances, floor = pairs_of(figures, "frechet"), number(figures.get("frechet_reconstruction"))
    mean = mean_of(distances)
    if mean is None:
        return None
    what = "How far translations, as a set, are from real images of their target."
    if floor is None:
        meaning = f"{what} 0 is perfect; there are no rebuilt images to compare it with."
        return Finding(FRECHET, f"{mean:.2f}", meaning, "unknown")
    level = graded(mean / max(floor, FRECHET_NOISE), GOOD_FRECHET, POOR_FRECHET)
    limit = GOOD_FRECHET * max(floor, FRECHET_NOISE)
    meaning = f"{what} Rebuilt images lie at {floor:.2f}; up to {limit:.1f} is good."
    if level == "poor":
        meaning += " So far away, they hardly look like their target."
    return Finding(FRECHET, f"{mean:.2f}", meaning, level)


def _input_kept(figures: Mapping[str, Any]) -> list[Finding | None]:
    resembles = "How often a translation resembles its own input more than any other input, by where edges are"
    lies = (
        "How far a translation lies from the nearest other one in where edges are, as a share of real images' distance"
    )
    return [
        _least(figures, "found", FOUND, resembles, (GOOD_FOUND, MIN_FOUND)),
        _least(figures, "apart", APART, lies, (GOOD_APART, MIN_APART)),
    ]


def _least(
    figures: Mapping[str, Any], name: str, measure: str, what: str, limits: tuple[float, float]
) -> Finding | None:
    """The worst pair's `name`, of which more is better: good from the first of `limits` on, poor below the second."""
    pairs, (good, poor) = pairs_of(figures, name), limits
    if not pairs:
        return None
    worst = min(pairs, key=lambda pair: pairs[pair])
    told = f"{what}; least from {in_words(worst)}."
    meaning = f"{told} {percent(good)} or more is good; near 0 translations ignore their input."
    return Finding(measure, percent(pairs[worst]), meaning, graded(pairs[worst], good, poor))


def _variety(figures: Mapping[str, Any]) -> Finding | None:
    variety = number(figures.get("variety"))
    if variety is None:
        return None
    meaning = (
        "How much translations of different images differ from one another, as a share of how much real images do. "
        f"{percent(GOOD_VARIETY)} or more is good; near 0 they all look alike."
    )
    return Finding(VARIETY, percent(variety), meaning, graded(variety, GOOD_VARIETY, POOR_VARIETY))


def _leakage(figures: Mapping[str, Any], num_domains: int) -> Finding | None:
    exact, noisy = number(figures.get("leak_means")), number(figures.get("leak_noisy"))
    leak = exact if noisy is None else noisy
    if leak is None or num_domains < 2:
        return None
    chance = 1 / num_domains
    of = ", with the noise of training" if noisy is not None else ""
    also = f" From the exact code it is {percent(exact)}." if noisy is not None and exact is not None else ""
    meaning = (
        f"How often a fresh network reads the domain from the content code{of}.{also} {percent(chance)} is chance, and "
        "best: what leaks is look that stays in the content."
    )
    level = graded((leak - chance) / (1 - chance), GOOD_LEAKAGE, POOR_LEAKAGE)
    return Finding(LEAKAGE, percent(leak), meaning, level)
