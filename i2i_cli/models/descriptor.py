"""What neighbours are found by: an image's content code and fixed ImageNet features, in one vector.

Differs from the paper, whose neighbours are those of the content code alone (SRAE 4.2): that is made
to rebuild images, and together they find more than either.
"""

import math
from collections.abc import Mapping
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.models.backbone import Backbone, load_backbone
from i2i_cli.models.seeding import own_draws

PREFIX = "descriptor."
"""What the names of its tensors begin with, in a weights file beside a model's."""

NUMBERS = 256
"""Of a descriptor, at most."""

CONTENT_SHARE = 0.25
"""What the content code has to say, against the features' 1."""

SHRINKAGE = 0.3
"""Whitening divides by a direction's deviation and this share of the largest one: the last ones are noise."""

ROUNDS = 2
"""Times that pairs of nearest images are looked for, to fit the last matrix by."""

PRIOR_PAIRS = 3
"""So many pairs of unrelated images a number of a descriptor are added to the pairs that are found."""

SIDE = 64
"""Images are brought to this side, pixels, before the features."""

CELLS = 4
CHANNELS = Backbone.CHANNELS[1:]
NUM_FEATURES = sum(CHANNELS) * CELLS**2


class Descriptor(nn.Module):
    """Unit vectors of images whose dot product says how alike they are, whatever their domains.

    Content and features go through one matrix, fitted by `fit_descriptor`.

    Args:
        weight: (numbers of a descriptor, NUM_FEATURES + numbers in a content code).
        bias: (numbers of a descriptor,).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.features = BackboneFeatures()
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float())

    def forward(self, images: Tensor, content: Tensor) -> Tensor:
        """Descriptors (B, numbers) of images (B, 3, S, S) in [-1, 1] and their content codes (B, ...)."""
        return self.described(torch.cat([self.features(images), content.flatten(1).float()], dim=1))

    def described(self, seen: Tensor) -> Tensor:
        """Descriptors of features with content codes beside them (B, NUM_FEATURES + numbers in a content code)."""
        return F.normalize(F.linear(seen, self.weight, self.bias), dim=1)

    def to_tensors(self) -> dict[str, Tensor]:
        """Its tensors under names of a weights file; the matrix, which is large, in float16."""
        return {f"{PREFIX}weight": self.weight.half(), f"{PREFIX}bias": self.bias}


class BackboneFeatures(nn.Module):
    """The backbone's last three maps, pooled to CELLS x CELLS: (B, NUM_FEATURES)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = load_backbone()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features of images (B, 3, S, S) in [-1, 1]."""
        if images.shape[2] != SIDE:
            images = F.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)
        maps = self.backbone(images)[1:]
        return torch.cat([F.adaptive_avg_pool2d(x, CELLS) for x in maps], dim=1).flatten(1).float()


def fit_descriptor(features: Tensor, content: Tensor, y: Tensor) -> Descriptor:
    """A descriptor for images like these: the domains' differences taken out, and what a change of style does.

    Images of two domains that are each other's nearest stand in for counterparts, which are not known. What differs
    within such pairs, for all that, is what style changes; it is given less weight.

    Args:
        features: (n, NUM_FEATURES), by `BackboneFeatures`.
        content: (n, ...), content codes.
        y: (n,), domain labels.
    """
    seen = torch.cat([features, content.flatten(1).float()], dim=1)
    weight = _whitening(seen, y)
    numbers = (seen - seen.mean(0)) @ weight.T
    units = F.normalize(numbers, dim=1)
    for _ in range(ROUNDS):
        mixing = _whitening_within(numbers, mutual_pairs(units, y))
        units = F.normalize(numbers @ mixing.T, dim=1)
    return _descriptor(mixing @ weight, seen)


def mutual_pairs(units: Tensor, y: Tensor) -> Tensor:
    """Rows (k, 2) of unit vectors (n, f), of two domains each, that are each other's nearest there."""
    rows_of = [(y == label).nonzero()[:, 0] for label in y.unique()]
    pairs = [torch.zeros(0, 2, dtype=torch.long, device=y.device)]
    for a, b in combinations(rows_of, 2):
        cosines = units[a] @ units[b].T
        there, back = cosines.argmax(1), cosines.argmax(0)
        mutual = back[there] == torch.arange(len(a), device=y.device)
        pairs.append(torch.stack([a[mutual], b[there[mutual]]], dim=1))
    return torch.cat(pairs)


