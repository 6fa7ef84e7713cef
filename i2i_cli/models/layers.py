"""Blocks that more than one network is made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Negative slope of every LeakyReLU."""


def num_groups(channels: int) -> int:
    """Groups for GroupNorm: eight, or fewer where eight do not divide the channels."""
    return next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)


class ConvBlock(nn.Sequential):
    """Convolution, GroupNorm, LeakyReLU. `stride=2` halves the side."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2),
            nn.GroupNorm(num_groups(outputs), outputs),
            nn.LeakyReLU(SLOPE),
        )


class ResidualBlock(nn.Module):
    """x + two convolution blocks; keeps the shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvBlock(channels, channels), ConvBlock(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.blocks(x)


class UpBlock(nn.Sequential):
    """Doubles the side by pixel shuffle, which leaves no checkerboard of overlapping strides.

    The four kernels of a pixel's children start equal (ICNR, arXiv 1707.02937), so that no grid is
    there to be unlearned.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        convolution = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        with torch.no_grad():
            for parameter in convolution.parameters():
                parameter.copy_(parameter[::4].repeat_interleave(4, dim=0))
        super().__init__(
            convolution, nn.PixelShuffle(2), nn.GroupNorm(num_groups(outputs), outputs), nn.LeakyReLU(SLOPE)
        )


class ImageStandardisation(nn.Module):
    """Each image (3, H, W) of a batch to mean 0, variance 1 over all its numbers."""

    def forward(self, images: Tensor) -> Tensor:
        return F.layer_norm(images, images.shape[1:], eps=1e-3)


def standardise(x: Tensor) -> Tensor:
    """Instance statistics out of (B, C, H, W): each channel of each image to mean 0, variance 1."""
    return F.instance_norm(x)


def moving_crop(step: int, side: int, share: float) -> tuple[slice, slice]:
    """Rows and columns of a crop that moves with `step`: two golden sequences, which cover all places evenly."""
    length = max(1, round(side * share))
    top, left = (int((step * ratio) % 1 * (side - length + 1)) for ratio in (0.7548777, 0.5698403))
    return slice(top, top + length), slice(left, left + length)
