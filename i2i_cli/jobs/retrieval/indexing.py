"""List the images of a folder, and make a gallery of their codes or bring one up to date."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np

from i2i_cli.data.cache import Progress, usable_cache
from i2i_cli.data.domains import SPLITS, TRAIN
from i2i_cli.data.folders import passed_over, walk
from i2i_cli.errors import DataError, WeightsError
from i2i_cli.inference.coder import Coder
from i2i_cli.inference.codes import FlatCodes, encoded
from i2i_cli.inference.inputs import WHOLE, Failure, Shard, Source
from i2i_cli.jobs.retrieval.gallery import (
    HELD_OUT,
    SUFFIX,
    TRAINED,
    UNDECIDED,
    UNKNOWN,
    Gallery,
    GalleryFacts,
    open_gallery,
    save_gallery,
)
from i2i_cli.notes import Note, silent

Encode = Callable[[Coder, Sequence[Source], str | None], Iterator[list[Failure | FlatCodes]]]

SAVE_SECONDS = 60.0
"""A gallery in the making is saved this often, so that a killed process loses no more."""


class Entry(NamedTuple):
    """A file to be in a gallery: its path below the root, its label if it has one, its size and time.

    `split` is 1 for a file below `train/`, 2 for one below `test/` or `val/`, 0 where there is no such folder.
    """

    path: str
    label: str | None
    split: int
    size: int
    time: int


@dataclass(frozen=True, kw_only=True)
class IndexResult:
    """What became of an index.

    Args:
        encoded, kept, removed: images encoded now, taken over from the earlier gallery, and no longer there.
        failures: the images that could not be read; they have no row.
        finished: False if it was stopped; the next call goes on.
    """

    encoded: int
    kept: int
    removed: int
    failures: tuple[Failure, ...]
    finished: bool


def index_folder(
    translator: Coder,
    root: str | Path,
    out: str | Path,
    *,
    own: str | None = None,
    shard: Shard = WHOLE,
    encode: Encode = encoded,
    overwrite: bool = False,
    report: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    note: Note = silent,
) -> IndexResult:
    """Write the codes of all images below `root` to `out`; only what has changed since is encoded.

    Args:
        own: the domain of all images, where codes need it and the folders do not tell.
        shard: which of the images.
        encode: what gives their codes: `codes.encoded`, or `on_ray.encode_on_ray`.
        note: is told what is passed over.

    Raises:
        DataError: no images, or not one that can be read.
        ConfigError: `own` is no domain of the model.
        WeightsError: `out` is something else, or was made with other weights (unless `overwrite`).
    """
    root, out = Path(root), Path(out)
    if own is not None:
        translator.label_of(own)
    entries = shard.of(listed(root, note))
    if not entries:
        raise DataError(f"{root} has fewer than {shard.index + 1} images: this shard has none", "use fewer shards")
    earlier = _earlier(translator, root, out, overwrite)
    watch: dict[str, Any] = {"report": report, "should_stop": should_stop}
    return index_entries(translator, root, entries, out, earlier, own=own, encode=encode, **watch)


def _earlier(translator: Coder, root: Path, out: Path, overwrite: bool) -> Gallery | None:
    """The gallery at `out` that is to be brought up to date."""
    if not out.exists():
        return None
    if out.suffix.lower() != SUFFIX:
        if overwrite:
            return None
        raise DataError(f"{out} exists already", "add --force; only a .safetensors gallery can be brought up to date")
    try:
        earlier = open_gallery(out)
        if not earlier.is_of(translator.fingerprint, translator.code_sizes):
            raise WeightsError(f"{out} was made with other weights", "add --force to replace it")
        if Path(earlier.facts.root) != root.resolve():
            raise WeightsError(f"{out} is a gallery of {earlier.facts.root}", "give another -o, or --force")
    except WeightsError:
        if overwrite:
            return None
        raise
    return earlier


def index_entries(
    translator: Coder,
    root: Path,
    entries: Sequence[Entry],
    out: Path,
    earlier: Gallery | None = None,
    *,
    own: str | None = None,
    encode: Encode = encoded,
    report: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> IndexResult:
    """Write the codes of `entries` to `out`, those that `earlier` holds unchanged taken over from it.

    Stopped on the way, a `.safetensors` gallery holds what is done; other kinds are not written at all.

    Raises:
        DataError: not one image can be read, or `out` cannot be written.
    """
    _check_writable(out)
    kept = _unchanged(entries, earlier)
    waiting = [found for found in entries if found.path not in kept]
    rows = _Rows(translator, root, earlier, kept)
    failures, saved = [], time.monotonic()
    for batch in encode(translator, [Source(path=root / found.path) for found in waiting], own):
        for item in batch:
            found = waiting[rows.num_seen]
            if isinstance(item, Failure):
                failures.append(item)
                rows.num_seen += 1
            else:
                rows.add(found, item)
        if report is not None:
            report(rows.num_seen, len(waiting))
        if should_stop():
            break
        if out.suffix.lower() == SUFFIX and time.monotonic() - saved > SAVE_SECONDS:
            save_gallery(out, rows.gallery(entries))
            saved = time.monotonic()
    gallery, finished = rows.gallery(entries), rows.num_seen == len(waiting)
    if not len(gallery) and finished:
        raise DataError(f"none of the {len(entries)} images below {root} can be read", failures[0].error.message)
    if len(gallery) and (finished or out.suffix.lower() == SUFFIX):
        save_gallery(out, gallery)
    return IndexResult(
        encoded=len(gallery) - len(kept),
        kept=len(kept),
        removed=0 if earlier is None else len(earlier.rows_by_path.keys() - {found.path for found in entries}),
        failures=tuple(failures),
        finished=finished,
    )


def _check_writable(out: Path) -> None:
    """Find out before hours of encoding, not after."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror or error}", "write elsewhere") from error
    if not os.access(out.parent, os.W_OK):
        raise DataError(f"cannot write {out}: no permission to write in {out.parent}", "write elsewhere")


