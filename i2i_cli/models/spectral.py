"""Spectral normalisation (arXiv 1802.05957) of several small convolutions together.

One after another they are hundreds of operations on a few numbers each. Here the matrices of all of them lie in
one padded batch, and their power iterations are two products of it.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STARTING_ITERATIONS = 15


class SpectralConv(nn.Module):
    """A convolution that is given its normalised weight; keeps the side."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        started = nn.Conv2d(inputs, outputs, kernel)
        assert started.bias is not None
        self.bias, self.weight = nn.Parameter(started.bias.detach()), nn.Parameter(started.weight.detach())

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, self.bias, padding="same")


class SpectralNorms(nn.Module):
    """The weights of `convolutions` over their largest singular values, as power iterations find them.

    Args:
        convolutions: none of them is registered here.
    """

    left: Tensor
    right: Tensor

    def __init__(self, convolutions: Sequence[SpectralConv]) -> None:
        super().__init__()
        self._convolutions = tuple(convolutions)
        sizes = [(len(weight), weight[0].numel()) for weight in self._weights()]
        for name, places in (("left", 0), ("right", 1)):
            vectors = torch.zeros(len(sizes), max(size[places] for size in sizes))
            for row, size in enumerate(sizes):
                vectors[row, : size[places]] = F.normalize(torch.randn(size[places]), dim=0)
            self.register_buffer(name, vectors)
        for _ in range(_STARTING_ITERATIONS):
            self()

    def _weights(self) -> list[Tensor]:
        return [convolution.weight for convolution in self._convolutions]

    def forward(self) -> tuple[Tensor, ...]:
        """The normalised weights, in order; in training after one more power iteration."""
        weights = self._weights()
        with torch.no_grad(), torch.autocast(self.left.device.type, enabled=False):
            matrices = _packed(weights, self.left.shape[1], self.right.shape[1])
            if self.training:
                self.right.copy_(F.normalize(torch.bmm(matrices.mT, self.left[:, :, None])[:, :, 0], dim=1))
            along = torch.bmm(matrices, self.right[:, :, None])[:, :, 0]
            if self.training:
                self.left.copy_(F.normalize(along, dim=1))
            singular = (self.left * along).sum(1)
        return _Normalised.apply(matrices, singular, self.left.clone(), self.right.clone(), *weights)


class _Normalised(torch.autograd.Function):
    """Weights over their singular values sigma = u W v, where u and v are constants."""

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, singular: Tensor, left: Tensor, right: Tensor, *weights: Tensor) -> Any:
        ctx.save_for_backward(matrices, singular, left, right)
        ctx.shapes = [weight.shape for weight in weights]
        return tuple(weight / value for weight, value in zip(weights, singular.unbind(), strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """G / sigma - <G, W> / sigma^2 u v^T."""
        matrices, singular, left, right = ctx.saved_tensors
        asked = _packed(gradients, left.shape[1], right.shape[1])
        share = (asked * matrices).sum((1, 2)) / singular.square()
        found = asked / singular[:, None, None] - (share[:, None] * left)[:, :, None] * right[:, None]
        return None, None, None, None, *_places(found, ctx.shapes)


def _packed(tensors: Sequence[Tensor], height: int, width: int) -> Tensor:
    """(n, height, width): of each tensor (o, i, k, k) the matrix (o, i k k), zeros beside and below it."""
    packed = tensors[0].new_zeros(len(tensors), height, width, dtype=torch.float32)
    torch._foreach_copy_(_places(packed, [tensor.shape for tensor in tensors]), list(tensors))
    return packed


def _places(packed: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Where in `packed` tensors of these shapes lie."""
    places = zip(packed.unbind(), shapes, strict=True)
    return [matrix[: shape[0], : shape[1:].numel()].unflatten(1, shape[1:]) for matrix, shape in places]
