"""SRAE's opponents in training: the latent critics q_c and q_d, and a critic of images (paper 3.3, figure 1)."""

import math

import torch
from torch import Tensor, nn

from i2i_cli.models.layers import SLOPE


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


class DomainCritic(nn.Sequential):
    """q_d: domain logits (B, m) from a domain code (B, j) (paper 3.3)."""

    def __init__(self, channels: int, num_domains: int, width: int) -> None:
        super().__init__(nn.Linear(channels, width), nn.LeakyReLU(SLOPE), nn.Linear(width, num_domains))


class ImageCritic(nn.Module):
    """Realness of patches, one output channel a domain; only the label's channel is read.

    Differs from the paper: it has no critic of images. Without one the outputs are as soft as an
    autoencoder's reconstructions.
    """

    def __init__(self, image_size: int, num_domains: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for stage in range(int(math.log2(image_size // 8))):
            outputs = min(width * 2**stage, 4 * width)
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
            inputs = outputs
        layers += [nn.Conv2d(inputs, inputs, 3, padding=1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, num_domains, 3, padding=1))

    def forward(self, images: Tensor, y: Tensor) -> Tensor:
        """Logits (B, 8, 8) of `images` (B, 3, H, W) as members of the domains `y` (B,)."""
        logits = self.layers(images).float()
        return logits[torch.arange(len(y), device=y.device), y]