def _whitening(seen: Tensor, y: Tensor) -> Tensor:
    """The matrix for features with content codes beside them, `seen` (n, f).

    What tells the domains' means apart is projected out, so an image's own domain need not be known.
    The principal directions of what is left get about the same weight each.
    """
    means = torch.stack([seen[y == label].mean(0) for label in y.unique()])
    within = seen - means[y.unique(return_inverse=True)[1]]
    scales = torch.cat([_scales_of_maps(within[:, :NUM_FEATURES]), seen.new_ones(seen.shape[1] - NUM_FEATURES)])
    for part, share in ((slice(NUM_FEATURES), 1.0), (slice(NUM_FEATURES, None), CONTENT_SHARE)):
        sizes = (within[:, part] * scales[part]).square().sum(1)
        scales[part] *= share / sizes.mean().sqrt().clamp_min(1e-6)
    centred = (seen - seen.mean(0)) * scales
    apart = torch.linalg.svd((means - means.mean(0)) * scales, full_matrices=False).Vh[: len(means) - 1]
    centred -= centred @ apart.T @ apart
    deviations, directions = _principal(centred)
    weight = directions / (deviations + SHRINKAGE * deviations[0].clamp_min(1e-6))[:, None]
    return (weight - weight @ apart.T @ apart) * scales


def _whitening_within(numbers: Tensor, pairs: Tensor) -> Tensor:
    """The matrix (f, f) for `numbers` (n, f) after which the differences within `pairs` are as large everywhere.

    Few pairs change little, since PRIOR_PAIRS pairs of unrelated images a number are counted with them.
    """
    differences = (numbers[pairs[:, 0]] - numbers[pairs[:, 1]]) / math.sqrt(2)
    prior = PRIOR_PAIRS * numbers.shape[1] * numbers.square().mean().clamp_min(1e-12)
    within = differences.T @ differences + prior * torch.eye(numbers.shape[1], device=numbers.device)
    sizes, axes = torch.linalg.eigh(within.cpu())
    return (axes / sizes.sqrt()).T.to(numbers.device)


def _descriptor(weight: Tensor, seen: Tensor) -> Descriptor:
    """That of a matrix, at a scale that float16 holds."""
    weight = (weight / weight.abs().max().clamp_min(1e-12)).half().float()  # the mean is taken by what will be kept
    return Descriptor(weight, -weight @ seen.mean(0))


def _scales_of_maps(features: Tensor) -> Tensor:
    """Factors (NUM_FEATURES,) that give every map of the backbone, and every channel of it, the same say."""
    cells = features.view(len(features), -1, CELLS**2)
    deviations = cells.transpose(1, 2).flatten(0, 1).std(0).clamp_min(1e-4)
    sizes = torch.tensor(CHANNELS, device=features.device)
    return (1 / (deviations * sizes.repeat_interleave(sizes).sqrt())).repeat_interleave(CELLS**2)


def _principal(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Deviations along the principal directions of `centred` (n, f), and those (up to NUMBERS, f)."""
    asked = min(NUMBERS + NUMBERS // 4, *centred.shape)
    with own_draws(0):
        _, sizes, axes = torch.svd_lowrank(centred.cpu(), q=asked, niter=2)
    kept = min(NUMBERS, asked)
    return (sizes[:kept] / len(centred) ** 0.5).to(centred.device), axes[:, :kept].T.to(centred.device)


def descriptor_among(tensors: Mapping[str, Tensor], num_content: int) -> Descriptor | None:
    """The descriptor that a weights file holds, if any.

    Args:
        tensors: all tensors of the file.
        num_content: numbers in a content code.

    Raises:
        KeyError, ValueError: a tensor is missing, or does not fit the model.
    """
    own = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    if not own:
        return None
    weight, bias = own[f"{PREFIX}weight"], own[f"{PREFIX}bias"]
    if weight.shape != (len(bias), NUM_FEATURES + num_content) or bias.ndim != 1 or not 0 < len(bias) <= 4096:
        raise ValueError(f"the descriptor has the shape {tuple(weight.shape)}")
    if not bool(weight.isfinite().all() and bias.isfinite().all()):
        raise ValueError("the descriptor holds NaN or infinity")
    return Descriptor(weight, bias)
