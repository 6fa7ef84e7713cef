"""Measures whose networks are downloads: taken where the weights are cached, never fetched."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

ALEXNET = "alexnet-owt-7be5be79.pth"
Measure = Callable[[Tensor, Tensor], Tensor]


def is_cached(file: str) -> bool:
    """Whether torch's own cache holds a file of weights."""
    return Path(torch.hub.get_dir(), "checkpoints", file).is_file()


def lpips() -> Measure | None:
    """LPIPS of AlexNet (arXiv 1801.03924) of images (n, 3, S, S) in [-1, 1], (n,) each; None where it is not cached."""
    if not is_cached(ALEXNET):
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
    return lambda first, second: network(first.cpu(), second.cpu()).flatten()
