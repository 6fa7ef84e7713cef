"""A batch in parts, for steps that do not fit into memory at once."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from i2i_cli.models.family import Batch, Context, Turn


class Part(NamedTuple):
    """Rows of a batch, and the step's context for them: the same noise as in one piece."""

    batch: Batch
    context: Context

    @property
    def can_be_halved(self) -> bool:
        """Whether both halves would have an image of every domain. Waits for the device."""
        counts = self.batch.y.bincount()
        return bool((counts[counts > 0] >= 2).all())

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


def accumulated(
    turn: Turn,
    weights: dict[str, float],
    parts: Sequence[Part],
    parameters: Sequence[nn.Parameter],
    precision: AbstractContextManager[None],
) -> tuple[Sequence[Tensor | None], dict[str, Tensor]]:
    """Gradients and raw terms of `turn`, means over all images of `parts`; a part's graph is gone before the next."""
    gradients: Sequence[Tensor | None] = ()
    means: dict[str, Tensor] = {}
    num_images = sum(len(part.batch.y) for part in parts)
    for part in parts:
        with precision:
            terms = turn.loss(part.batch, part.context)
        share = len(part.batch.y) / num_images
        total = torch.stack([terms[name] * (weight * share) for name, weight in weights.items()]).sum()
        # Gradients for this turn's parameters alone: nothing accumulates anywhere else.
        found = torch.autograd.grad(total, parameters, allow_unused=True)
        gradients = [_sum(a, b) for a, b in zip(gradients, found, strict=True)] if gradients else found
        means = {name: means.get(name, 0.0) + share * term.detach().float() for name, term in terms.items()}
    return gradients, means


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return first if second is None else second if first is None else first + second
