"""What the numbers of a training are called in plain words. The journal keeps their own names."""

from typing import NamedTuple

TERMS = {
    "pixel": "rebuild error",
    "reconstruction": "rebuild error",
    "identity": "rebuild error",
    "perceptual": "perceptual error",
    "cycle": "round-trip error",
    "image_cycle": "round-trip error",
}
"""Distances between images: 0 is perfect. The others are forces between networks, which tell little by themselves."""


class Words(NamedTuple):
    """A number in plain words, and a sentence on what it means."""

    title: str
    meaning: str


_REBUILT = "how far an image rebuilt from its own codes is from it; 0 is perfect"
_ROUND_TRIP = "how far an image that was translated there and back is from itself; 0 is perfect"

_MEANINGS = {
    "pixel": _REBUILT,
    "reconstruction": f"{_REBUILT}. Of the pre-training",
    "identity": _REBUILT,
    "perceptual": "how different a rebuilt image looks to a network that knows shapes and textures; 0 is perfect",
    "cycle": _ROUND_TRIP,
    "image_cycle": _ROUND_TRIP,
}

_FORCES = {
    "content_entropy": Words("hiding the domain", "how sure the critic of the content code is; -1 is not at all"),
    "content_ridge": Words("hiding the domain", "how much of the domain is read from the content code; 0 is nothing"),
    "domain_stream": Words("showing the domain", "how badly the domain code tells its domain; 0 is without a mistake"),
    "kl": Words("spread of the codes", "how far the codes are from plain noise; it neither has to fall nor to rise"),
    "content_consistency": Words("content kept", "how far the content code moves by a translation; 0 is not at all"),
    "domain_consistency": Words("look kept", "how far a translation's domain code is from the one that was asked for"),
    "content_contrast": Words("images told apart", "how badly content codes tell images of a domain apart"),
    "structure": Words("layout kept", "how far the layout of a translation is from its input's; 0 is equal"),
    "adversarial": Words("fooling the critic", "how far translations fall short of what the critic takes for real"),
    "content_critic": Words("critic of the content code", "how badly it reads the domain; it should not succeed"),
    "domain_critic": Words("critic of the domain code", "how badly it reads the domain; 0 is without a mistake"),
    "image_critic": Words("critic of images", "how badly it tells real images from made ones; it should not win"),
    "image_mismatch": Words("critic of strangers", "how badly it tells images of other domains from its own"),
    "critic": Words("critic of images", "how badly it tells real images from made ones; it should not win"),
    "r1": Words("steadying the critics", "how steep the critics are at real images"),
}
"""They pull against each other: where one falls another may rise, and a flat line can be a good sign."""

HELD_OUT = {
    "reconstruction_l1": Words("rebuild error of held-out images", f"{_REBUILT}. Of images that it is not trained on"),
    "mean_judged": Words(
        "classified as the target", "share of translations that a classifier of real images takes for their target"
    ),
    "worst_judged": Words("worst pair classified as the target", "of the pair of domains with the lowest share"),
    "worst_found": Words(
        "own input found again, worst pair",
        "share of translations that resemble their own input most, of up to 200; near 0 they ignore it",
    ),
    "worst_content_kept": Words(
        "content kept, worst pair",
        "share of translations that the model knows again by their content after blur and noise",
    ),
    "worst_apart": Words(
        "nearest other output, worst pair",
        "how far a translation is from the nearest other one, as a share of that of real images; near 0 all are one",
    ),
    "worst_sharpness": Words("sharpness, worst pair", "of translations, as a share of that of real images"),
    "judge_accuracy": Words(
        "real images classified rightly", "how often that classifier is right: the most to hope for"
    ),
    "leak_noisy": Words(
        "domain leakage, with noise",
        "how often a fresh network reads the domain from the content code, with the noise of training; chance is best",
    ),
    "leak_means": Words(
        "domain leakage", "how often a fresh network reads the domain from the exact content code; chance is best"
    ),
    "mean_frechet": Words("Frechet distance", "how far translations, as a set, are from real images; lower is better"),
    "frechet_reconstruction": Words(
        "Frechet distance of rebuilt images",
        "how far rebuilt images are: what the distance of translations can be compared with",
    ),
    "shortfall": Words(
        "score",
        "what the worst pair misses of its target, sharpness and input, plus the Frechet distance; lower is better",
    ),
}
"""By their names in the journal, but for "worst_judged" and the like: the least of its "judged"."""

MORE_IS_BETTER = ("judged", "found", "content_kept", "apart", "sharpness")
"""Figures of every pair of domains, of which the least is told."""


def readable(terms: dict[str, float]) -> dict[str, float]:
    """Those of `terms` that say how good a model is, in plain words."""
    return {word: terms[name] for name, word in TERMS.items() if name in terms}


def words_of(term: str) -> Words:
    """A loss term in plain words, followed by its own name, which settings know it by."""
    base, _, domain = term.partition("/")
    known = Words(TERMS[base], _MEANINGS[base]) if base in TERMS else _FORCES.get(base)
    title, meaning = known or Words(base.replace("_", " "), "")
    return Words(f"{title}, {domain} ({base})" if domain else f"{title} ({base})", meaning)
