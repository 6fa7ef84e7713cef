"""GAN objectives and regularisers, as free functions of logits."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CriticLoss = Callable[[Tensor, Tensor], Tensor]
GeneratorLoss = Callable[[Tensor], Tensor]


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


def non_saturating_critic(real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of a critic between `real` and `fake` logits (dual GAN, equation 4: what D maximises, negated)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)) in place of equation 4's log(1 - D(G(z))), whose gradient dies where the critic is sure."""
    return F.softplus(-fake).mean()


OBJECTIVES: dict[str, tuple[CriticLoss, GeneratorLoss]] = {
    "non_saturating": (non_saturating_critic, non_saturating_generator),
    "hinge": (hinge_critic, hinge_generator),
}
"""Name -> (loss of the critic, loss of the generator)."""
