"""A batch that several processes share, row by row, and random numbers that come out the same for any number of them.

Of `count` processes (the field's world size) the one of `rank` r holds the rows r, r + count, … of
the whole batch. A term is the mean over a process's own rows, and the loop averages the gradients; where rows
meet (a swap, a contrast, what a critic remembers) they are gathered first. So the gradients are
those of one process with the whole batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class Peers:
    """The processes that share a batch: here one alone, which exchanges nothing. Others: `engine/processes.py`."""

    rank = 0
    count = 1

    def gather(self, rows: Tensor) -> Tensor:
        """The whole batch's rows, in its order, of which `rows` (B, ...) are this process's. Gradients flow back."""
        return rows

    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over the processes, without gradients."""
        return value.detach()

    def averaged(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The means of `gradients` over the processes."""
        return list(gradients)

    def greatest(self, numbers: Sequence[float]) -> list[float]:
        """Each of `numbers`, flags among them, as it is where it is greatest: what all processes then go by."""
        return list(numbers)

    def own(self, whole: Tensor) -> Tensor:
        """This process's rows of what covers the whole batch."""
        return whole[self.rank :: self.count]


ALONE = Peers()


class Draws:
    """Random numbers for the images of a batch: drawn for the whole of it, then cut to the rows that are here.

    Args:
        generator: on the device of what is drawn; in the same state in every process.
        index, count: the rows that are here are index, index + count, … of the whole batch.
    """

    def __init__(self, generator: torch.Generator, index: int = 0, count: int = 1) -> None:
        self.generator, self.device, self.index, self.count = generator, generator.device, index, count

    def normal(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers; the first length of `shape` is that of the batch."""
        whole = torch.randn(self._whole(shape, 0), generator=self.generator, device=self.device, dtype=dtype)
        return self._own(whole, 0)

    def uniform(self, *shape: int, batch_dim: int = 0) -> Tensor:
        """Numbers in [0, 1)."""
        whole = torch.rand(self._whole(shape, batch_dim), generator=self.generator, device=self.device)
        return self._own(whole, batch_dim)

    def integers(self, low: int, high: int, shape: Sequence[int], batch_dim: int = 0) -> Tensor:
        """Whole numbers in [low, high)."""
        shape = self._whole(shape, batch_dim)
        whole = torch.randint(low, high, shape, generator=self.generator, device=self.device)
        return self._own(whole, batch_dim)

    def permutation(self, size: int) -> Tensor:
        """An order of `size` things that is the same in every process."""
        # `randperm` waits for a GPU.
        return torch.rand(size, generator=self.generator, device=self.device).argsort()

    def choices(self, allowed: Tensor) -> Tensor:
        """(r,): for each row of `allowed` (r, n) one of its columns that are True; the same in every process."""
        chances = torch.rand(allowed.shape, generator=self.generator, device=self.device)
        return chances.masked_fill(~allowed, -1.0).argmax(1)

    def half(self, index: int) -> "Draws":
        """What is drawn for the rows index, index + 2, … of these: the same numbers."""
        generator = torch.Generator(self.device)
        generator.set_state(self.generator.get_state())
        return Draws(generator, self.index + index * self.count, 2 * self.count)

    def _whole(self, shape: Sequence[int], dim: int) -> list[int]:
        lengths = list(shape)
        lengths[dim] *= self.count
        return lengths

    def _own(self, whole: Tensor, dim: int) -> Tensor:
        return whole[(slice(None),) * dim + (slice(self.index, None, self.count),)]
