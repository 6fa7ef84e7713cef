"""Blocks that more than one network is made of."""

import math

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


@torch.no_grad()
def start_alike(convolution: nn.Module, children: int = 4) -> None:
    """Give the kernels that a pixel shuffle makes children of one pixel the same start (ICNR, arXiv 1707.02937).

    No grid is then there to be unlearned.
    """
    for parameter in convolution.parameters():
        parameter.copy_(parameter[::children].repeat_interleave(children, dim=0))


class UpBlock(nn.Sequential):
    """Doubles the side by pixel shuffle, which leaves no checkerboard of overlapping strides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        convolution = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        start_alike(convolution)
        super().__init__(
            convolution, nn.PixelShuffle(2), nn.GroupNorm(num_groups(outputs), outputs), nn.LeakyReLU(SLOPE)
        )


class ImageStandardisation(nn.Module):
    """Each image (3, H, W) of a batch to mean 0, variance 1 over all its numbers."""

    def forward(self, images: Tensor) -> Tensor:
        return F.layer_norm(images, images.shape[1:], eps=1e-3)


class OrientedGradients(nn.Module):
    """Edges instead of colours: (B, 3, H, W) to (B, 6, H/2, W/2), one channel an orientation.

    As in histograms of oriented gradients (Dalal and Triggs 2005): the strength of the edges of an
    orientation, over the local contrast. Fixed; what two styles of one thing share is in it already.
    """

    NUM_ORIENTATIONS = 6
    directions: Tensor

    def __init__(self) -> None:
        super().__init__()
        angles = [math.pi * place / self.NUM_ORIENTATIONS for place in range(self.NUM_ORIENTATIONS)]
        directions = [[turn(angle) for angle in angles] for turn in (math.cos, math.sin)]
        self.register_buffer("directions", torch.tensor(directions), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        grey = images.float().mean(1, keepdim=True)
        across = F.pad(grey[:, :, :, 2:] - grey[:, :, :, :-2], (1, 1, 0, 0))
        down = F.pad(grey[:, :, 2:] - grey[:, :, :-2], (0, 0, 1, 1))
        energy = across.square() + down.square()
        cosines, sines = self.directions.view(2, 1, -1, 1, 1)
        along = (across * cosines + down * sines).square()
        # The square again, over the energy, narrows the orientations that an edge falls into.
        strength = F.avg_pool2d(along.square() / (energy + 1e-4), 2).add(1e-6).sqrt()
        contrast = F.avg_pool2d(F.avg_pool2d(energy, 2), 9, 1, 4, count_include_pad=False).add(1e-6).sqrt()
        return (strength / (contrast + 0.05)).contiguous(memory_format=torch.channels_last)


def standardise(x: Tensor) -> Tensor:
    """Instance statistics out of (B, C, H, W): each channel of each image to mean 0, variance 1."""
    return F.instance_norm(x)


Place = tuple[float, float] | Tensor
"""Where a crop lies: shares (2,) in [0, 1) of the rows and of the columns that it can begin at."""


def golden_place(step: int) -> tuple[float, float]:
    """A place that moves with `step`: two golden sequences, which cover all places evenly."""
    return (step * 0.7548777) % 1, (step * 0.5698403) % 1


def moving_crop(images: Tensor, place: Place, share: float) -> Tensor:
    """The crop (B, 3, h, h) of `images` (B, 3, H, H) at `place`, of `share` of their side."""
    side = images.shape[3]
    length = max(1, round(side * share))
    if length == side:
        return images
    if isinstance(place, Tensor):  # on the device, since a recorded step is the same for every place
        starts = (place * (side - length + 1)).long()
        rows, columns = starts[:, None] + torch.arange(length, device=images.device)
        found = images.index_select(2, rows).index_select(3, columns)
        return found.contiguous(memory_format=torch.channels_last)
    top, left = (int(start * (side - length + 1)) for start in place)
    return images[:, :, top : top + length, left : left + length]
