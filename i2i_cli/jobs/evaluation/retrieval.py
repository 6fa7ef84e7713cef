"""Counterparts in other domains, found by codes, by pixels and by histograms of oriented gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.jobs.evaluation.inputs import EvaluationData
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, mean_of, share_of, with_means
from i2i_cli.models.layers import OrientedGradients

MIN_QUERIES = 10
CELLS = 8

TEXT = (
    "The counterpart of each held-out image is searched among all held-out images of another domain, by cosine. "
    "Images with one key (the name below the domain's folder, or what --same finds in it) show the same thing. R@k: "
    "share with a counterpart among the k closest; mAP: mean average precision. Pixels and HOG (histograms of oriented "
    f"gradients, {CELLS} x {CELLS} cells) need no model. The reference is chance, for R@1 and R@5."
)


def retrieval(data: EvaluationData) -> Section:
    """Recall and mean average precision of every ordered pair of domains whose codes compare."""
    figures: list[Measurement] = []
    by = _representations(data)
    for a in range(len(data.domains)):
        for b in data.translator.model.comparable_with(a):
            figures += _pair(data, by, a, b)
    return Section(name="retrieval", text=TEXT, figures=with_means(figures))


@torch.no_grad()
def _representations(data: EvaluationData) -> dict[str, Tensor]:
    """Unit vectors (n, f) of the held-out images, by what they are made of."""
    found = {"content": data.test.content}
    if data.test.descriptor.shape[1]:
        found = {"descriptor": data.test.descriptor} | found
    if data.translator.model.splits_codes:
        found["domain"] = data.test.domain
    if data.test_pictures is not None:
        gradients, pixels, histograms = OrientedGradients(), [], []
        for images, _ in data.test_pictures.batches(torch.device("cpu")):
            pixels.append(images.flatten(1))
            histograms.append(F.adaptive_avg_pool2d(gradients(images), CELLS).flatten(1))
        found |= {"pixels": torch.cat(pixels), "HOG": torch.cat(histograms)}
    return {name: F.normalize(vectors.float().cpu(), dim=1) for name, vectors in found.items()}


def _pair(data: EvaluationData, by: dict[str, Tensor], a: int, b: int) -> list[Measurement]:
    """The figures of queries of domain a in the images of domain b; none where too few have counterparts."""
    labels, keys = data.test.labels, data.test.keys
    rows_b = torch.nonzero(labels == b).flatten().tolist()
    there = {keys[row] for row in rows_b}
    rows_a = [row for row in torch.nonzero(labels == a).flatten().tolist() if keys[row] in there]
    if len(rows_a) < MIN_QUERIES:
        return []
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_a, of_b = (torch.tensor([numbers[keys[row]] for row in rows]) for rows in (rows_a, rows_b))
    relevant = of_a[:, None] == of_b
    name, figures = data.name(a, b), []
    for kind, units in by.items():
        ranked = (units[rows_a] @ units[rows_b].T).argsort(dim=1, descending=True)
        hits = relevant.gather(1, ranked)
        for k in (1, 5):
            figures.append(share_of(f"R@{k} {kind}", name, hits[:, :k].any(1), chance_of_recall(relevant, k)))
        figures.append(mean_of(f"mAP {kind}", name, average_precision(hits)))
    return figures


def chance_of_recall(relevant: Tensor, k: int) -> float:
    """R@k of k different answers drawn at random, by which of all m answers (n, m) would be right."""
    wrong, m = (~relevant).sum(1).double(), relevant.shape[1]
    missed = torch.ones_like(wrong)
    for drawn in range(min(k, m)):
        missed *= (wrong - drawn).clamp_min(0) / (m - drawn)
    return float((1 - missed).mean())


def average_precision(hits: Tensor) -> Tensor:
    """Of each query (n,), from which of its ranked answers (n, m) are right; at least one is."""
    ranks = torch.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(1) / ranks
    return (precision * hits).sum(1) / hits.sum(1)
