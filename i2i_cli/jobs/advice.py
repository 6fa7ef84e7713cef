"""Whether going on with a training pays, in plain words, from its held-out figures. No torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from i2i_cli.jobs.verdict import NOT_HELD_OUT, mean_of, number, pairs_of

MIN_SCORES = 3
"""With fewer there is no telling a trend from chance."""

NOISE, NOISE_SHARE = 2.0, 0.1
"""Scores that differ by less may do so by chance: two points, which is two images in a hundred of the worst pair, or a
tenth of the better score, since a large Frechet distance also moves more."""

SCORE = (
    "The score is the percentage of the worst pair's translations that miss their target, plus the mean Frechet "
    "distance, plus the points by which the worst pair is too blurred or too far from its own inputs: lower is better."
)
"""What `advice` counts in: `HeldOutFigures.shortfall`."""

KEPT = "best.safetensors holds the model of that step"


def score_of(figures: Mapping[str, Any]) -> float | None:
    """`HeldOutFigures.shortfall` of `figures`; what earlier versions knew of it where a file does not tell it."""
    known = number(figures.get("shortfall"))
    judged, frechet = pairs_of(figures, "judged"), mean_of(pairs_of(figures, "frechet"))
    if known is not None or not judged or frechet is None:
        return known
    return 100 * (1 - min(judged.values())) + frechet


def advice(history: Sequence[Mapping[str, Any]]) -> str:
    """Whether going on with a training pays, from its held-out lines in order, each with its "step" and figures.

    The second half of the steps is compared with the first, since scores are taken at growing intervals.
    """
    found = [(line.get("step"), score_of(line)) for line in history]
    scores = [(step, score) for step, score in found if isinstance(step, int) and score is not None]
    if len(scores) < MIN_SCORES:
        return f"Too early to say whether going on pays: scores so far {len(scores)}, needed {MIN_SCORES}."
    told = _trend(scores)
    return f"{told} {NOT_HELD_OUT}" if history[-1].get("held_out") is False else told


def _trend(scores: Sequence[tuple[int, float]]) -> str:
    half = scores[-1][0] / 2
    before = min([score for step, score in scores if step <= half] or [scores[0][1]])
    lately = min(score for step, score in scores[1:] if step > half)
    step, best = min(scores, key=lambda place: place[1])
    since = [score for later, score in scores if later > step]
    worse = [score for score in since if score > best + _noise(best)]
    at_best = f"the best, {best:.1f} at step {step:,}"
    if len(since) >= 2 and len(worse) == len(since):
        return f"Getting worse: the last score is {since[-1]:.1f}, and {at_best}. {KEPT}; going on is unlikely to pay."
    if len(since) >= 2:
        return f"No longer improving since step {step:,}, whose score was {best:.1f}. {KEPT}; going on may not pay."
    if worse:
        return (
            f"The last score, {since[-1]:.1f}, is worse than {at_best}. Once may be chance: wait for the next. {KEPT}."
        )
    if lately < before - _noise(before):
        return (
            f"Still improving: the score fell from {before:.1f} to {lately:.1f} (step {step:,}). Going on should pay."
        )
    return (
        f"No clear gain in the second half of the steps so far: the score went from {before:.1f} to {lately:.1f}, "
        "which may be chance. The next score will tell more."
    )


def _noise(score: float) -> float:
    return max(NOISE, NOISE_SHARE * score)
