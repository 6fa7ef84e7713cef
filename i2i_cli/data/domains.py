"""A folder of images per domain: finding, pairing and splitting them. No torch."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.data.folders import SYSTEM_FOLDERS, Walk, identity_of, passed_over, walk
from i2i_cli.errors import DataError

TEST_SHARE = 0.1
TRAIN = "train"
TESTS = ("test", "val", "valid", "validation")
SPLITS = (TRAIN, *TESTS)
"""Folder names that say which images are trained on and which are held out."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image file: where it is, its domain's label and its pair key.

    `key` is the path below the domain folder without suffix: images of different domains with one
    key show the same thing, where pairs have a meaning.
    """

    path: Path
    label: int
    key: str


@dataclass(frozen=True, kw_only=True)
class DomainFolder:
    """The images of a data set: domain names in order of their labels, and the two splits.

    Args:
        is_split: whether `train/` and `test/` say which images are held out, rather than a hash of their names.
        passed_over: one sentence on what lies in the folders and is no image, or "".
    """

    root: Path
    domains: tuple[str, ...]
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    is_split: bool = False
    warnings: tuple[str, ...] = ()
    passed_over: str = ""


def is_held_out(key: str, share: float = TEST_SHARE) -> bool:
    """Whether the images of a pair key belong to the test split: a hash decides, not the order."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


Choose = Callable[[tuple[str, ...]], tuple[str, ...]]


def find_domains(root: Path) -> tuple[str, ...]:
    """The folders that `scan` would take for domains. No image is looked for, so this takes no time.

    Raises:
        DataError: no such folder, or fewer than two domains.
    """
    return _domain_names(_training_root(root))[0]


def scan(root: Path, choose: Choose = lambda found: found) -> DomainFolder:
    """Find the domains below `root`, with `train/` and `test/` above them or without.

    Args:
        choose: of the domains that are there, those to take, in order; it may raise what it likes.

    Raises:
        DataError: no such folder, fewer than two domains, or a domain without images.
    """
    train_root = _training_root(root)
    test_root = _first_folder(root, TESTS) if train_root != root else None
    found, system = _domain_names(train_root)
    domains, walks = choose(found), [Walk(system=system)]
    items = _items(train_root, domains, walks)
    if test_root is not None:
        train, test = items, _items(test_root, domains, walks)
    else:
        held_out = _held_out_part(items)
        train = [item for item in items if item.key not in held_out]
        test = [item for item in items if item.key in held_out]
    told = passed_over(walks)
    warnings = _warnings(domains, train, test, told)
    return DomainFolder(
        root=root,
        domains=domains,
        train=tuple(train),
        test=tuple(test),
        is_split=test_root is not None,
        warnings=warnings,
        passed_over=told,
    )


def _training_root(root: Path) -> Path:
    """The folder that holds the domains' folders."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", "give a folder that holds one folder of images per domain")
    return _first_folder(root, (TRAIN,)) or root


def _first_folder(root: Path, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _domain_names(root: Path) -> tuple[tuple[str, ...], list[Path]]:
    """The folders in `root`, sorted, less those that systems leave, which come second, and links to folders above."""
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot list {root}: {error.strerror}") from error
    above = {identity_of(folder) for folder in (root.resolve(), *root.resolve().parents)}
    names = tuple(
        folder.name for folder in folders if folder.name not in SYSTEM_FOLDERS and identity_of(folder) not in above
    )
    if len(names) < 2:
        found = f"only the folder {names[0]!r}" if names else "no folders"
        raise DataError(
            f"{root} has {found}; translation needs at least two domains",
            "put each domain's images in a folder of its own: DATA/anime/*.png, DATA/human/*.png",
        )
    return names, [folder for folder in folders if folder.name in SYSTEM_FOLDERS]


def _items(root: Path, domains: tuple[str, ...], walks: list[Walk]) -> list[Item]:
    """The images of all domains below `root`; what was found in each of their folders is added to `walks`."""
    items = []
    for label, domain in enumerate(domains):
        walks.append(walk(root / domain))
        for path in walks[-1].images:
            key = path.relative_to(root / domain).with_suffix("").as_posix()
            items.append(Item(path=path, label=label, key=key))
    return items


def _held_out_part(items: list[Item]) -> set[str]:
    """Keys of the deterministic test part, one decision for all domains. None is left with no training image."""
    held_out = {key for key in {item.key for item in items} if is_held_out(key)}
    by_domain: dict[int, set[str]] = {}
    for item in items:
        by_domain.setdefault(item.label, set()).add(item.key)
    for keys in by_domain.values():
        if keys <= held_out:
            held_out -= keys
    return held_out


def _warnings(domains: tuple[str, ...], train: list[Item], test: list[Item], told: str) -> tuple[str, ...]:
    counts = Counter(item.label for item in train)
    for label, domain in enumerate(domains):
        if not counts[label]:
            # Late: see `walk`.
            from i2i_cli.data.images import SUFFIXES

            known = f"known endings: {', '.join(sorted(SUFFIXES))}"
            raise DataError(f"the domain {domain!r} has no training images", f"{known}; {told}" if told else known)
    found = []
    small, large = min(counts.values()), max(counts.values())
    if large > 10 * small:
        rare = domains[min(counts, key=lambda label: counts[label])]
        found.append(f"domain {rare!r} has {small} images, the largest {large}: expect poorer results for it")
    tested = {item.label for item in test}
    found += [f"no held-out images for {domain!r}" for label, domain in enumerate(domains) if label not in tested]
    return tuple(found)
