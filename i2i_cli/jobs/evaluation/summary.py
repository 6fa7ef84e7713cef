"""An evaluation in plain words: the verdict of its figures, and what each section asks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from i2i_cli.jobs.evaluation.measurement import MEAN, Measurement
from i2i_cli.jobs.verdict import APART, FOUND, FRECHET, JUDGED, Finding, Level, Verdict, graded, percent, verdict

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation.evaluate import Evaluation

GOOD_ACCURACY, POOR_ACCURACY = 0.9, 0.5
"""Of the way from chance to 1 that the domains of images are told: nine in ten, half."""

GOOD_NEIGHBOURS = 0.5
"""Of the way from chance to 1 that counterparts are found; what finds no more than raw pixels do is poor."""

TITLES = {
    "reconstruction": ("Rebuilt images", "Does an image come back from its own codes?"),
    "leak": ("Domain leakage", "Does the content code keep quiet about the domain, and does the domain code tell it?"),
    "translation": ("Translations", "Do translations look like their target, and what of the input do they keep?"),
    "attributes": ("Attributes kept", "Are glasses, smiles, classes and the like still there after a translation?"),
    "realism": ("Realism and variety", "Could translations be real images, and do they differ from one another?"),
    "retrieval": ("Neighbours", "Is the counterpart of an image found again in another domain?"),
    "classification": ("Classification", "Is the domain of an image told from its domain code?"),
}
"""Of each section: its heading, and the question that it answers."""

MEASURES = {
    "judged": JUDGED,
    "content found": "content found again",
    "found": FOUND,
    "apart": APART,
    "edges": "edges kept",
    "L1": "rebuild error (L1)",
    "cycle L1": "round-trip error (L1)",
    "Frechet": FRECHET,
}
"""Measures in plain words, where they have another name in JSON."""


def verdict_of(evaluation: "Evaluation") -> Verdict:
    """The verdict of an evaluation's figures, as that of a training's held-out figures."""
    found = {section.name: section.figures for section in evaluation.sections}
    more = [_neighbours(found.get("retrieval", ())), _classification(found.get("classification", ()))]
    told = [finding for finding in more if finding is not None]
    return verdict(figures_of(evaluation), num_domains=len(evaluation.held_out), more=told)


def figures_of(evaluation: "Evaluation") -> dict[str, Any]:
    """The figures of an evaluation under the names of `HeldOutFigures`; those that were not measured are left out.

    Frechet distances are on other features than a training's: they compare with their own reference alone.
    """
    found = {section.name: section.figures for section in evaluation.sections}
    judged, frechet = (_pairs(found.get(name, ()), measure) for name, measure in (
        ("translation", "judged"), ("realism", "Frechet"),
    ))  # fmt: skip
    found_again, apart = (_pairs(found.get("translation", ()), measure) for measure in ("found", "apart"))
    figures = {
        "held_out": True,
        "reconstruction_l1": _mean(_pairs(found.get("reconstruction", ()), "L1")),
        "judged": {figure.subject: figure.value for figure in judged},
        "judge_accuracy": _mean_reference(judged),
        "frechet": {figure.subject: figure.value for figure in frechet},
        "frechet_reconstruction": _mean_reference(frechet),
        "found": {figure.subject: figure.value for figure in found_again},
        "apart": {figure.subject: figure.value for figure in apart},
        "leak_means": _mean(_pairs(found.get("leak", ()), "content, MLP")),
        "leak_noisy": _mean(_pairs(found.get("leak", ()), "content with noise, MLP")),
        "variety": _mean(_pairs(found.get("realism", ()), "variety, inputs")),
    }
    return {name: value for name, value in figures.items() if value not in (None, {})}


def _pairs(figures: Iterable[Measurement], measure: str) -> list[Measurement]:
    """The figures of `measure`, but for their mean."""
    return [figure for figure in figures if figure.measure == measure and figure.subject != MEAN]


def _mean(figures: list[Measurement]) -> float | None:
    return sum(figure.value for figure in figures) / len(figures) if figures else None


def _mean_reference(figures: list[Measurement]) -> float | None:
    known = [figure.reference for figure in figures if figure.reference is not None]
    return sum(known) / len(known) if known else None


def _neighbours(figures: Iterable[Measurement]) -> Finding | None:
    """How often the nearest image of another domain is the counterpart, by the best code there is."""
    found = {kind: _pairs(figures, f"R@1 {kind}") for kind in ("descriptor", "content", "pixels")}
    own, pixels = _mean(found["descriptor"] or found["content"]), _mean(found["pixels"])
    chance = _mean_reference(found["descriptor"] or found["content"])
    if own is None or chance is None:
        return None
    also = f" By raw pixels it would be {percent(pixels)}," if pixels is not None else " It would be"
    what = "How often the nearest image of another domain is the counterpart of an image."
    meaning = f"{what}{also} by chance {percent(chance)}."
    level: Level = "good" if own >= chance + GOOD_NEIGHBOURS * (1 - chance) else "fair"
    if own <= max(chance, pixels or 0.0):
        level = "poor"
    return Finding("neighbours found", percent(own), meaning, level)


def _classification(figures: Iterable[Measurement]) -> Finding | None:
    accuracy = _pairs(figures, "balanced accuracy")
    value, chance = _mean(accuracy), _mean_reference(accuracy)
    if value is None or chance is None:
        return None
    meaning = (
        f"How often the model tells the domain of an image, each domain counted alike. Chance is {percent(chance)}."
    )
    level = graded((value - chance) / (1 - chance), GOOD_ACCURACY, POOR_ACCURACY)
    return Finding("domains told", percent(value), meaning, level)
