"""A gallery: the codes of many images in one safetensors file, row by row, memory-mapped when read.

| tensor | shape | dtype | |
|---|---|---|---|
| `content` | (n, numbers in a content code) | float16 | flattened, channels first |
| `domain` | (n, numbers in a domain code) | float16 | |
| `descriptor` | (n, numbers in a descriptor) | float16 | what neighbours are found by; none in older galleries |
| `labels` | (n,) | int32 | place in the header's `labels`; -1 is unknown |
| `splits` | (n,) | int8 | 1: below `train/`, 2: below `test/` or `val/`, 0: neither |
| `sizes`, `times` | (n,) | int64 | each file's bytes and modification time (ns) when it was read |
| `paths` | (bytes,) | uint8 | all paths below the header's `root`, one after another, as the file system spells them |
| `path_ends` | (n,) | int64 | where each path ends |

The header is one JSON object under the metadata key `i2i-gallery`: see `GalleryFacts`.
"""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from i2i_cli.checkpoints.header import read_metadata
from i2i_cli.config import updated
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.files import check_written_as, written_whole
from i2i_cli.inference.codes import FlatCodes

KEY = "i2i-gallery"
FORMAT = 1
SUFFIX = ".safetensors"
EXPORTS = (".npz", ".csv")
UNKNOWN = -1
UNDECIDED, TRAINED, HELD_OUT = 0, 1, 2
_COLUMNS = ("labels", "splits", "sizes", "times")


@dataclass(frozen=True, kw_only=True)
class GalleryFacts:
    """What a gallery says of itself.

    Args:
        model: fingerprint of the networks that made the codes.
        root: the folder that the paths are below, absolute.
        labels: names of the labels: the first folder below the root (or below its train/ and test/).
        content_shape: shape of one content code.
    """

    model: str
    root: str
    labels: tuple[str, ...]
    content_shape: tuple[int, ...]
    format: int = FORMAT


_NO_FACTS = GalleryFacts(model="", root="", labels=(), content_shape=())


@dataclass(frozen=True, eq=False)
class Gallery:
    """Codes of images, in rows; they may be read from a file slice by slice."""

    facts: GalleryFacts
    paths: Sequence[str]
    labels: NDArray[np.int32]
    splits: NDArray[np.int8]
    sizes: NDArray[np.int64]
    times: NDArray[np.int64]
    content: NDArray[np.floating]
    domain: NDArray[np.floating]
    descriptor: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, row: int) -> Path:
        """Where the image of `row` lies."""
        return Path(self.facts.root, self.paths[row])

    @cached_property
    def rows_by_path(self) -> dict[str, int]:
        """The row of each path below the root."""
        return {path: row for row, path in enumerate(self.paths)}

    def label(self, row: int) -> str | None:
        """The label's name, or None where it is not known."""
        place = int(self.labels[row])
        return None if place == UNKNOWN else self.facts.labels[place]

    def key(self, row: int) -> str:
        """The path below the label's folder, without suffix: what images that belong together share."""
        parts, label = Path(self.paths[row]).with_suffix("").parts, self.label(row)
        return "/".join(parts[parts.index(label) + 1 :] if label in parts else parts)

    def codes(self, rows: slice | NDArray[np.int64] | int) -> FlatCodes:
        """The codes of `rows`."""
        return FlatCodes(*(getattr(self, name)[rows] for name in FlatCodes._fields))

    def is_of(self, model: str, code_sizes: tuple[int, ...]) -> bool:
        """Whether the rows are codes of these sizes by the model of this fingerprint; a damaged file may claim it."""
        return (self.facts.model, self.code_sizes) == (model, code_sizes)

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Numbers in each of a row's codes."""
        return tuple(getattr(self, name).shape[1] for name in FlatCodes._fields)

    def chunks(self, size: int) -> Iterator[slice]:
        """Slices that cover all rows."""
        return (slice(start, min(start + size, len(self))) for start in range(0, len(self), size))


def save_gallery(path: Path, gallery: Gallery) -> None:
    """Write `gallery` whole or not at all, in the kind that the suffix stands for.

    `.npz` holds the same arrays (paths as text), `.csv` a line an image: path, label, then the codes.
    """
    suffix = path.suffix.lower()
    check_suffix(path)
    try:
        _save(path, gallery, suffix)
    except SafetensorError as error:  # a full disk, told in its own words
        raise DataError(f"cannot write {path}: {error}", "free some disk space, or write elsewhere") from error


def _save(path: Path, gallery: Gallery, suffix: str) -> None:
    with written_whole(path) as temporary:
        if suffix == ".npz":
            with temporary.open("wb") as file:
                facts = {"root": readable(gallery.facts.root), "label_names": gallery.facts.labels}
                facts["paths"] = [readable(path) for path in gallery.paths]
                texts = {name: np.array(text, dtype=np.str_) for name, text in facts.items()}
                np.savez(file, allow_pickle=False, **_arrays(gallery), **texts)
        elif suffix == ".csv":
            _write_csv(temporary, gallery)
        else:
            save_file(_tensors(gallery), temporary, {KEY: json.dumps(asdict(gallery.facts), sort_keys=True)})


def check_suffix(path: Path) -> None:
    """Refuse names that say nothing of the file's kind.

    Raises:
        ConfigError: the suffix is not one that a gallery is written under.
    """
    check_written_as(path, (SUFFIX, *EXPORTS), "gallery")


