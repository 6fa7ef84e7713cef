"""Telling images apart by their codes, whatever their style."""

import torch
import torch.nn.functional as F
from torch import Tensor


def within_domain_contrast(first: Tensor, second: Tensor, y: Tensor, temperature: float) -> Tensor:
    """InfoNCE (arXiv 1807.03748) between two views of each image, both ways.

    Args:
        first, second: unit vectors (B, f); row i of both shows image i.
        y: domain labels (B,); images of other domains are no negatives.
    """
    cosines = (first @ second.T).float() / temperature
    cosines = cosines.masked_fill(y[:, None] != y[None], -torch.inf)
    own = torch.arange(len(y), device=y.device)
    return (F.cross_entropy(cosines, own) + F.cross_entropy(cosines.T, own)) / 2
