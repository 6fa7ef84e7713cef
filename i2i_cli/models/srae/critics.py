"""SRAE's opponents in training: the latent critics q_c and q_d, and a critic of images (paper 3.3, figure 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i_cli.models.backbone import load_backbone
from i2i_cli.models.layers import SLOPE
from i2i_cli.models.peers import ALONE, Peers


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

    def __init__(self, num_inputs: int, num_domains: int, capacity: int) -> None:
        super().__init__()
        self.num_domains = num_domains
        self.register_buffer("codes", torch.zeros(capacity, num_inputs))
        self.register_buffer("labels", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self._known: int | None = None  # `count` without waiting for the device; None: to be read
        self.register_load_state_dict_post_hook(_forget_count)

    @torch.no_grad()
    def remember(self, codes: Tensor, y: Tensor) -> None:
        """Keep `codes` (B, k, a, b) of domains `y` (B,), in the places of the oldest."""
        capacity = len(self.codes)
        codes, y = codes[-capacity:], y[-capacity:]
        places = (self.count + torch.arange(len(y), device=y.device)) % capacity
        self.codes[places] = codes.flatten(1).float()
        self.labels[places] = y
        self._known = min(self._num_known() + len(y), capacity)
        self.count += len(y)

    def _num_known(self) -> int:
        if self._known is None:
            self._known = min(int(self.count), len(self.codes))
        return self._known

    def forward(self, codes: Tensor, y: Tensor) -> Tensor:
        """How well the domain is read from `codes` (B, k, a, b): 1 where it always is, 0 where it cannot be.

        The mean over images of the regression's value for their own domain, so a batch that the
        regression has not seen is scored; 0 while too few codes are remembered.
        """
        known = self._num_known()
        if known < 4 * self.num_domains:
            return codes.new_zeros((), dtype=torch.float32)
        with torch.autocast(codes.device.type, enabled=False):
            seen, asked = self.codes[:known], codes.flatten(1).float()
            mean, scale = seen.mean(0), seen.std(0).clamp_min(1e-4)
            seen, asked = (seen - mean) / scale, (asked - mean) / scale
            with torch.no_grad():
                system = self._kernel(seen, seen)
                system.diagonal().add_(self.RIDGE)
                # Of codes that are no numbers no number comes out, which the loop then reports.
                factor, _ = torch.linalg.cholesky_ex(system)
                weights = torch.cholesky_solve(self._targets(self.labels[:known]), factor)
            values = self._kernel(asked, seen) @ weights
            own = (values * self._targets(y)).sum(1)
            return own.mean() * self.num_domains / (self.num_domains - 1)

    def _kernel(self, first: Tensor, second: Tensor) -> Tensor:
        return (first @ second.T / first.shape[1] + self.OFFSET).square() / self.OFFSET

    def _targets(self, y: Tensor) -> Tensor:
        return F.one_hot(y, self.num_domains).float() - 1 / self.num_domains


def _forget_count(critic: RidgeCritic, _: object) -> None:
    critic._known = None


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

    def __init__(self, num_domains: int, width: int) -> None:
        super().__init__()
        self.backbone = load_backbone()
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(channels, width, 1)),
                nn.LeakyReLU(SLOPE),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(SLOPE),
                spectral_norm(nn.Conv2d(width, num_domains, 1)),
            )
            for channels in self.backbone.CHANNELS
        )
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

    def forward(self, images: Tensor, y: Tensor) -> list[Tensor]:
        """Logits (B, h, w), a map a scale, of `images` (B, 3, H, W) as members of the domains `y` (B,)."""
        return self.as_members(self.scores(images), y)

    def scores(self, images: Tensor) -> list[Tensor]:
        """Logits (B, m, h, w), a map a scale, of `images` as members of every domain."""
        features = self.backbone(images)
        maps = [self.GAIN * head(self.FEATURE_SCALE * x) for head, x in zip(self.heads, features, strict=True)]
        return [*maps, self.patches(images)]

    @staticmethod
    def as_members(scores: list[Tensor], y: Tensor) -> list[Tensor]:
        """Of `scores`, those of the domains `y` (B,): (B, h, w) each."""
        rows = torch.arange(len(y), device=y.device)
        return [logits[rows, y].float() for logits in scores]

    @torch.no_grad()
    def remember(self, maps: list[Tensor], y: Tensor, peers: Peers = ALONE) -> None:
        """Keep in `levels` (scale, domain) how real the real images of late were: `maps` as `forward` gave them."""
        members = F.one_hot(y, self.levels.shape[1]).float()
        sums = [logits.mean((1, 2)) @ members for logits in maps]
        *means, counts = peers.mean(torch.stack([*sums, members.sum(0)]))
        kept = torch.where(counts > 0, torch.stack(means) / counts, self.levels)
        self.levels.lerp_(kept, 1 - self.MEMORY)

    def shortfall(self, images: Tensor, y: Tensor) -> Tensor:
        """How far `images` fall short of the real ones of late; what is as real as those is left alone.

        A generator that is to please a critic without an end overdraws what it is pleased by.
        """
        maps = zip(self.levels[:, y], self.forward(images, y), strict=True)
        return torch.stack([F.relu(level[:, None, None] - logits).mean() for level, logits in maps]).mean()