def open_gallery(path: str | Path) -> Gallery:
    """The gallery at `path`; its codes stay on disk until they are asked for.

    Raises:
        WeightsError: the file cannot be read, or is no gallery.
    """
    path = Path(path)
    metadata = read_metadata(path, "gallery")
    if KEY not in metadata:
        raise WeightsError(f"{path} is a safetensors file, but not a gallery", f"make one: i2i index FOLDER -o {path}")
    try:
        values = json.loads(metadata[KEY])
        if values["format"] > FORMAT:
            raise WeightsError(f"{path} has gallery format {values['format']}; this i2i reads up to {FORMAT}")
        facts = updated(_NO_FACTS, values)
        if not all(isinstance(label, str) for label in facts.labels) or not Path(facts.root).is_absolute():
            raise ValueError("its header holds no labels, or no folder")
        if not all(isinstance(length, int) and 0 < length < 2**31 for length in facts.content_shape):
            raise ValueError("the shape of its codes")
        return _opened(path, facts)
    # What numpy lacks a type for is an AttributeError.
    except (
        ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError, OSError, ConfigError,
    ) as error:  # fmt: skip
        raise WeightsError(f"the gallery {path} is damaged ({error})", "make it again: i2i index") from error


def _opened(path: Path, facts: GalleryFacts) -> Gallery:
    with safe_open(path, framework="np") as file:
        small = {name: file.get_tensor(name) for name in (*_COLUMNS, "path_ends", "paths")}
        there = {"content", "domain", *file.keys()}  # older galleries have no descriptors
        names = [name for name in FlatCodes._fields if name in there]
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    count = len(small["labels"])
    nothing = np.zeros((count, 0), np.float16)
    codes = FlatCodes(*(_mapped(path, name) if name in names else nothing for name in FlatCodes._fields))
    starts = [0, *small["path_ends"].tolist()]
    raw = small["paths"].tobytes()
    rows_agree = all(small[name].shape == (count,) for name in (*_COLUMNS, "path_ends"))
    rows_agree &= all(column.dtype.kind in "iu" for column in small.values())
    rows_agree &= all(len(shape) == 2 and shape[0] == count for shape in shapes.values())
    in_order = all(first <= last for first, last in pairwise(starts)) and starts[-1] == len(raw)
    known = count == 0 or (small["labels"].min() >= UNKNOWN and small["labels"].max() < len(facts.labels))
    if not (rows_agree and in_order and known and shapes["content"][1] == int(np.prod(facts.content_shape))):
        raise ValueError("its rows do not agree")
    return Gallery(
        facts=facts,
        paths=[os.fsdecode(raw[start:end]) for start, end in pairwise(starts)],
        **{name: small[name] for name in _COLUMNS},
        content=codes.content,
        domain=codes.domain,
        descriptor=codes.descriptor,
    )


def _mapped(path: Path, name: str) -> NDArray[np.float16]:
    """A tensor of a safetensors file as a memory map: what is never looked at is never read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
    if entry["dtype"] != "F16":
        raise ValueError(f"{name} has the type {entry['dtype']}")
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.zeros(shape, np.float16)
    return np.memmap(path, np.float16, "r", offset=8 + length + entry["data_offsets"][0], shape=shape)


def _tensors(gallery: Gallery) -> dict[str, NDArray]:
    encoded = [os.fsencode(path) for path in gallery.paths]
    return _arrays(gallery) | {
        "paths": np.frombuffer(b"".join(encoded), np.uint8),
        "path_ends": np.cumsum([len(path) for path in encoded], dtype=np.int64),
    }


def _arrays(gallery: Gallery) -> dict[str, NDArray]:
    return {name: np.ascontiguousarray(getattr(gallery, name)) for name in (*FlatCodes._fields, *_COLUMNS)}


def _write_csv(path: Path, gallery: Gallery) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = [f"{kind}_{i}" for kind in FlatCodes._fields for i in range(getattr(gallery, kind).shape[1])]
        writer.writerow(["path", "label", *names])
        for row, name in enumerate(gallery.paths):
            codes = np.concatenate(gallery.codes(row))
            writer.writerow([readable(name), readable(gallery.label(row) or ""), *(f"{value:.5g}" for value in codes)])


def readable(path: str) -> str:
    """A path as text: bytes that are none are shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def merge(galleries: Sequence[Gallery]) -> Gallery:
    """One gallery of all rows of `galleries`; of an image that several hold, the last one's row.

    Raises:
        ConfigError, WeightsError: fewer than two galleries, or galleries of different weights.
    """
    if len(galleries) < 2:
        raise ConfigError("--merge takes two galleries or more")
    first = galleries[0].facts
    for other in galleries[1:]:
        if not other.is_of(first.model, galleries[0].code_sizes):
            raise WeightsError("the galleries were made with different weights", "index their folders with the same -w")
    where = {gallery.path(row): (gallery, row) for gallery in galleries for row in range(len(gallery))}
    chosen = [(path, *where[path]) for path in sorted(where)]
    root = os.path.commonpath([gallery.facts.root for gallery in galleries])
    names = tuple(sorted({name for gallery in galleries for name in gallery.facts.labels}))
    places = {name: place for place, name in enumerate(names)}

    def column(name: str) -> NDArray:
        return np.stack([getattr(gallery, name)[row] for _, gallery, row in chosen])

    return Gallery(
        facts=replace(first, root=root, labels=names),
        paths=[path.relative_to(root).as_posix() for path, _, _ in chosen],
        labels=np.array([places.get(gallery.label(row) or "", UNKNOWN) for _, gallery, row in chosen], np.int32),
        **{name: column(name) for name in ("splits", "sizes", "times", *FlatCodes._fields)},
    )
