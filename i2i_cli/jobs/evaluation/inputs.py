"""What is evaluated: codes of training and of held-out images, and the images where they are at hand."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.checkpoints.names import data_name
from i2i_cli.data.augment import to_model_range
from i2i_cli.data.cache import Progress
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import Item, is_held_out, scan
from i2i_cli.errors import DataError
from i2i_cli.inference.codes import evenly
from i2i_cli.inference.loaded import TorchTranslator
from i2i_cli.jobs.classification.fitting import held_out_rows
from i2i_cli.jobs.evaluation.attribute_table import Attributes, classes_among, read_table
from i2i_cli.jobs.retrieval.gallery import HELD_OUT, Gallery
from i2i_cli.jobs.retrieval.indexing import gallery_made_with

CHUNK = 128
MIN_IMAGES = 3

PROBE_SHARE = 0.5
"""Of images that the model was not trained on, and that no folder splits: what fresh probes learn from."""

_PROBES_NOTE = (
    "no train/ there, and the model was not trained on these images: all of them are held out; fresh probes learn from "
    "half of them, and are scored on the others"
)


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
        squares: (n, S, S, 3) uint8.
        labels: (n,) domains.
        keys: as in `Coded`.
        known: (n, A) their attributes, 0 or 1, NaN where not known; A is 0 where none are.
    """

    squares: Tensor
    labels: Tensor
    keys: tuple[str, ...]
    known: Tensor

    def of(self, label: int) -> "Pictures":
        """Those of one domain."""
        rows = torch.nonzero(self.labels == label).flatten()
        keys = tuple(self.keys[row] for row in rows.tolist())
        return Pictures(self.squares[rows], self.labels[rows], keys, self.known[rows])

    def batches(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """(images in [-1, 1], labels) on `device`."""
        for squares, labels in zip(self.squares.split(CHUNK), self.labels.split(CHUNK), strict=True):
            yield to_model_range(squares, device), labels.to(device)

    def images(self, device: torch.device) -> Tensor:
        """All of them (n, 3, S, S) in [-1, 1]."""
        return torch.cat([images for images, _ in self.batches(device)])


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Everything that is measured on, and the pictures behind it, if at hand.

    Args:
        test: what the model was not trained on, and is measured on.
        train: what fresh probes learn from.
        fresh: (n,) which rows of `test` those probes have not seen: what they are scored on.
        attributes: names of the columns of `Pictures.known`.
    """

    translator: TorchTranslator
    train: Coded
    test: Coded
    fresh: Tensor
    train_pictures: Pictures | None = None
    test_pictures: Pictures | None = None
    attributes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in order of the labels."""
        return self.translator.domains

    def fresh_of(self, label: int) -> Tensor:
        """Of the images of one domain, which ones fresh probes have not seen."""
        return self.fresh[self.test.labels == label]

    def name(self, a: int, b: int) -> str:
        """What a translation or a search from domain a to domain b is called."""
        return f"{self.domains[a]}->{self.domains[b]}"


def gather(
    translator: TorchTranslator,
    root: Path,
    *,
    test_limit: int,
    train_limit: int,
    same: str | None,
    table: Path | None,
    report: Progress,
) -> EvaluationData:
    """Images of a folder, or the codes of a gallery, with up to so many of each domain in either split.

    Args:
        same: a regular expression: files whose names match it alike show the same thing. Without it,
            those with the same path below their domain's folder do.
        table: a CSV of attributes; see `attribute_table.read_table`. Without it, names that `same` sorts
            into few classes are taken for attributes.

    Raises:
        DataError, ConfigError, WeightsError: no such folder or gallery, a domain is missing, too few images,
            or a gallery of other weights.
    """
    if not root.is_dir():
        gallery = gallery_made_with(translator, root)
        return _of_gallery(translator, gallery, test_limit, train_limit, same)
    known = read_table(table) if table is not None else None
    found = scan(root, lambda found: _chosen(translator, root, found))
    dataset = decoded(found, translator.image_size, report)
    if known is None and same is not None:
        known = classes_among(_key(dataset.items[row], same) for row in range(len(dataset.items)))
    held_out = torch.isin(torch.arange(len(dataset.items)), dataset.test)
    counts = dataset.labels[dataset.train].bincount(minlength=len(dataset.domains)).tolist()
    share = _share_trained_on(translator, root, counts, dataset.images.digests)
    split = _split(dataset.is_split, share, held_out, [item.key for item in dataset.items])
    train_rows, rows = (
        torch.cat([dataset.rows(chosen.nonzero().flatten(), label, limit) for label in range(len(dataset.domains))])
        for chosen, limit in ((split.learned_from, train_limit), (split.measured, test_limit))
    )
    train, test = _pictures(dataset, train_rows, same, known), _pictures(dataset, rows, same, known)
    fresh = ~split.learned_from[rows]
    _check_enough(translator, root, train.labels, test.labels[fresh])
    if table is not None and bool(train.known.isnan().all()):
        raise DataError(f"{table} names no training image of {root}", "its first column holds their file names")
    spoilt = (f"left out: {text}" for text in dataset.images.bad)
    notes = [*([found.passed_over] if found.passed_over else []), *split.notes, *spoilt]
    return EvaluationData(
        translator, _coded(translator, train, report), _coded(translator, test, report), fresh, train, test,
        known.names if known is not None else (), tuple(notes),
    )  # fmt: skip


class _Split(NamedTuple):
    """Masks of images: which of them probes learn from, and which the model is measured on; what to know of it."""

    learned_from: Tensor
    measured: Tensor
    notes: tuple[str, ...] = ()


def _split(by_folder: bool, share: float, held_out: Tensor, keys: Sequence[str]) -> _Split:
    """What is measured: what folders hold out, or training would; all of what the model was not trained on.

    Args:
        by_folder: whether folders say what is held out.
        share: of what the model was trained on that lies among these images.
        held_out: which images a training on them would hold out.
    """
    if by_folder or share >= 0.5:
        return _Split(~held_out, held_out)
    some = ("warning: the model was trained on some of these images",) if share else ()
    learned_from = torch.tensor([is_held_out(key, PROBE_SHARE) for key in keys], dtype=torch.bool)
    return _Split(learned_from, torch.ones_like(learned_from), (_PROBES_NOTE, *some))


def _share_trained_on(
    translator: TorchTranslator, root: Path, counts: list[int], digests: Collection[str] = ()
) -> float:
    """How much of what a model was trained on lies in a data set, as far as its weights can tell.

    Args:
        counts: of training images in each domain, were the data set split for training.
        digests: of its images; where they or the weights hold none, name and counts have to do.
    """
    told = translator.header.trained_on
    same_counts = told.get("images") == dict(zip(translator.domains, counts, strict=True))
    same_name = told.get("data") == data_name(str(root))
    if digests and (known := told.get("sample")):
        there = set(digests)
        found = sum(digest in there for digest in known) / len(known)
        return found or float(same_counts and same_name)  # another decoder may read the same files a level off
    return float(same_counts or same_name)


def _chosen(translator: TorchTranslator, root: Path, found: Sequence[str]) -> tuple[str, ...]:
    missing = [domain for domain in translator.domains if domain not in found]
    if missing:
        raise DataError(
            f"{root} has no folder {', '.join(missing)}, which {translator.path} was trained on",
            "give a folder with one folder for each of " + ", ".join(translator.domains),
        )
    return translator.domains


def _check_enough(translator: TorchTranslator, root: Path, learned_from: Tensor, measured: Tensor) -> None:
    """Refuse what too few images are there for, by the labels of those that probes learn from and are scored on."""
    for split, labels in (("held-out", measured), ("training", learned_from)):
        counts = labels.bincount(minlength=len(translator.domains)).tolist()
        few = [domain for domain, count in zip(translator.domains, counts, strict=True) if count < MIN_IMAGES]
        if few:
            raise DataError(
                f"{root} has fewer than {MIN_IMAGES} {split} images of {', '.join(few)}",
                "give a folder with train/DOMAIN and test/DOMAIN, or an index of it (a run's gallery holds no test "
                "images)",
            )


def _pictures(dataset: Dataset, rows: Tensor, same: str | None, known: Attributes | None) -> Pictures:
    items = [dataset.items[row] for row in rows.tolist()]
    keys = tuple(_key(item, same) for item in items)
    told = known.of(items, keys) if known is not None else torch.zeros(len(items), 0)
    return Pictures(dataset.images.squares(rows), dataset.labels[rows], keys, told)


def _key(item: Item, same: str | None) -> str:
    return _shared_name(item.key, item.path.name, same)


def _shared_name(key: str, name: str, same: str | None) -> str:
    found = re.search(same, name) if same is not None else None
    return key if found is None else found.group(0)


@torch.no_grad()
def _coded(translator: TorchTranslator, side: Pictures, report: Progress) -> Coded:
    found: list[tuple[Tensor, ...]] = []
    for images, labels in side.batches(translator.device):
        codes = translator.model.encode(images, labels)
        kinds = (*codes, translator.describe(images, codes.content))
        found.append(tuple(code.flatten(1).float() for code in kinds))
        report(sum(len(codes[0]) for codes in found), len(side.labels))
    content, domain, descriptor = map(torch.cat, zip(*found, strict=True))
    return Coded(content, domain, descriptor, side.labels, side.keys)


def _of_gallery(
    translator: TorchTranslator, gallery: Gallery, test_limit: int, train_limit: int, same: str | None
) -> EvaluationData:
    """The codes that a gallery keeps: no image is opened."""
    num_domains = len(translator.domains)
    known = np.array([gallery.label(row) in translator.domains for row in range(len(gallery))], np.bool_)
    rows = np.flatnonzero(known)
    keys = np.array([gallery.key(row) for row in rows.tolist()], np.str_)
    tests = held_out_rows(gallery, rows, keys)
    labels = np.array([translator.domains.index(str(gallery.label(row))) for row in rows.tolist()], np.int64)
    counts, root = np.bincount(labels[~tests], minlength=num_domains).tolist(), Path(gallery.facts.root)
    by_folder = bool((gallery.splits[rows] == HELD_OUT).any())
    share = _share_trained_on(translator, root, counts)
    split = _split(by_folder, share, torch.from_numpy(tests), keys.tolist())
    train_places, places = (
        np.concatenate([evenly(np.flatnonzero(chosen & (labels == label)), limit) for label in range(num_domains)])
        for chosen, limit in ((split.learned_from.numpy(), train_limit), (split.measured.numpy(), test_limit))
    )
    train, test = (_coded_rows(gallery, rows[chosen], labels[chosen], same) for chosen in (train_places, places))
    fresh = ~split.learned_from[torch.from_numpy(places)]
    _check_enough(translator, root, train.labels, test.labels[fresh])
    note = "a gallery holds no images: reconstruction, translation, realism and attributes are left out"
    return EvaluationData(translator, train, test, fresh, notes=(note, *split.notes))


def _coded_rows(gallery: Gallery, rows: NDArray[np.int64], labels: NDArray[np.int64], same: str | None) -> Coded:
    content, domain, descriptor = (torch.from_numpy(np.array(code, np.float32)) for code in gallery.codes(rows))
    keys = tuple(_shared_name(gallery.key(row), Path(gallery.paths[row]).name, same) for row in rows.tolist())
    return Coded(content, domain, descriptor, torch.from_numpy(labels), keys)
