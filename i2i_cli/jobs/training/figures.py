"""Figures of images that a model was never trained on, and which model is best by them. No torch."""

from dataclasses import asdict, dataclass, field
from typing import Any

MARKS = {"sharpness": 0.8, "found": 0.75, "apart": 0.75, "content_kept": 0.75}
"""What the worst pair is to reach: what lies above makes a model no better, since images that are left as they are
reach most."""


@dataclass(frozen=True, kw_only=True)
class HeldOutFigures:
    """What was measured on images that were never trained on.

    Args:
        held_out: False where a domain has too few test images: then all figures are of training images.
        reconstruction_l1: mean absolute error of reconstructions, images in [-1, 1]. None, like
            `frechet_reconstruction`, where the model was not trained to rebuild an image from its own codes.
        leak_means, leak_noisy: balanced accuracy of a fresh MLP that reads the domain from the
            content codes, without and with the training's noise. Chance is 1 / number of domains.
            None where the content code is the whole code, which is to tell the domain.
        judged: "a->b" -> share of translations that a classifier of real images takes for b.
        judge_accuracy: that classifier's balanced accuracy on real held-out images.
        frechet: "a->b" -> Frechet distance on the classifier's features between translations and
            real held-out images of b.
        frechet_reconstruction: the same for plain reconstructions, mean over domains: the floor.
        sharpness: "a->b" -> gradient energy of translations as a share of that of real images of b.
        found: "a->b" -> share of translations by one code that resemble their own input most, of up to 200
            inputs, by fixed features of where edges are. Empty, like the two that follow, in files of earlier
            versions and where too few images are held out.
        apart: "a->b" -> distance of translations by one code to the nearest other one, on those features, as a share
            of the same among real images of b. Near 0 all translations are one image.
        content_kept: "a->b" -> share of those translations whose content code, after blur and noise, is nearest to
            that of their own input. Empty too where content is not split from the domain.
        pair_l1: "a->b" -> mean absolute error of translations against the true counterpart; empty
            where the data has no pairs.
    """

    held_out: bool
    reconstruction_l1: float | None
    leak_means: float | None
    leak_noisy: float | None
    judged: dict[str, float]
    judge_accuracy: float
    frechet: dict[str, float]
    frechet_reconstruction: float | None
    pair_l1: dict[str, float]
    sharpness: dict[str, float] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    content_kept: dict[str, float] = field(default_factory=dict)

    @property
    def num_domains(self) -> int:
        """Domains that are translated from; where leakage is measured, all of them."""
        return len({pair.partition("->")[0] for pair in self.judged})

    @property
    def mean_judged(self) -> float:
        """Mean of `judged` over the ordered pairs of domains."""
        return sum(self.judged.values()) / len(self.judged)

    @property
    def mean_frechet(self) -> float:
        """Mean of `frechet` over the ordered pairs: lower is better."""
        return sum(self.frechet.values()) / len(self.frechet)

    @property
    def shortfall(self) -> float:
        """What decides which model is best, lower is better: the percentage of the worst pair's
        translations that are not classified as the target, plus `mean_frechet`, plus the points by which the worst
        pair's `sharpness`, `found`, `apart` and `content_kept` miss their `MARKS`.

        No one alone would do: on faces the first was near 0 while a critic of images made all
        translations alike, the second was lowest for the blurred images of an early step, and the others
        are best of all for images that are left as they are.
        """
        missed = [max(0.0, mark - min(values.values())) for mark, values in self._marked() if values]
        return 100 * (1 - min(self.judged.values()) + sum(missed)) + self.mean_frechet

    def _marked(self) -> list[tuple[float, dict[str, float]]]:
        return [(mark, getattr(self, name)) for name, mark in MARKS.items()]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, for journals and headers."""
        return asdict(self) | {
            "mean_judged": self.mean_judged,
            "mean_frechet": self.mean_frechet,
            "shortfall": self.shortfall,
        }
