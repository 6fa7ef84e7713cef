"""The batches of a training, on its device."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from i2i_cli.data.dataset import Dataset
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.models.family import Batch

LARGEST_SHARE = 1 / 8
"""Of a GPU's memory: a data set that takes no more is kept there whole."""


class Loader:
    """Draws batches of levels (B, S, S, 3) uint8 with their labels (B,), without waiting for a GPU.

    Args:
        own: of the rows of a whole batch, those that this process trains on.
        largest_share: see `LARGEST_SHARE`.
    """

    def __init__(
        self,
        dataset: Dataset,
        sampler: BalancedSampler,
        device: torch.device,
        own: Callable[[Tensor], Tensor],
        largest_share: float = LARGEST_SHARE,
    ) -> None:
        self._dataset, self._sampler, self._device, self._own = dataset, sampler, device, own
        self._pool: Tensor | None = None
        if device.type != "cuda":
            return
        self._labels = dataset.labels[dataset.train].to(device)
        size = len(dataset.train) * dataset.images.pixels[0].nbytes
        if size <= largest_share * torch.cuda.get_device_properties(device).total_memory:
            self._pool = torch.cat([dataset.images.squares(rows).to(device) for rows in dataset.train.split(1024)])
        else:
            self._reader = ThreadPoolExecutor(1)
            self._ahead: tuple[int, Future[Tensor]] | None = None

    def batch(self, step: int) -> Batch:
        """The batch of `step`: a pure function of it."""
        places = self._own(self._sampler.indices(step))
        if self._device.type != "cuda":
            rows = self._dataset.train[places]
            squares = self._dataset.images.squares(rows)
            return Batch(squares.to(self._device), self._dataset.labels[rows].to(self._device))
        on_device = places.pin_memory().to(self._device, non_blocking=True)
        levels = self._pool[on_device] if self._pool is not None else self._read_ahead(step)
        return Batch(levels, self._labels[on_device])

    def _read_ahead(self, step: int) -> Tensor:
        """The levels of `step`, while a thread reads those of the next one."""
        there = self._ahead is not None and self._ahead[0] == step
        levels = self._ahead[1].result() if there and self._ahead is not None else self._pinned(step)
        self._ahead = step + 1, self._reader.submit(self._pinned, step + 1)
        return levels.to(self._device, non_blocking=True)

    def _pinned(self, step: int) -> Tensor:
        rows = self._dataset.train[self._own(self._sampler.indices(step))]
        return self._dataset.images.squares(rows).pin_memory()
