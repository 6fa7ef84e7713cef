"""SRAE's opponents in training: the latent critics q_c and q_d, and a critic of images (paper 3.3, figure 1)."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.models.backbone import Backbone, load_backbone
from i2i_cli.models.layers import SLOPE
from i2i_cli.models.peers import ALONE, Peers
from i2i_cli.models.spectral import SpectralConv, SpectralNorms


class ContentCritic(nn.Sequential):
    """q_c: domain logits (B, m) from a content code (B, k, a, b) (paper 3.3)."""

    def __init__(self, channels: int, size: int, num_domains: int, width: int) -> None:
        side = (size + 1) // 2
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(width * side * side, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, num_domains),
        )


class RidgeCritic(nn.Module):
    """Kernel ridge regression of the domain on the content codes of the last steps, solved anew at every step.

    Differs from the paper, whose q_c follows the encoder by gradient steps: the encoder learns to fool
    q_c long before its codes hide the domain, and fresh probes still read it. A reader in closed form
    (as in arXiv 1910.07423) is at its best at every step, and cannot be outrun. The kernel is
    quadratic, since most of what codes tell is in their second moments: of 512 faces' codes a
    straight line reads the domain at 80 %, the quadratic kernel at 90 %.
    """

    OFFSET = 0.2
    RIDGE = 0.1
    codes: Tensor
    labels: Tensor
    count: Tensor
    mean: Tensor
    scale: Tensor
    seen: Tensor
    weights: Tensor
    root: Tensor

    def __init__(self, num_inputs: int, num_domains: int, capacity: int) -> None:
        super().__init__()
        self.num_domains = num_domains
        self.register_buffer("codes", torch.zeros(capacity, num_inputs))
        self.register_buffer("labels", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        # What `solve` finds.
        self.register_buffer("mean", torch.zeros(num_inputs), persistent=False)
        self.register_buffer("scale", torch.ones(num_inputs), persistent=False)
        self.register_buffer("seen", torch.zeros(capacity, num_inputs), persistent=False)
        self.register_buffer("weights", torch.zeros(capacity, num_domains), persistent=False)
        self.register_buffer("root", torch.tensor(self.OFFSET**0.5), persistent=False)

    @torch.no_grad()
    def remember(self, codes: Tensor, y: Tensor) -> None:
        """Keep `codes` (B, k, a, b) of domains `y` (B,), in the places of the oldest."""
        capacity = len(self.codes)
        codes, y = codes[-capacity:], y[-capacity:]
        places = (self.count + torch.arange(len(y), device=y.device)) % capacity
        self.codes[places] = codes.flatten(1).float()
        self.labels[places] = y
        self.count += len(y)

    @torch.no_grad()
    def solve(self) -> None:
        """Fit the regression to what is remembered. Places that are not yet filled weigh nothing."""
        capacity, num_known = len(self.codes), self.count.clamp(2, len(self.codes))
        known = (torch.arange(capacity, device=self.codes.device) < self.count).float()
        mean = known @ self.codes / num_known
        away = (self.codes - mean) * known[:, None]
        scale = (away.square().sum(0) / (num_known - 1)).sqrt().clamp_min(1e-4)
        seen = away / scale
        system = self._kernel(seen, seen) * known * known[:, None]
        system.diagonal().add_(self.RIDGE)
        # Of codes that are no numbers no number comes out, which the loop then reports.
        factor, _ = torch.linalg.cholesky_ex(system)
        half = torch.linalg.solve_triangular(factor, self._targets(self.labels) * known[:, None], upper=False)
        weights = torch.linalg.solve_triangular(factor.mT, half, upper=True)
        enough = self.count >= 4 * self.num_domains
        found = [mean, scale, seen, weights * enough]
        torch._foreach_copy_([self.mean, self.scale, self.seen, self.weights], found)

    def forward(self, codes: Tensor, y: Tensor) -> Tensor:
        """How well the domain is read from `codes` (B, k, a, b), as last solved: 1 where it always is, 0 where it
        cannot be.

        The mean over images of the regression's value for their own domain, so a batch that the
        regression has not seen is scored; 0 while too few codes are remembered.
        """
        with torch.autocast(codes.device.type, enabled=False):
            asked = (codes.flatten(1).float() - self.mean) / self.scale
            values = self._kernel(asked, self.seen) @ self.weights
            own = (values * self._targets(y)).sum(1)
            return own.mean() * self.num_domains / (self.num_domains - 1)

    def _kernel(self, first: Tensor, second: Tensor) -> Tensor:
        """(x y / n + OFFSET)^2 / OFFSET."""
        return torch.addmm(self.root, first, second.T, alpha=1 / (first.shape[1] * self.OFFSET**0.5)).square()

    def _targets(self, y: Tensor) -> Tensor:
        return members(y, self.num_domains) - 1 / self.num_domains


def members(y: Tensor, num_domains: int) -> Tensor:
    """(B, m) of 0 and 1 from labels `y` (B,). `F.one_hot` checks their values, which takes more operations."""
    return (y[:, None] == torch.arange(num_domains, device=y.device)).float()


class DomainCritic(nn.Sequential):
    """q_d: domain logits (B, m) from a domain code (B, j) (paper 3.3)."""

    def __init__(self, channels: int, num_domains: int, width: int) -> None:
        super().__init__(nn.Linear(channels, width), nn.LeakyReLU(SLOPE), nn.Linear(width, num_domains))


class ImageCritic(nn.Module):
    """Realness of images: of patches of their pixels, and at four scales of fixed ImageNet features.

    Differs from the paper: it has no critic of images. Without one the outputs are as soft as an
    autoencoder's reconstructions. On the features heads alone are trained, as in Projected GANs
    (arXiv 2111.01007); alone they do not see grids, which were then drawn. A critic of pixels alone
    made translations of different inputs alike. One output channel a domain.
    """

    FEATURE_SCALE = 0.1
    """Brings the backbone's features to about 1."""

    GAIN = 5.0
    """Of the heads' logits, which spectral normalisation keeps too small for the margins of a hinge loss."""

    MEMORY = 0.9
    """Decay of `levels`."""

    levels: Tensor

    def __init__(self, num_domains: int, width: int, backbone: Backbone | None = None) -> None:
        super().__init__()
        self.backbone = backbone if backbone is not None else load_backbone()
        self.heads = nn.ModuleList(
            nn.ModuleList(
                [SpectralConv(channels, width, 1), SpectralConv(width, width, 3), SpectralConv(width, num_domains, 1)]
            )
            for channels in self.backbone.CHANNELS
        )
        self.norms = SpectralNorms(_layers(self.heads))
        self.patches = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(4 * width, num_domains, 3, padding=1),
        )
        self.register_buffer("levels", torch.zeros(len(self.heads) + 1, num_domains))
        self.register_load_state_dict_pre_hook(_renamed)

    def forward(self, seen: Sequence[Tensor], y: Tensor) -> list[Tensor]:
        """Logits (B, h, w), a map a scale, of images as members of the domains `y` (B,); `seen` as `see` gives it."""
        return self.as_members(self.scores(seen), y)

    def see(self, images: Tensor) -> list[Tensor]:
        """What logits are taken of: the fixed features of `images`, and last the images themselves."""
        return [*self.backbone(images), images]

    def scores(self, seen: Sequence[Tensor]) -> list[Tensor]:
        """Logits (B, m, h, w), a map a scale, of images as members of every domain; `seen` as `see` gives it."""
        weights, maps = iter(self.norms()), []
        for head, x in zip(self.heads, seen, strict=False):
            first, second, last = cast(nn.ModuleList, head)
            x = F.leaky_relu(first(self.FEATURE_SCALE * x, next(weights)), SLOPE)
            x = F.leaky_relu(second(x, next(weights)), SLOPE)
            maps.append(self.GAIN * last(x, next(weights)))
        return [*maps, self.patches(seen[-1])]

    @staticmethod
    def as_members(scores: Sequence[Tensor], y: Tensor) -> list[Tensor]:
        """Of `scores`, those of the domains `y` (B,): (B, h, w) each."""
        rows = torch.arange(len(y), device=y.device)
        return [logits[rows, y].float() for logits in scores]

    @torch.no_grad()
    def remember(self, maps: list[Tensor], y: Tensor, peers: Peers = ALONE) -> None:
        """Keep in `levels` (scale, domain) how real the real images of late were: `maps` as `forward` gave them."""
        belongs = members(y, self.levels.shape[1])
        sums = [logits.mean((1, 2)) @ belongs for logits in maps]
        *means, counts = peers.mean(torch.stack([*sums, belongs.sum(0)]))
        kept = torch.where(counts > 0, torch.stack(means) / counts, self.levels)
        self.levels.lerp_(kept, 1 - self.MEMORY)

    def shortfall(self, seen: Sequence[Tensor], y: Tensor) -> Tensor:
        """How far the images behind `seen` fall short of the real ones of late; what is as real as those is left alone.

        A generator that is to please a critic without an end overdraws what it is pleased by.
        """
        maps = zip(self.levels[:, y], self(seen, y), strict=True)
        return torch.stack([F.relu(level[:, None, None] - logits).mean() for level, logits in maps]).mean()


def _layers(heads: nn.ModuleList) -> list[SpectralConv]:
    return [cast(SpectralConv, layer) for head in heads for layer in cast(nn.ModuleList, head)]


def _renamed(critic: ImageCritic, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """States of earlier versions hold torch's own spectral norms, a parametrization of every layer."""
    norms = critic.norms
    vectors = {"left": norms.left.clone(), "right": norms.right.clone()}
    layers = [(i, j) for i, head in enumerate(critic.heads) for j in range(len(cast(nn.ModuleList, head)))]
    for row, (head, place) in enumerate(layers):
        before, now = f"{prefix}heads.{head}.{2 * place}.", f"{prefix}heads.{head}.{place}."
        if f"{before}parametrizations.weight.original" not in state:
            return
        for name, key in (("left", "_u"), ("right", "_v")):
            vector = state.pop(f"{before}parametrizations.weight.0.{key}")
            vectors[name][row, : len(vector)] = vector
        state[f"{now}bias"] = state.pop(f"{before}bias")
        state[f"{now}weight"] = state.pop(f"{before}parametrizations.weight.original")
    state.update({f"{prefix}norms.{name}": tensor for name, tensor in vectors.items()})
