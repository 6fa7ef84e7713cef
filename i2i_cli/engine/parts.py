"""The gradients of a turn, computed on the whole batch at once or, where memory is short, on parts of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from i2i_cli.engine.device import autocast, free_memory
from i2i_cli.engine.schedule import DueTurn
from i2i_cli.errors import is_out_of_memory
from i2i_cli.models.family import Batch, Context

Gradients = Sequence[Tensor | None]


class Part(NamedTuple):
    """Rows of a batch, and the step's context for them: the same noise as in one piece."""

    batch: Batch
    context: Context

    @property
    def can_be_halved(self) -> bool:
        """Whether both halves would have an image of every domain, and some of what was left. Waits for the device."""
        counts = self.batch.y.bincount()
        left = all(len(tensor) >= 2 for tensor in self.context.left.values())
        return left and bool((counts[counts > 0] >= 2).all())

    def half(self, index: int) -> "Part":
        """Every other row, from the row `index` on."""
        rows = slice(index, None, 2)
        images = self.batch.images[rows].contiguous(memory_format=torch.channels_last)
        left = {name: tensor[rows] for name, tensor in self.context.left.items()}
        context = replace(self.context, draws=self.context.draws.half(index), left=left)
        return Part(Batch(images, self.batch.y[rows]), context)


def halves(parts: Sequence[Part]) -> list[Part]:
    """Each of `parts` in two."""
    return [part.half(index) for part in parts for index in (0, 1)]


class Parts:
    """A step's batch: in one piece, or in as many as the steps before had to be done in.

    Args:
        fit_memory: halve the parts where memory is too little for a turn.
    """

    def __init__(
        self, batch: Batch, context: Context, count: int, fit_memory: bool, device: torch.device, precision: str
    ) -> None:
        self._parts = [Part(batch, context)]
        while len(self._parts) < count:
            self._parts = halves(self._parts)
        self._fit_memory, self._device, self._precision = fit_memory, device, precision

    def __len__(self) -> int:
        return len(self._parts)

    def gradients(self, due: DueTurn, parameters: Sequence[nn.Parameter]) -> tuple[Gradients, Tensor]:
        """Of the turn's weighted terms for `parameters`, and the raw terms (n,); means over all images.

        Where memory is too little, each part is halved, and the turn computed anew. What an attempt
        that failed has remembered (the codes that a ridge reads) is remembered twice.
        """
        while True:
            try:
                return self._accumulated(due, parameters)
            except (RuntimeError, MemoryError) as error:
                if self._device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                    raise  # nothing can be freed, or waited for, while a step is recorded
                can_be_halved = self._fit_memory and is_out_of_memory(error)
                if not can_be_halved or not all(part.can_be_halved for part in self._parts):
                    raise
            # Out here the error is gone, and with it what it held of the attempt.
            free_memory(self._device)
            self._parts = halves(self._parts)

    def _accumulated(self, due: DueTurn, parameters: Sequence[nn.Parameter]) -> tuple[Gradients, Tensor]:
        """A part's graph is gone before the next is built."""
        num_images = sum(len(part.batch.y) for part in self._parts)
        gradients: Gradients = ()
        means: Tensor | None = None
        for part in self._parts:
            with autocast(self._device, self._precision):
                found = due.turn.loss(part.batch, part.context)
            terms = torch.stack([found[name].float() for name in due.names])
            share = len(part.batch.y) / num_images
            total = torch.dot(terms, due.weights if share == 1 else due.weights * share)
            # Gradients for this turn's parameters alone: nothing accumulates anywhere else.
            own = torch.autograd.grad(total, parameters, allow_unused=True)
            gradients = [_sum(a, b) for a, b in zip(gradients, own, strict=True)] if gradients else own
            terms = terms.detach() * share if share < 1 else terms.detach()
            means = terms if means is None else means + terms
        assert means is not None
        return gradients, means


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return first if second is None else second if first is None else first + second