def gallery_made_with(translator: Coder, path: Path) -> Gallery:
    """The gallery in the file at `path`.

    Raises:
        WeightsError: it is none, or was made with other weights.
    """
    gallery = open_gallery(path)
    if not gallery.is_of(translator.fingerprint, translator.code_sizes):
        hint = f"make one with these: i2i index {gallery.facts.root} -o FILE"
        raise WeightsError(f"the gallery {path} was made with other weights", hint)
    return gallery


def gallery_of(
    translator: Coder, path: Path, report: Progress | None = None, note: Note = silent
) -> tuple[Gallery, tuple[Failure, ...]]:
    """The gallery at `path`, or one of the folder at `path`, kept in the cache and brought up to date.

    Args:
        note: is told what is passed over, and where nothing can be kept.

    Raises:
        DataError, WeightsError: no gallery, no images, or made with other weights.
    """
    if not path.is_dir():
        return gallery_made_with(translator, path), ()
    name = hashlib.sha256(os.fsencode(path.resolve()) + translator.fingerprint.encode()).hexdigest()[:24]
    kept = usable_cache(note) / "galleries" / f"{name}{SUFFIX}"
    result = index_folder(translator, path, kept, overwrite=True, report=report, note=note)
    return open_gallery(kept), result.failures


def _unchanged(entries: Sequence[Entry], earlier: Gallery | None) -> set[str]:
    """Paths whose row in `earlier` still stands for the file."""
    if earlier is None:
        return set()
    rows = earlier.rows_by_path
    return {
        found.path
        for found in entries
        if (row := rows.get(found.path)) is not None
        and (earlier.sizes[row], earlier.times[row]) == (found.size, found.time)
    }


class _Rows:
    """A gallery in the making: rows taken over, and rows encoded so far."""

    def __init__(self, translator: Coder, root: Path, earlier: Gallery | None, kept: set[str]) -> None:
        self.translator, self.root, self.earlier, self.kept = translator, root, earlier, kept
        self.num_seen = 0
        self._encoded: dict[str, FlatCodes] = {}

    def add(self, found: Entry, codes: FlatCodes) -> None:
        """The codes of the next file that was waiting."""
        self.num_seen += 1
        self._encoded[found.path] = codes

    def gallery(self, entries: Sequence[Entry]) -> Gallery:
        """The rows so far, in the order of `entries`."""
        there = [found for found in entries if found.path in self.kept or found.path in self._encoded]
        names = tuple(sorted({found.label for found in entries if found.label is not None}))
        places = {name: place for place, name in enumerate(names)}
        facts = GalleryFacts(
            model=self.translator.fingerprint,
            root=str(self.root.resolve()),
            labels=names,
            content_shape=self.translator.content_code_shape,
        )
        codes, nothing = list(self._codes(there)), np.zeros((0, 0), np.float16)
        columns = FlatCodes(*(map(np.stack, zip(*codes, strict=True)) if codes else [nothing] * len(FlatCodes._fields)))
        return Gallery(
            facts=facts,
            paths=[found.path for found in there],
            labels=np.array([places.get(found.label or "", UNKNOWN) for found in there], np.int32),
            splits=np.array([found.split for found in there], np.int8),
            sizes=np.array([found.size for found in there], np.int64),
            times=np.array([found.time for found in there], np.int64),
            content=columns.content,
            domain=columns.domain,
            descriptor=columns.descriptor,
        )

    def _codes(self, there: Sequence[Entry]) -> Iterator[FlatCodes]:
        for found in there:
            if found.path in self._encoded:
                yield self._encoded[found.path]
            elif self.earlier is not None:
                yield self.earlier.codes(self.earlier.rows_by_path[found.path])


def listed(root: Path, note: Note = silent) -> list[Entry]:
    """The images below `root`; `note` is told what is passed over.

    A label is the first folder below it, or below its `train/` and `test/`.

    Raises:
        DataError: no such folder, or one without images.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "give a folder of images")
    walked = walk(root)
    found, told = walked.images, passed_over([walked])
    if not found:
        raise DataError(f"{root} has no images in it", told)
    if told:
        note(f"{root}: {told}")
    has_splits = (root / "train").is_dir()
    entries = []
    for path in found:
        folders = path.relative_to(root).parts[:-1]
        is_split = has_splits and bool(folders) and folders[0] in SPLITS
        labels = folders[1:] if is_split else folders
        split = (TRAINED if folders[0] == TRAIN else HELD_OUT) if is_split else UNDECIDED
        entries.append(entry(root, path, labels[0] if labels else None, split))
    return entries


def entry(root: Path, path: Path, label: str | None, split: int) -> Entry:
    """The file at `path` as it is now."""
    name = name_below(root, path)
    try:
        stat = path.stat()
    except OSError:  # a link to nowhere: reading it will say so
        return Entry(name, label, split, 0, 0)
    return Entry(name, label, split, stat.st_size, stat.st_mtime_ns)


def name_below(root: PurePath, path: PurePath) -> str:
    """What the file at `path` is called in a gallery of `root`: the same on every system, like the gallery itself."""
    return path.relative_to(root).as_posix()
