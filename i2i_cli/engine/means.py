"""Running means of the terms, added up on the device and read now and then."""

from collections.abc import Sequence

import torch
from torch import Tensor

from i2i_cli.engine.schedule import DueTurn
from i2i_cli.models.peers import Peers

_Key = tuple[int, tuple[str, ...]]


class RunningMeans:
    """Sums of raw terms since the last reading, and how many steps have added to them."""

    def __init__(self) -> None:
        self._sums: dict[_Key, Tensor] = {}
        self._counts: dict[_Key, int] = {}

    def add(self, due: DueTurn, terms: Tensor) -> None:
        """Add a step's terms (n,). Recorded with the step."""
        key = due.place, due.names
        if key not in self._sums:
            self._sums[key] = torch.zeros_like(terms)
        self._sums[key] += terms

    def count(self, turns: Sequence[DueTurn]) -> None:
        """A step with these turns was played, as it is or from a recording."""
        for due in turns:
            key = due.place, due.names
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self, peers: Peers) -> dict[str, float]:
        """The means over steps and processes since the last call. Waits for the device."""
        keys = [key for key, count in self._counts.items() if count]
        if not keys:
            return {}
        values = iter(peers.mean(torch.cat([self._sums[key] for key in keys])).tolist())  # the one wait
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        for key in keys:
            for name in key[1]:
                totals[name] = totals.get(name, 0.0) + next(values)
                counts[name] = counts.get(name, 0) + self._counts[key]
            self._sums[key].zero_()
        self._counts = {}
        return {name: total / counts[name] for name, total in totals.items()}
