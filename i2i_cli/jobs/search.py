"""The rows of a gallery that are closest to given vectors: exactly, chunk by chunk."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from i2i_cli.errors import WeightsError
from i2i_cli.jobs.codes import features
from i2i_cli.jobs.gallery import UNKNOWN, Gallery

CHUNK = 16_384
"""Gallery rows compared at once: bounds the memory, whatever the gallery's size."""

KEPT_BYTES = 2**31
"""Vectors that take no more than this are made once and kept on the device."""

NO_LABEL = UNKNOWN - 1
"""A label that no row has."""


class Scope(NamedTuple):
    """Which rows a query is compared with: those labelled `wanted`, or all but those labelled
    `shunned`; never its `own` row.
    """

    wanted: int = NO_LABEL
    shunned: int = NO_LABEL
    own: int = -1


class Search(Protocol):
    """What finds the closest rows."""

    def nearest(self, queries: Tensor, k: int, scopes: Sequence[Scope]) -> list[list[tuple[float, int]]]:
        """For each of the unit vectors (Q, f), up to `k` pairs of score and row, the closest first."""


class ExactSearch:
    """Compares every query with every row. `by` names the code: see `features`."""

    def __init__(self, gallery: Gallery, by: str, device: torch.device) -> None:
        self.gallery, self.by, self.device = gallery, by, device
        self._labels = torch.from_numpy(gallery.labels.astype(np.int64)).to(device)
        self._kept: dict[int, Tensor] = {}

    def nearest(self, queries: Tensor, k: int, scopes: Sequence[Scope]) -> list[list[tuple[float, int]]]:
        """For each of the unit vectors (Q, f), up to `k` pairs of score and row, the closest first.

        Raises:
            WeightsError: the gallery holds codes that are no numbers.
        """
        wanted, shunned, own = torch.tensor(scopes, device=self.device).T[:, :, None]
        scores = torch.full((len(queries), 0), -torch.inf, device=self.device)
        rows = torch.zeros((len(queries), 0), dtype=torch.int64, device=self.device)
        for part in self.gallery.chunks(CHUNK):
            labels, numbers = self._labels[part], torch.arange(part.start, part.stop, device=self.device)
            refused = (labels == shunned) | (numbers == own) | ((wanted != NO_LABEL) & (labels != wanted))
            found = (queries @ self._vectors(part).T).masked_fill(refused, -torch.inf)
            best, places = found.topk(min(k, found.shape[1]))
            scores, rows = torch.cat([scores, best], dim=1), torch.cat([rows, places + part.start], dim=1)
            scores, order = scores.topk(min(k, scores.shape[1]))
            rows = rows.gather(1, order)
        if bool(scores.isnan().any()):  # they come out first, as if they were the largest
            raise WeightsError("the gallery holds codes with NaN", "make it again: i2i index")
        pairs = (zip(*both, strict=True) for both in zip(scores.tolist(), rows.tolist(), strict=True))
        return [[(score, row) for score, row in found if score > -torch.inf] for found in pairs]

    def _vectors(self, part: slice) -> Tensor:
        if part.start in self._kept:
            return self._kept[part.start]
        found = features(self.by, self.gallery.codes(part), self.device)
        if found.shape[1] * 4 * len(self.gallery) <= KEPT_BYTES:
            self._kept[part.start] = found
        return found
