"""What is known of images beside their domain: columns of a table, or a class in the file names."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import torch
from torch import Tensor

from i2i_cli.data.domains import Item
from i2i_cli.errors import DataError

MAX_CLASSES = 20
MIN_MEMBERS = 20
"""Keys of so many kinds at most, with so many images each, are classes rather than single things."""


@dataclass(frozen=True)
class Attributes:
    """Attributes of images.

    Args:
        names: of the A attributes.
        rows: file name, or key where `by_key`, -> A values of 0 or 1.
    """

    names: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    by_key: bool

    def of(self, items: Sequence[Item], keys: Sequence[str]) -> Tensor:
        """(n, A) values of the images, NaN where nothing is known of one."""
        nothing = (float("nan"),) * len(self.names)
        asked = keys if self.by_key else [item.path.name for item in items]
        return torch.tensor([self.rows.get(name, nothing) for name in asked])


def read_table(path: Path) -> Attributes:
    """Attributes from a CSV: a head, file names in the first column (folders are ignored), and columns of 0 and 1.

    -1 stands for 0, as in CelebA's own list. Columns of anything else are passed over.

    Raises:
        DataError: the file cannot be read, or has no such column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(
            f"cannot read the attributes in {path}: {error}", "give a CSV file with a header line"
        ) from error
    lines = [line for line in lines if len(line) == len(head)]
    columns = [
        place for place in range(1, len(head)) if lines and {line[place].strip() for line in lines} <= {"0", "1", "-1"}
    ]
    if not columns:
        raise DataError(f"{path} has no column of 0 and 1", "its first column holds file names, the others attributes")
    rows = {PurePath(line[0]).name: tuple(max(0.0, float(line[place])) for place in columns) for line in lines}
    return Attributes(tuple(head[place] for place in columns), rows, by_key=False)


def classes_among(keys: Iterable[str]) -> Attributes | None:
    """The classes that shared names stand for, as one attribute each; None where they are single things."""
    counts = Counter(keys)
    if not 2 <= len(counts) <= MAX_CLASSES or min(counts.values()) < MIN_MEMBERS:
        return None
    names = tuple(sorted(counts))
    rows = {name: tuple(float(name == other) for other in names) for name in names}
    return Attributes(names, rows, by_key=True)
