"""The files of a folder that is to be a gallery, with what their places say of them."""

from pathlib import Path, PurePath
from typing import NamedTuple

from i2i_cli.data.domains import SPLITS, TRAIN
from i2i_cli.data.folders import Note, passed_over, silent, walk
from i2i_cli.errors import DataError
from i2i_cli.jobs.gallery import HELD_OUT, TRAINED, UNDECIDED


class Entry(NamedTuple):
    """A file to be in a gallery: its path below the root, its label if it has one, its size and time.

    `split` is 1 for a file below `train/`, 2 for one below `test/` or `val/`, 0 where there is no such folder.
    """

    path: str
    label: str | None
    split: int
    size: int
    time: int


def listed(root: Path, note: Note = silent) -> list[Entry]:
    """The images below `root`. A label is the first folder below it, or below its `train/` and `test/`.

    Args:
        note: is told what is passed over.

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
