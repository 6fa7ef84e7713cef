"""How far apart two sets of images lie, on features that are given."""

import warnings

import torch
from torch import Tensor, nn

from i2i_cli.models.seeding import own_draws

NEIGHBOURS = 3


class _AsTheyAre(nn.Module):
    """Lets torchmetrics take features that are computed once."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Frechet distance between two sets of features (n, f), by torchmetrics."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_AsTheyAre(first.shape[1]))
    metric.update(first.cpu(), real=False)
    metric.update(second.cpu(), real=True)
    return float(metric.compute().clamp_min(0))


def kernel(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Kernel distance times 1,000 between two sets of features, by torchmetrics over subsets of half their size.

    Returns:
        Its mean and its standard deviation over the subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = max(2, min(len(first), len(second)) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel", UserWarning)  # that it keeps features: a few hundred
        metric = KernelInceptionDistance(feature=_AsTheyAre(first.shape[1]), subsets=20, subset_size=size)
    metric.update(first.cpu(), real=False)
    metric.update(second.cpu(), real=True)
    with own_draws(0):
        mean, deviation = metric.compute()
    return 1000 * float(mean), 1000 * float(deviation)


def inside(points: Tensor, support: Tensor) -> Tensor:
    """Which of `points` (n, f) lie within the third-neighbour balls of `support` (arXiv 1904.06991)."""
    own = torch.cdist(support, support)
    radii = own.kthvalue(min(NEIGHBOURS + 1, len(support)), dim=1).values
    return (torch.cdist(points, support) <= radii).any(1).cpu()
