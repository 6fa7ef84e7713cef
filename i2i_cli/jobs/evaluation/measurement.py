"""One measured number with its count and interval, and how intervals are found."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_RESAMPLES = 1000
NUM_REFITS = 30
"""Resamples of a figure that is expensive to compute."""

_Z = 1.96
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A number that was measured on images that were not trained on.

    Args:
        measure: what is measured.
        subject: of what: a domain, "a->b", or "all".
        value: the number.
        low, high: its 95 % interval over the images; None where there is none.
        count: images that it was measured on.
        reference: what to compare `value` with; see the section's text.
    """

    measure: str
    subject: str
    value: float
    low: float | None
    high: float | None
    count: int
    reference: float | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """Figures that belong together.

    Args:
        text: how they were measured, and what the references are.
        matrix: rows of counts, true label by predicted label, in order of `labels`.
    """

    name: str
    text: str
    figures: tuple[Measurement, ...]
    labels: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()


def mean_of(measure: str, subject: str, values: Tensor, reference: float | None = None) -> Measurement:
    """The mean of `values` (n,), with a bootstrap interval of percentiles."""
    values = values.detach().double().cpu()
    drawn = torch.randint(len(values), (NUM_RESAMPLES, len(values)), generator=torch.Generator().manual_seed(0))
    low, high = _middle(values[drawn].mean(1))
    return _figure(measure, subject, float(values.mean()), low, high, len(values), reference)


def share_of(measure: str, subject: str, right: Tensor, reference: float | None = None) -> Measurement:
    """The share of `right` (n,) that is true, with Wilson's interval."""
    n, share = len(right), float(right.double().mean())
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return _figure(measure, subject, share, max(0.0, middle - half), min(1.0, middle + half), n, reference)


def balanced_share_of(
    measure: str, subject: str, right: Tensor, labels: Tensor, reference: float | None = None
) -> Measurement:
    """Mean over labels of the share of `right` (n,) that is true; the interval resamples within each label."""
    generator, classes = torch.Generator().manual_seed(0), []
    for label in labels.unique():
        values = right[labels == label].double().cpu()
        drawn = torch.randint(len(values), (NUM_RESAMPLES, len(values)), generator=generator)
        classes.append((values.mean(), values[drawn].mean(1)))
    low, high = _middle(torch.stack([resampled for _, resampled in classes]).mean(0))
    value = float(torch.stack([mean for mean, _ in classes]).mean())
    return _figure(measure, subject, value, low, high, len(right), reference)


def within(
    measure: str, subject: str, value: float, deviation: float, count: int, reference: float | None = None
) -> Measurement:
    """A figure whose standard deviation is known: the interval is 1.96 of it either side."""
    half = _Z * deviation
    return _figure(measure, subject, value, value - half, value + half, count, reference)


def deviation_of(statistic: Callable[[Tensor, Tensor], float], first: Tensor, second: Tensor) -> float:
    """Standard deviation of a statistic of two sets over resampled rows.

    A distance between sets is larger on resampled rows, so their percentiles would be off.
    """
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(NUM_REFITS):
        rows = [torch.randint(len(side), (len(side),), generator=generator) for side in (first, second)]
        found.append(statistic(first[rows[0]], second[rows[1]]))
    return float(torch.tensor(found, dtype=torch.float64).std())


def with_means(figures: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """`figures`, and for every measure of more than one subject their mean, without an interval."""
    found = list(figures)
    for measure in dict.fromkeys(figure.measure for figure in figures):
        own = [figure for figure in figures if figure.measure == measure]
        if len(own) > 1:
            references = [figure.reference for figure in own if figure.reference is not None]
            reference = sum(references) / len(references) if len(references) == len(own) else None
            value = sum(figure.value for figure in own) / len(own)
            count = sum(figure.count for figure in own)
            found.append(_figure(measure, MEAN, value, None, None, count, reference))
    return tuple(found)


def _figure(
    measure: str,
    subject: str,
    value: float,
    low: float | None,
    high: float | None,
    count: int,
    reference: float | None,
) -> Measurement:
    return Measurement(
        measure=measure, subject=subject, value=value, low=low, high=high, count=count, reference=reference
    )


def _middle(values: Tensor) -> tuple[float, float]:
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=values.dtype)).tolist()
    return low, high
