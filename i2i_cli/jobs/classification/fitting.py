"""Fit a classifier of any labels on the domain codes of a frozen model (SRAE 4.3)."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i_cli.data.domains import is_held_out
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.latent_classifier import LatentClassifier, linear
from i2i_cli.jobs.retrieval.gallery import HELD_OUT, UNDECIDED, UNKNOWN, Gallery

NUM_FOLDS = 5
NUM_COMPONENTS = 256
"""Longer codes are first projected onto as many of their principal components."""

MIN_HELD_OUT = 20
POOR_AUC = 0.6

MAX_STEPS = 1000
"""Of a regression."""

STRENGTHS = tuple(10.0**power for power in range(-4, 3))
"""Inverse strengths of the L2 regularisation to choose from."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a classifier does on `count` images.

    `auc` is the area under the ROC curve, mean over the labels; None where there is one label only.
    """

    count: int
    accuracy: float
    balanced_accuracy: float
    auc: float | None


@dataclass(frozen=True, kw_only=True)
class FittedClassifier:
    """A classifier with its figures.

    Args:
        strength: the inverse regularisation that the folds chose; None where there was nothing to choose.
        folds: scores on the folds, each fitted on the others: what `strength` was chosen by.
        train, held_out: scores on the images it was fitted on, and on those it was not.
        converged: whether the fit came to its end.
    """

    name: str
    classifier: LatentClassifier
    strength: float | None
    folds: tuple[Score, ...]
    train: Score
    held_out: Score | None = None
    converged: bool = True

    def doubts(self) -> list[str]:
        """What a person should know before they rely on it: one sentence each."""
        found = [] if self.converged else ["the fit stopped before it converged"]
        if self.held_out is None:
            return [*found, "no image was held out, so its accuracy on new images is unknown"]
        if self.held_out.count < MIN_HELD_OUT:
            were = "image was" if self.held_out.count == 1 else "images were"
            found.append(
                f"{self.held_out.count} {were} held out: figures of fewer than {MIN_HELD_OUT} images are unreliable"
            )
        if self.held_out.auc is None:
            found.append("all held-out images have one label, so how well it separates the labels is unknown")
        elif self.held_out.auc < POOR_AUC:
            found.append(
                f"on held-out images it is hardly better than chance: an AUC of {self.held_out.auc:.3f} (chance 0.5)"
            )
        return found

    def to_arrays(self) -> dict[str, NDArray[np.float32]]:
        """Its numbers under names of a weights file."""
        return self.classifier.to_arrays(self.name)

    def facts(self) -> dict[str, Any]:
        """What the header of the weights keeps of it."""
        return {
            "classes": list(self.classifier.classes),
            "strength": self.strength,
            "folds": [asdict(score) for score in self.folds],
            "train": asdict(self.train),
            "held_out": asdict(self.held_out) if self.held_out else None,
        }


def fit_on_gallery(gallery: Gallery, name: str, group: str | None = None) -> FittedClassifier:
    """A classifier of the labels of `gallery`, fitted on the domain codes of its training images.

    Images below `train/` are trained on and those below `test/` or `val/` held out; without such
    folders, a tenth is held out, whole groups together.

    Args:
        group: a regular expression; images whose paths match it alike (one patient's, say) stay on
            one side of every split.

    Raises:
        DataError: fewer than two labels with training images.
        ConfigError: `group` is not a regular expression.
        WeightsError: the gallery holds codes that are no numbers.
    """
    check_pattern(group)
    rows = np.flatnonzero(gallery.labels != UNKNOWN)
    groups = np.array([_group(gallery, row, group) for row in rows.tolist()])
    labels, tests = gallery.labels[rows].astype(np.int64), held_out_rows(gallery, rows, groups)
    present = np.unique(labels[~tests])
    if len(present) < 2:
        raise DataError(
            f"{gallery.facts.root} has training images of {len(present)} labels; a classifier needs two or more",
            "put each label's images in a folder of its own",
        )
    if len(present) < len(np.unique(labels)):
        missing = sorted({gallery.facts.labels[label] for label in labels} - {gallery.facts.labels[i] for i in present})
        raise DataError(
            f"no training images of {', '.join(missing)}", "add some below train/, or remove the label's folder"
        )
    classes = tuple(gallery.facts.labels[label] for label in present)
    codes, labels = np.asarray(gallery.domain[rows], np.float32), np.searchsorted(present, labels)
    if not np.isfinite(codes).all():
        raise WeightsError(f"the gallery of {gallery.facts.root} holds NaN", "make it again: i2i index")
    fitted = fit_classifier(name, codes[~tests], labels[~tests], classes, groups[~tests])
    return score_if_any(fitted, codes[tests], labels[tests])


def held_out_rows(gallery: Gallery, rows: NDArray[np.int64], groups: NDArray) -> NDArray[np.bool_]:
    """Which of `rows` are kept from fitting: as the folders say, else a tenth of the groups.

    A label that would be left with nothing to fit on gives nothing away.
    """
    splits = gallery.splits[rows]
    by_hash = np.array([is_held_out(group) for group in groups.tolist()], np.bool_)
    for label in np.unique(gallery.labels[rows]):
        own = gallery.labels[rows] == label
        if by_hash[own].all():
            by_hash &= ~np.isin(groups, groups[own])
    held_out = splits == HELD_OUT
    if held_out.any():
        by_hash &= splits == UNDECIDED  # what lies below train/ is trained on
    return held_out | by_hash


def score_if_any(fitted: FittedClassifier, codes: NDArray[np.float32], labels: NDArray[np.int64]) -> FittedClassifier:
    """`fitted` with its figures on held-out codes (n, j), where there are any."""
    return replace(fitted, held_out=score(fitted.classifier, codes, labels)) if len(labels) else fitted


def check_pattern(pattern: str | None, option: str = "--group") -> None:
    """Refuse what is not a regular expression.

    Raises:
        ConfigError: it is none.
    """
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise ConfigError(f"{option} {pattern!r} is not a regular expression: {error}") from error


def _group(gallery: Gallery, row: int, pattern: str | None) -> str:
    """What the paths of images that belong together have in common; without a pattern, the path below the label."""
    found = re.search(pattern, gallery.paths[row]) if pattern is not None else None
    if found is not None:
        return found.group(0)
    return gallery.key(row)


def fit_classifier(
    name: str, codes: NDArray[np.float32], labels: NDArray[np.int64], classes: tuple[str, ...], groups: NDArray
) -> FittedClassifier:
    """Logistic regression on standardised codes (n, j), all classes weighing alike.

    The regularisation is the one with the least log loss over folds that split no group. What it
    is fitted on are the codes' principal components, where there are more numbers than those.
    """
    # Late: scikit-learn takes longer to import than a model to load.
    from sklearn.model_selection import StratifiedGroupKFold

    units, matrix, mean = _standardised(codes)
    smallest = min(len(set(groups[labels == label])) for label in range(len(classes)))
    num_folds = min(NUM_FOLDS, smallest)
    strength, scores = 0.01, tuple[Score, ...]()
    if num_folds > 1:
        folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=0)
        splits = [
            (fit, test)
            for fit, test in folds.split(units, labels, groups)
            if len(np.unique(labels[fit])) == len(classes)
        ]
        if splits:
            strength, scores = _choose_strength(units, labels, classes, splits)
    weight, bias, converged = _regression(units, labels, strength)
    weight = weight @ matrix
    classifier = linear(classes, weight, bias - weight @ mean)
    train = score(classifier, codes, labels)
    return FittedClassifier(
        name=name, classifier=classifier, strength=strength, folds=scores, train=train, converged=converged
    )


def fit_discriminant(
    name: str, codes: NDArray[np.float32], labels: NDArray[np.int64], classes: tuple[str, ...]
) -> FittedClassifier:
    """Linear discriminant analysis of codes (n, j), all classes weighing alike: for images of other origins than these.

    A regression draws its boundary close around a class whose images are much alike. But how far they
    spread here says nothing of another hospital or camera: with one spread for all classes the boundary lies
    half-way between their means. The spread is shrunk as Ledoit and Wolf (2004) do.
    """
    # Late: as above.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    units, matrix, mean = _standardised(codes)
    priors = np.full(len(classes), 1 / len(classes))
    model = LinearDiscriminantAnalysis("lsqr", shrinkage="auto", priors=priors).fit(units, labels)
    weight, bias = _row_by_class(model.coef_, model.intercept_)
    weight = weight @ matrix
    classifier = linear(classes, weight, bias - weight @ mean)
    return FittedClassifier(
        name=name, classifier=classifier, strength=None, folds=(), train=score(classifier, codes, labels)
    )


def _standardised(
    codes: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Codes (n, j) as units (n, p), and the matrix (p, j) and mean (j,) that make them: matrix @ (code - mean)."""
    mean, scale = codes.mean(0), codes.std(0) + 1e-6
    units = (codes - mean) / scale
    basis = _principal_components(units)
    return units @ basis.T, basis / scale, mean


def _principal_components(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions (p, j) that units (n, j) vary in most, scaled to a variance of 1; all, where they are few."""
    if units.shape[1] <= NUM_COMPONENTS:
        return np.eye(units.shape[1], dtype=np.float32)
    from sklearn.decomposition import PCA

    count = min(NUM_COMPONENTS, len(units))
    found = PCA(count, svd_solver="randomized", random_state=0).fit(units)
    return found.components_ / np.sqrt(found.explained_variance_ + 1e-6)[:, None].astype(np.float32)


def _choose_strength(
    units: NDArray[np.float32], labels: NDArray[np.int64], classes: tuple[str, ...], folds: Sequence[Any]
) -> tuple[float, tuple[Score, ...]]:
    """The best of `STRENGTHS` by the folds' mean log loss, classes weighing alike, and its scores on them."""
    losses: dict[float, float] = {}
    fitted: dict[float, list[LatentClassifier]] = {}
    for strength in STRENGTHS:
        fitted[strength], loss = [], 0.0
        for train, test in folds:
            weight, bias, _ = _regression(units[train], labels[train], strength)
            classifier = linear(classes, weight, bias)
            right = classifier(units[test])[np.arange(len(test)), labels[test]]
            by_class = [right[labels[test] == label] for label in np.unique(labels[test])]
            loss += float(np.mean([-np.log(np.maximum(share, 1e-9)).mean() for share in by_class]))
            fitted[strength].append(classifier)
        losses[strength] = loss
    best = min(losses, key=lambda strength: losses[strength])
    scored = zip(fitted[best], folds, strict=True)
    return best, tuple(score(classifier, units[test], labels[test]) for classifier, (_, test) in scored)


def _regression(
    units: NDArray[np.float32], labels: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Weight (classes, j) and bias (classes,) of one fit, and whether it came to its end."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(record=True) as warned:  # told in our own words: see `doubts`
        warnings.simplefilter("always", ConvergenceWarning)
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=MAX_STEPS).fit(units, labels)
    weight, bias = _row_by_class(model.coef_, model.intercept_)
    return weight, bias, not any(issubclass(one.category, ConvergenceWarning) for one in warned)


def _row_by_class(
    weight: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """scikit-learn's numbers with a row for every class: of two it gives the second one's alone."""
    if len(weight) > 1:
        return weight, bias
    return np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])


def score(classifier: LatentClassifier, codes: NDArray[np.float32], labels: NDArray[np.int64]) -> Score:
    """The classifier's figures on codes (n, j) with labels (n,)."""
    from sklearn.metrics import roc_auc_score

    shares = classifier(codes)
    taken = shares.argmax(1)
    present = np.unique(labels)
    areas = [roc_auc_score(labels == label, shares[:, label]) for label in present] if len(present) > 1 else []
    return Score(
        count=len(labels),
        accuracy=float((taken == labels).mean()),
        balanced_accuracy=float(np.mean([(taken[labels == label] == label).mean() for label in present])),
        auc=float(np.mean(areas)) if areas else None,
    )
