"""GAN objectives and regularisers, as free functions of logits."""

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a critic: push logits of `real` above 1 and those of `fake` below -1."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Hinge loss of a generator: raise the critic's logits of `fake`."""
    return -fake.mean()


def r1_penalty(real: Tensor, images: Tensor) -> Tensor:
    """R1: half the squared gradient norm of the critic's logits at real images, mean over the batch.

    Args:
        real: logits (B, ...) of `images`.
        images: (B, 3, H, W), requiring gradients.
    """
    (gradient,) = torch.autograd.grad(real.sum(), images, create_graph=True)
    return 0.5 * gradient.square().flatten(1).sum(1).mean()
