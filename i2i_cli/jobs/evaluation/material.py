"""What is evaluated: codes of training and of held-out images, and the images where they are at hand."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.cache import Progress
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import Item, scan
from i2i_cli.errors import DataError
from i2i_cli.jobs.classifier_fitting import held_out_rows
from i2i_cli.jobs.codes import evenly
from i2i_cli.jobs.evaluation.attributes import Attributes, classes_among, read_table
from i2i_cli.jobs.gallery import Gallery
from i2i_cli.jobs.indexing import gallery_made_with
from i2i_cli.jobs.trained import TrainedModel

CHUNK = 128
MIN_IMAGES = 3


@dataclass(frozen=True, eq=False)
class Coded:
    """Codes of images, and what is known of them.

    Args:
        content, domain, descriptor: flat codes, in rows; a descriptor of no numbers where the weights hold none.
        labels: (n,) domains.
        keys: what images that show the same thing have in common.
    """

    content: Tensor
    domain: Tensor
    descriptor: Tensor
    labels: Tensor
    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images.

    Args:
        crops: (n, S, S, 3) uint8.
        labels: (n,) domains.
        keys: as in `Coded`.
        known: (n, A) their attributes, 0 or 1, NaN where not known; A is 0 where none are.
    """

    crops: Tensor
    labels: Tensor
    keys: tuple[str, ...]
    known: Tensor

    def of(self, label: int) -> "Pictures":
        """Those of one domain."""
        rows = torch.nonzero(self.labels == label).flatten()
        keys = tuple(self.keys[row] for row in rows.tolist())
        return Pictures(self.crops[rows], self.labels[rows], keys, self.known[rows])

    def batches(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """(images in [-1, 1], labels) on `device`."""
        for crops, labels in zip(self.crops.split(CHUNK), self.labels.split(CHUNK), strict=True):
            yield to_model_range(crops, device), labels.to(device)

    def images(self, device: torch.device) -> Tensor:
        """All of them (n, 3, S, S) in [-1, 1]."""
        return torch.cat([images for images, _ in self.batches(device)])


@dataclass(frozen=True, eq=False)
class Material:
    """Everything that is measured on: `train` and `test` codes, and the pictures behind them, if at hand."""

    translator: TrainedModel
    train: Coded
    test: Coded
    train_pictures: Pictures | None = None
    test_pictures: Pictures | None = None
    attributes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in order of the labels."""
        return self.translator.domains

    def name(self, a: int, b: int) -> str:
        """What a translation or a search from domain a to domain b is called."""
        return f"{self.domains[a]}->{self.domains[b]}"


def gather(
    translator: TrainedModel,
    root: Path,
    *,
    test_limit: int,
    train_limit: int,
    same: str | None,
    table: Path | None,
    report: Progress,
) -> Material:
    """Images of a folder, or the codes of a gallery, with up to so many of each domain in either split.

    Args:
        same: a regular expression: files whose names match it alike show the same thing. Without it,
            those with the same path below their domain's folder do.
        table: a CSV of attributes; see `attributes.read_table`. Without it, names that `same` sorts
            into few classes are taken for attributes.

    Raises:
        DataError, ConfigError, WeightsError: no such folder or gallery, a domain is missing, too few images,
            or a gallery of other weights.
    """
    if not root.is_dir():
        gallery = gallery_made_with(translator, root)
        return _of_gallery(translator, gallery, test_limit, train_limit, same)
    known = read_table(table) if table is not None else None
    dataset = decoded(scan(root, lambda found: _chosen(translator, root, found)), translator.image_size, report)
    if known is None and same is not None:
        known = classes_among(_key(dataset.items[row], same) for row in dataset.train.tolist())
    train, test = (
        _pictures(dataset, split, limit, same, known)
        for split, limit in ((dataset.train, train_limit), (dataset.test, test_limit))
    )
    _check_enough(translator, test.labels, root)
    if table is not None and bool(train.known.isnan().all()):
        raise DataError(f"{table} names no training image of {root}", "its first column holds their file names")
    notes = [*dataset.warnings, *(f"left out: {text}" for text in dataset.images.bad)]
    return Material(
        translator, _coded(translator, train, report), _coded(translator, test, report), train, test,
        known.names if known is not None else (), tuple(notes),
    )  # fmt: skip


def _chosen(translator: TrainedModel, root: Path, found: Sequence[str]) -> tuple[str, ...]:
    missing = [domain for domain in translator.domains if domain not in found]
    if missing:
        raise DataError(
            f"{root} has no folder {', '.join(missing)}, which {translator.path} was trained on",
            "give a folder with one folder for each of " + ", ".join(translator.domains),
        )
    return translator.domains


def _check_enough(translator: TrainedModel, labels: Tensor, root: Path, split: str = "held-out") -> None:
    counts = labels.bincount(minlength=len(translator.domains)).tolist()
    few = [domain for domain, count in zip(translator.domains, counts, strict=True) if count < MIN_IMAGES]
    if few:
        raise DataError(
            f"{root} has fewer than {MIN_IMAGES} {split} images of {', '.join(few)}",
            "give a folder with train/DOMAIN and test/DOMAIN, or an index of it (a run's gallery holds no test images)",
        )


def _pictures(dataset: Dataset, split: Tensor, limit: int, same: str | None, known: Attributes | None) -> Pictures:
    rows = torch.cat([dataset.rows(split, label, limit) for label in range(len(dataset.domains))])
    items = [dataset.items[row] for row in rows.tolist()]
    keys = tuple(_key(item, same) for item in items)
    told = known.of(items, keys) if known is not None else torch.zeros(len(items), 0)
    return Pictures(dataset.images.crops(rows), dataset.labels[rows], keys, told)


def _key(item: Item, same: str | None) -> str:
    return _shared_name(item.key, item.path.name, same)


def _shared_name(key: str, name: str, same: str | None) -> str:
    found = re.search(same, name) if same is not None else None
    return key if found is None else found.group(0)


@torch.no_grad()
def _coded(translator: TrainedModel, side: Pictures, report: Progress) -> Coded:
    found: list[tuple[Tensor, ...]] = []
    for images, labels in side.batches(translator.device):
        codes = translator.model.encode(images, labels)
        kinds = (*codes, translator.describe(images, codes.content))
        found.append(tuple(code.flatten(1).float() for code in kinds))
        report(sum(len(codes[0]) for codes in found), len(side.labels))
    content, domain, descriptor = map(torch.cat, zip(*found, strict=True))
    return Coded(content, domain, descriptor, side.labels, side.keys)


def _of_gallery(
    translator: TrainedModel, gallery: Gallery, test_limit: int, train_limit: int, same: str | None
) -> Material:
    """The codes that a gallery keeps: no image is opened."""
    known = np.array([gallery.label(row) in translator.domains for row in range(len(gallery))], np.bool_)
    rows = np.flatnonzero(known)
    keys = np.array([gallery.key(row) for row in rows.tolist()], np.str_)
    tests = held_out_rows(gallery, rows, keys)
    train, test = (
        _coded_rows(translator, gallery, rows[chosen], limit, same)
        for chosen, limit in ((~tests, train_limit), (tests, test_limit))
    )
    for split, side in (("held-out", test), ("training", train)):
        _check_enough(translator, side.labels, Path(gallery.facts.root), split)
    note = "a gallery holds no images: reconstruction, translation, realism and attributes are left out"
    return Material(translator, train, test, notes=(note,))


def _coded_rows(
    translator: TrainedModel, gallery: Gallery, rows: NDArray[np.int64], limit: int, same: str | None
) -> Coded:
    """Up to `limit` of `rows` of each domain, evenly spread."""
    labels = np.array([translator.domains.index(str(gallery.label(row))) for row in rows.tolist()], np.int64)
    places = [np.flatnonzero(labels == label) for label in range(len(translator.domains))]
    chosen = np.concatenate([evenly(found, limit) for found in places])
    rows, labels = rows[chosen], labels[chosen]
    content, domain, descriptor = (torch.from_numpy(np.array(code, np.float32)) for code in gallery.codes(rows))
    keys = tuple(_shared_name(gallery.key(row), Path(gallery.paths[row]).name, same) for row in rows.tolist())
    return Coded(content, domain, descriptor, torch.from_numpy(labels), keys)
