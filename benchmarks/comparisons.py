"""How codes are best compared: recall@1 of pairs across domains, for every way to compare them.

    python benchmarks/comparisons.py WEIGHTS DATA

DATA has the same file names in its domain folders; the search is among the held-out images alone,
and domain statistics are taken from the training images. Raw pixels and the bundled backbone's
features, untrained, are the references.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.models.descriptor import CELLS, CHANNELS, BackboneFeatures

DEVICE = torch.device("cpu")


def encoded(dataset: Dataset, rows: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.no_grad():
        chunks = (to_model_range(dataset.images.squares(chunk), DEVICE) for chunk in rows.split(128))
        return torch.cat([encode(images).float() for images in chunks])


def ways(dataset: Dataset, train: Tensor, test: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Each way's name, and vectors (n, f) whose negative distance or dot product is the score."""
    labels, train_labels = dataset.labels[dataset.test], dataset.labels[dataset.train]
    pooled = [F.adaptive_avg_pool2d(codes, 1) for codes in (train, test)]
    for name, (fit, codes) in {"spatial": (train, test), "mean-pooled": pooled}.items():
        fit, codes = fit.flatten(1), codes.flatten(1)
        means = torch.stack([fit[train_labels == label].mean(0) for label in range(len(dataset.domains))])
        scales = torch.stack([fit[train_labels == label].std(0) for label in range(len(dataset.domains))]) + 1e-3
        yield f"{name}, as they are", codes
        yield f"{name}, centred a domain", codes - means[labels]
        yield f"{name}, whitened a domain", (codes - means[labels]) / scales[labels]


def whitened(train: Tensor, test: Tensor, labels: tuple[Tensor, Tensor], count: int = 512) -> Tensor:
    """Test features, each map weighing alike, without their domain's mean, by principal components (n, count)."""
    sizes = torch.tensor(CHANNELS)
    weights = sizes.repeat_interleave(sizes).sqrt().view(1, -1, 1, 1)
    scale = train.std((0, 2, 3), keepdim=True) * weights
    sides = [(codes / scale).flatten(1) for codes in (train, test)]
    means = torch.stack([sides[0][labels[0] == label].mean(0) for label in labels[0].unique()])
    fit, codes = (side - means[own] for side, own in zip(sides, labels, strict=True))
    _, deviations, axes = torch.linalg.svd(fit, full_matrices=False)
    deviations = deviations / len(fit) ** 0.5
    return codes @ (axes[:count].T / (deviations[:count] + 0.1 * deviations[0]))


def recall(dataset: Dataset, similarity: Tensor, a: int, b: int) -> float:
    place = {int(row): i for i, row in enumerate(dataset.test)}
    first, second = dataset.pairs(dataset.test, a, b)
    rows, columns = ([place[int(row)] for row in side] for side in (first, second))
    found = similarity[rows][:, columns].argmax(1)
    return float((found == torch.arange(len(rows))).float().mean())


def local_scaling(cosines: Tensor, count: int = 10) -> Tensor:
    """CSLS (arXiv 1710.04087): less for vectors that are close to everything."""
    hub = cosines.topk(count, dim=1).values.mean(1)
    return 2 * cosines - hub[:, None] - hub[None]


def main() -> None:
    translator: TorchTranslator = load(sys.argv[1], device="cpu")
    dataset = decoded(scan(Path(sys.argv[2])), translator.image_size)
    pairs = list(permutations(range(len(dataset.domains)), 2))
    pixels = encoded(dataset, dataset.test, lambda images: images.flatten(1))
    splits = (dataset.train, dataset.test)
    codes = [encoded(dataset, rows, lambda images: translator.model.encode(images).content) for rows in splits]
    table: list[tuple[str, Tensor]] = [("raw pixels, l2", -torch.cdist(pixels, pixels))]
    features = BackboneFeatures()
    known = [
        encoded(dataset, rows, lambda images: features(images).unflatten(1, (-1, CELLS, CELLS))) for rows in splits
    ]
    units = F.normalize(whitened(*known, (dataset.labels[dataset.train], dataset.labels[dataset.test])), dim=1)
    table.append(("backbone, untrained, whitened, cosine", units @ units.T))
    if translator.descriptor is not None:
        units = encoded(
            dataset, dataset.test, lambda images: translator.describe(images, translator.model.encode(images).content)
        )
        table += [("descriptor, cosine", units @ units.T), ("descriptor, CSLS", local_scaling(units @ units.T))]
    for name, vectors in ways(dataset, *codes):
        units = F.normalize(vectors, dim=1)
        table.append((f"{name}, cosine", units @ units.T))
        table.append((f"{name}, l2", -torch.cdist(vectors, vectors)))
        table.append((f"{name}, CSLS", local_scaling(units @ units.T)))
    names = [f"{dataset.domains[a]}->{dataset.domains[b]}" for a, b in pairs]
    print("| recall@1 | mean | " + " | ".join(names) + " |\n|" + "---|" * (len(pairs) + 2))
    for name, similarity in table:
        found = [recall(dataset, similarity, a, b) for a, b in pairs]
        print(f"| {name} | {sum(found) / len(found):.2f} | " + " | ".join(f"{share:.2f}" for share in found) + " |")


if __name__ == "__main__":
    main()
