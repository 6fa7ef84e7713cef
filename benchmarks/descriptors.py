"""What a change of style does, learnt without pairs: recall@1 by descriptors, fitted in three ways.

    python benchmarks/descriptors.py DATA [--images N] [--same REGEX]
    python benchmarks/descriptors.py EMOJI --groups 6

The descriptors are of fixed features alone, without a content code. They are fitted on the training images (N of each
domain) and measured on the held-out ones. With `--groups K` all images are used, a K-th of the groups of `groups.py`
held out at a time. Counterparts have the same name, or with `--same` the same part of it. A row each: whitened alone,
with likely counterparts (what the tool does), and with true ones, which the tool never sees.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from pathlib import Path
from unittest.mock import patch

import torch
from comparisons import encoded
from groups import group_of
from torch import Tensor

from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.models import descriptor
from i2i_cli.models.descriptor import SIDE, BackboneFeatures, fit_descriptor

FEWEST = 20
"""Counterparts of two domains; of fewer, no share is told."""

Finding = Callable[[Tensor, Tensor], Tensor]
"""Pairs of rows, from unit vectors and labels: what `descriptor.mutual_pairs` is."""


def nobody(units: Tensor, y: Tensor) -> Tensor:
    """No pairs: what is fitted then is the whitening alone."""
    return torch.zeros(0, 2, dtype=torch.long)


def of_equal_keys(keys: list[str]) -> Finding:
    """True counterparts, the rows of each two domains with equal keys."""

    def found(units: Tensor, y: Tensor) -> Tensor:
        rows = [{keys[row]: row for row in (y == label).nonzero()[:, 0].tolist()} for label in y.unique()]
        pairs = [(a[key], b[key]) for a, b in combinations(rows, 2) for key in a.keys() & b.keys()]
        return torch.tensor(sorted(pairs))

    return found


def recalls(units: Tensor, y: Tensor, keys: list[str]) -> dict[tuple[int, int], float]:
    """By ordered pair of domains: how often the nearest image has the same key, of images that have a counterpart."""
    shares = {}
    for a, b in permutations(y.unique().tolist(), 2):
        first, second = ((y == label).nonzero()[:, 0].tolist() for label in (a, b))
        there = {keys[row] for row in second}
        first = [row for row in first if keys[row] in there]
        if len(first) >= FEWEST:
            nearest = (units[first] @ units[second].T).argmax(1).tolist()
            hits = sum(keys[second[place]] == keys[row] for row, place in zip(first, nearest, strict=True))
            shares[a, b] = hits / len(first)
    return shares


def splits(dataset: Dataset, num_images: int, num_groups: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows to fit on and rows to measure on."""
    if not num_groups:
        labels = range(len(dataset.domains))
        limit = num_images or len(dataset.items)
        yield torch.cat([dataset.rows(dataset.train, label, limit) for label in labels]), dataset.test
        return
    names = [group_of(Path(item.key)) for item in dataset.items]
    order = sorted(set(names))
    for part in range(num_groups):
        held_out = torch.tensor([order.index(name) % num_groups == part for name in names])
        yield (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--groups", type=int, default=0)
    parser.add_argument("--same", default=".*")
    asked = parser.parse_args()
    dataset = decoded(scan(asked.data), SIDE)
    every = torch.arange(len(dataset.items))
    features, nothing = encoded(dataset, every, BackboneFeatures()), torch.zeros(len(every), 1)
    keys = [re.match(asked.same, item.key).group() for item in dataset.items]  # type: ignore[union-attr]
    found: dict[str, dict[tuple[int, int], list[tuple[float, int]]]] = {}
    for fit, test in splits(dataset, asked.images, asked.groups):
        ways = {
            "whitened": nobody,
            "by likely counterparts": descriptor.mutual_pairs,
            "by true counterparts": of_equal_keys([keys[row] for row in fit.tolist()]),
        }
        for name, pairs in ways.items():
            with patch.object(descriptor, "mutual_pairs", pairs):
                fitted = fit_descriptor(features[fit], nothing[fit], dataset.labels[fit])
            units = fitted.described(torch.cat([features[test], nothing[test]], dim=1))
            own = recalls(units, dataset.labels[test], [keys[row] for row in test.tolist()])
            for pair, share in own.items():
                found.setdefault(name, {}).setdefault(pair, []).append((share, len(test)))
    print_table(dataset.domains, found)


def print_table(domains: tuple[str, ...], found: dict[str, dict[tuple[int, int], list[tuple[float, int]]]]) -> None:
    """Means over the splits, each by its size."""
    means = {
        name: {pair: sum(s * n for s, n in parts) / sum(n for _, n in parts) for pair, parts in by_pair.items()}
        for name, by_pair in found.items()
    }
    pairs = list(next(iter(means.values())))
    names = [f"{domains[a]}->{domains[b]}" for a, b in pairs]
    print("| recall@1 | mean | " + " | ".join(names) + " |\n|" + "---|" * (len(pairs) + 2))
    for name, shares in means.items():
        mean = sum(shares.values()) / len(shares)
        print(f"| {name} | {mean:.3f} | " + " | ".join(f"{shares[pair]:.2f}" for pair in pairs) + " |")


if __name__ == "__main__":
    main()
