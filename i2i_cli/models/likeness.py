"""Whether translations still are of their own inputs, and whether they are all alike: by fixed features alone.

Nothing here is learned, so a model cannot please it: a classifier, a Frechet distance and a model's own codes were
all pleased by one image in the place of all, with faint traces of each input on it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.models.layers import OrientedGradients

SIDE = 64
"""Larger images are brought to this side: what is asked is where things are, not how fine they are drawn."""

GRID = 8
"""Oriented gradients are averaged over this many places each way."""

MOST = 200
"""Translations among which each is to be told from all others: among more it is harder."""

FEWEST = 20
"""Among fewer, an input is found again by chance too often."""


@torch.no_grad()
def layout(images: Tensor) -> Tensor:
    """Where images (B, 3, S, S) have edges, and which way they run: (B, 384), blind to colour and tone."""
    if images.shape[-1] > SIDE:
        images = F.interpolate(images.float(), (SIDE, SIDE), mode="area")
    edges = OrientedGradients().to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        return torch.cat([F.adaptive_avg_pool2d(edges(chunk), GRID).flatten(1) for chunk in images.float().split(128)])


def found_again(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Which of `outputs` (n, f) lie nearest to the input in the same row among all `inputs` (n, f).

    By cosine, each set less its mean: what all outputs share tells nothing of an input.
    """
    first, second = (F.normalize(side - side.mean(0), dim=1) for side in (outputs.float(), inputs.float()))
    return (first @ second.T).argmax(1) == torch.arange(len(inputs), device=inputs.device)


def nearest_other(features: Tensor) -> Tensor:
    """Distance (n,) of each row of `features` (n, f) to the nearest other one."""
    distances = torch.cdist(features, features)
    return distances.fill_diagonal_(torch.inf).min(1).values


def apartness(outputs: Tensor, real: Tensor) -> Tensor:
    """How far each output (n,) lies from its nearest other, as a share of that among real images; 0 where all are one.

    Args:
        outputs, real: features (n, f) and (n', f), two at least, as `layout` gives them. As many of either are looked
            at, since the nearest of many is nearer.
    """
    count = min(len(outputs), len(real))
    return nearest_other(outputs[:count]) / nearest_other(real[:count]).mean().clamp_min(1e-9)


def gradient_energy(images: Tensor) -> Tensor:
    """Mean squared difference between neighbouring pixels (B,): what blur takes away first."""
    across, down = images.diff(dim=3).square().mean((1, 2, 3)), images.diff(dim=2).square().mean((1, 2, 3))
    return across + down
