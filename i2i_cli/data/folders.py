"""What lies in a folder: its images, and what is passed over. No torch."""

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

SYSTEM_FOLDERS = frozenset(
    {"__MACOSX", "@eaDir", "#recycle", "lost+found", "$RECYCLE.BIN", "RECYCLER", "System Volume Information"}
)
"""Folders that systems leave behind: nobody's images."""

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})


@dataclass(frozen=True)
class Walk:
    """What was found below a folder.

    Args:
        images: files that look like images, sorted.
        others: how many files have each other ending.
        system: the folders of `SYSTEM_FOLDERS` that were passed over.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    system: list[Path] = field(default_factory=list)


MOST_ENDINGS = 5
"""Endings that are named; the rest are counted."""


def passed_over(walks: list[Walk]) -> str:
    """One sentence on what is left out of `walks`; "" where nothing is."""
    others = sum((walk.others for walk in walks), Counter())
    told = []
    if count := others.total():
        endings = sorted(ending for ending, _ in others.most_common(MOST_ENDINGS))
        more = [f"{len(others) - MOST_ENDINGS} more"] * (len(others) > MOST_ENDINGS)
        told.append(f"{count} file{'s' * (count > 1)} with other endings ({', '.join(endings + more)})")
    told += sorted({path.name for walk in walks for path in walk.system})
    return f"skipped: {', '.join(told)}" if told else ""


def walk(folder: Path) -> Walk:
    """The files below `folder`. Hidden ones are passed over, links are followed, and no folder is entered twice.

    So a link to a folder above ends where it begins; a folder that a link leads to as well is found by its own name.
    """
    # Late: what stands beside these endings needs Pillow and numpy, and a wrong folder is told without them.
    from i2i_cli.data.images import SUFFIXES

    found, seen = Walk(), {identity for above in folder.resolve().parents if (identity := identity_of(above))}
    folders, links = [folder], list[Path]()
    while folders or links:
        here = folders.pop() if folders else links.pop(0)
        identity = identity_of(here)
        if identity is None or identity in seen:
            continue
        seen.add(identity)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:  # not to be entered
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not _is_folder(entry):
                _file(found, entry, SUFFIXES)
            elif entry.name in SYSTEM_FOLDERS:
                found.system.append(Path(entry.path))
            else:
                (links if entry.is_symlink() else folders).append(Path(entry.path))
    found.images.sort()
    return found


def find_images(folder: Path) -> list[Path]:
    """Image files below `folder`, sorted: see `walk`."""
    return walk(folder).images


def identity_of(folder: Path) -> tuple[int, int] | None:
    """What a folder is, by whatever name it is reached; None where it cannot be asked."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _file(found: Walk, entry: os.DirEntry[str], endings: Collection[str]) -> None:
    suffix = Path(entry.name).suffix.lower()
    if suffix in endings:
        found.images.append(Path(entry.path))
    elif entry.name.lower() not in _SYSTEM_FILES:
        found.others[suffix or "none"] += 1
