"""Galleries of the same weights joined into one."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.flat_codes import FlatCodes
from i2i_cli.jobs.gallery import UNKNOWN, Gallery


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
