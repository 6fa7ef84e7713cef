"""The images of a data set, decoded and split, as the jobs draw them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i_cli.data.cache import Progress
from i2i_cli.data.domains import DomainFolder, Item
from i2i_cli.data.packed import PackedImages, packed
from i2i_cli.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Readable images of all domains.

    Args:
        root: the folder that all images lie below.
        domains: names, in order of the labels.
        items: the file behind each row of `images`.
        labels: (n,) domain label of each row.
        train, test: rows of the two splits.
        is_split: whether folders (`train/`, `test/`) say which images are held out, rather than their names.
    """

    root: Path
    domains: tuple[str, ...]
    images: PackedImages
    items: Sequence[Item]
    labels: Tensor
    train: Tensor
    test: Tensor
    is_split: bool

    def fingerprint(self) -> dict[str, Any]:
        """What makes two data sets the same for training: domain names, and hashes of keys and labels and of pixels."""
        names, pixels = hashlib.sha256(), hashlib.sha256()
        for row in self.train.tolist():
            names.update(f"{self.items[row].label} {self.items[row].key}\n".encode("utf-8", "surrogateescape"))
            pixels.update(self.images.digests[row].encode())
        return {"domains": list(self.domains), "sha256": names.hexdigest(), "pixels": pixels.hexdigest()}

    def counts(self) -> dict[str, int]:
        """Training images of each domain."""
        found = torch.bincount(self.labels[self.train], minlength=len(self.domains)).tolist()
        return dict(zip(self.domains, found, strict=True))

    def sample(self, count: int) -> list[str]:
        """Hashes of up to `count` training images, evenly spread: enough to know the data set again by."""
        rows = self.train[torch.arange(min(count, len(self.train))) * len(self.train) // min(count, len(self.train))]
        return [self.images.digests[row] for row in rows.tolist()]

    def rows(self, split: Tensor, label: int, limit: int) -> Tensor:
        """Up to `limit` rows of one domain in `split`, evenly spread over it."""
        rows = split[self.labels[split] == label]
        return rows if len(rows) <= limit else rows[torch.arange(limit) * len(rows) // limit]

    def pairs(self, split: Tensor, first: int, second: int) -> tuple[Tensor, Tensor]:
        """Rows of two domains in `split` that share a pair key, side by side."""
        by_key = {self.items[row].key: row for row in split.tolist() if self.labels[row] == second}
        rows = [row for row in split.tolist() if self.labels[row] == first and self.items[row].key in by_key]
        return torch.tensor(rows, dtype=torch.int64), torch.tensor([by_key[self.items[row].key] for row in rows])


def decoded(found: DomainFolder, image_size: int, report: Progress | None = None) -> Dataset:
    """The images of `found`, decoded.

    Raises:
        DataError: a domain without a single readable training image.
    """
    root = found.root
    listed = [*found.train, *found.test]
    images = packed(listed, root, image_size, report)
    items = [listed[index] for index in images.indices]
    labels = torch.tensor([item.label for item in items])
    is_train = torch.from_numpy(images.indices < len(found.train))
    for label, domain in enumerate(found.domains):
        if not bool((is_train & (labels == label)).any()):
            raise DataError(f"no training image of the domain {domain!r} could be read", images.bad[0])
    return Dataset(
        root=root,
        domains=found.domains,
        images=images,
        items=items,
        labels=labels,
        train=torch.nonzero(is_train).flatten(),
        test=torch.nonzero(~is_train).flatten(),
        is_split=found.is_split,
    )
