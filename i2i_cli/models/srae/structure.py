"""What a translation is to keep of its input: how the places of an image resemble one another, whatever the style."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STAGES = (1, 2)
"""Of the backbone's features: at 1/4 and at 1/8 of the side."""

LARGEST = 16
"""Side of the grid of places; larger maps are pooled to it."""


def self_similarity(features: Tensor) -> Tensor:
    """(B, n, n): cosines between the n places of features (B, C, h, w), the image's own mean taken out."""
    if features.shape[-1] > LARGEST:
        features = F.adaptive_avg_pool2d(features, LARGEST)
    x = features.float().flatten(2)
    x = F.normalize(x - x.mean(2, keepdim=True), dim=1, eps=1e-4)
    return x.mT @ x


def structure_distance(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """1 - cosine between every place's similarities to all others, in `made` and in `wanted` (arXiv 2104.00854).

    Blind to tone and colour, it sees where things are. Gradients reach `made` only.

    Args:
        made, wanted: the backbone's features at `STAGES`, of as many images.
    """
    with torch.autocast(made[0].device.type, enabled=False):
        losses = []
        for own, other in zip(made, wanted, strict=True):
            with torch.no_grad():
                target = self_similarity(other)
            losses.append((1 - F.cosine_similarity(self_similarity(own), target, dim=2)).mean())
        return torch.stack(losses).mean()
