"""Fresh networks that measure a model and never train it: an image classifier and a code probe."""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.models.layers import SLOPE, ConvBlock
from i2i_cli.models.seeding import own_draws

SMALLEST_SIDE = 32


class Judge(nn.Module):
    """A small classifier of domains, trained on real images alone, that scores translations at their own resolution.

    Its penultimate features (B, 64), scaled to a variance of 1 over all training images, serve
    distances between sets of images.
    """

    scale: Tensor

    def __init__(self, num_domains: int, side: int) -> None:
        super().__init__()
        self.side = max(side, SMALLEST_SIDE)
        num_stages = max(3, round(math.log2(self.side / 4)))
        widths = [3, *(max(16, 32 // 2**place) for place in reversed(range(num_stages - 2))), 64, 64]
        stages = [ConvBlock(i, o, stride=2) for i, o in itertools.pairwise(widths)]
        self.layers = nn.Sequential(
            *stages, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64 * 16, 64), nn.LeakyReLU(SLOPE)
        )
        self.head = nn.Linear(64, num_domains)
        self.register_buffer("scale", torch.ones(64))

    def features(self, images: Tensor) -> Tensor:
        """(B, 64) from images (B, 3, S, S) in [-1, 1]; of another side than the judge's they are scaled to it."""
        with torch.autocast(images.device.type, enabled=False):
            return self._hidden(images) / self.scale

    def classify(self, features: Tensor) -> Tensor:
        """Domain logits (B, m) from `features`."""
        return self.head(features * self.scale)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self._hidden(images))

    def _hidden(self, images: Tensor) -> Tensor:
        images = images.float()
        if images.shape[-1] != self.side:
            images = F.interpolate(images, (self.side, self.side), mode="area")
        return self.layers(images)

    @torch.no_grad()
    def set_scale(self, images: Tensor) -> None:
        """Take the features' spread over `images` for the unit of `features`."""
        self.scale.copy_(torch.cat([self._hidden(chunk) for chunk in images.split(64)]).std(0).clamp_min(1e-3))


def fit_judge(images: Tensor, labels: Tensor, num_domains: int, *, steps: int, seed: int) -> Judge:
    """A judge that saw `images` (n, 3, S, S), in half precision to save memory, with labels (n,) and nothing else."""
    with own_draws(seed):
        judge = Judge(num_domains, images.shape[-1]).to(images.device)
    fit(judge, images, labels, steps=steps, seed=seed)
    judge.set_scale(images)
    return judge


def code_probe(num_inputs: int, num_domains: int) -> nn.Module:
    """An MLP that reads the domain from standardised flat codes (B, n)."""
    return nn.Sequential(
        nn.Linear(num_inputs, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 256), nn.ReLU(),
        nn.Linear(256, num_domains),
    )  # fmt: skip


@torch.enable_grad()
def fit(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    steps: int,
    seed: int,
    rate: float = 2e-3,
    targets: Tensor | None = None,
) -> nn.Module:
    """Train `network` on batches of 64, balanced over the labels; returns it in eval mode.

    Args:
        inputs: (n, ...), on the device to train on.
        labels: (n,) on the CPU.
        steps: the most that are taken; a few dozen images need, and get, fewer.
        targets: (n, A) of 0 and 1, NaN where not known: what is learned, by binary cross-entropy.
            Without them it is the labels, by cross-entropy.
    """
    steps = min(steps, 60 + len(labels) // 3)
    generator = torch.Generator().manual_seed(seed)
    weights = (1.0 / labels.bincount().clamp_min(1).float())[labels]
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        rows = torch.multinomial(weights, 64, replacement=True, generator=generator)
        logits = network(inputs[rows.to(inputs.device)].float())
        if targets is None:
            loss = F.cross_entropy(logits, labels[rows].to(inputs.device))
        else:
            wanted = targets[rows].to(inputs.device)
            known = ~wanted.isnan()
            loss = F.binary_cross_entropy_with_logits(logits[known], wanted[known])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Mean over domains of the share of their members that the logits (n, m) get right."""
    right = (logits.argmax(1).cpu() == labels).float()
    return float(torch.stack([right[labels == label].mean() for label in labels.unique()]).mean())


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Frechet distance between normal fits of two feature sets (n, f) and (n', f); one image alone has no spread."""
    first, second = first.cpu().double(), second.cpu().double()  # no float64 on MPS
    gap = (first.mean(0) - second.mean(0)).square().sum()
    s1, s2 = (side.T.cov(correction=int(len(side) > 1)) for side in (first, second))
    values, vectors = torch.linalg.eigh(s1)
    root = vectors @ torch.diag(values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ s2 @ root).clamp_min(0).sqrt().sum()
    return float((gap + s1.trace() + s2.trace() - 2 * cross).clamp_min(0))
