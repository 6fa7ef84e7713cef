"""SRAE's networks: one encoder with two streams, one decoder, and the critics (paper 3.2, figures 1-2)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from i2i_cli.errors import ConfigError
from i2i_cli.models.family import Codes, TranslationModel, noise_like
from i2i_cli.models.layers import SLOPE, ConvBlock, ImageStandardisation, ResidualBlock, UpBlock, standardise

IMAGE_SIZES = (32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Sizes of the encoder and the decoder.

    Args:
        width: channels at the code's side, halved by every stage towards the image.
        min_width: the fewest channels that this halving leaves in the encoder.
        num_blocks: residual blocks at the code's side, in the encoder and in the decoder.
        content_size: side of the content code, the paper's a = b.
        content_channels: the paper's k.
        domain_channels: the paper's j.
        standardise_input: take every image's own mean and contrast out before the encoder: for one
            kind of image from several devices. What is rebuilt then has an average brightness.
        standardise_content: take every channel's mean and variance over the a x b grid out of mu_c.
        content_noise: fixed sigma_c of the content code's noise; 0 lets the encoder give sigma_c.
            Differs from the paper, like `standardise_content`: the decoder then cannot lean on the
            little that leaks of the domain.
    """

    width: int = 128
    min_width: int = 32
    num_blocks: int = 2
    content_size: int = 8
    content_channels: int = 16
    domain_channels: int = 16
    standardise_input: bool = False
    standardise_content: bool = True
    content_noise: float = 0.7

    def __post_init__(self) -> None:
        for name in ("width", "min_width", "content_channels", "domain_channels"):
            if getattr(self, name) < 1:
                raise ConfigError(f"networks.{name} = {getattr(self, name)} is below 1")
        if self.content_size not in (2, 4, 8, 16, 32):
            raise ConfigError(f"networks.content_size = {self.content_size}", "use 2, 4, 8, 16 or 32")
        if self.num_blocks < 0 or self.content_noise < 0:
            raise ConfigError("networks.num_blocks and networks.content_noise cannot be negative")

    def stage_widths(self, image_size: int) -> list[int]:
        """Channels after each stride-2 stage of the encoder."""
        if image_size not in IMAGE_SIZES or image_size <= self.content_size:
            sizes = ", ".join(str(size) for size in IMAGE_SIZES if size > self.content_size)
            raise ConfigError(f"image size {image_size} is not one this model can have", f"use {sizes}")
        num_stages = int(math.log2(image_size // self.content_size))
        return [max(self.width // 2**stage, self.min_width) for stage in reversed(range(num_stages))]


class Gaussian(NamedTuple):
    """A diagonal normal distribution; `sigma` is a number where it is not learned."""

    mean: Tensor
    sigma: Tensor | float

    def sample(self, generator: torch.Generator) -> Tensor:
        """mu + epsilon * sigma with fresh standard normal epsilon.

        Differs from the paper: 3.2 prints epsilon * sigma^2, though it samples from N(mu, sigma^2),
        whose reparametrisation multiplies by sigma.
        """
        return self.mean + noise_like(self.mean, generator) * self.sigma

    def kl(self) -> Tensor:
        """KL divergence to the standard normal, mean over the code's entries; 0 where sigma is fixed."""
        if isinstance(self.sigma, float):
            return self.mean.new_zeros(())
        return 0.5 * (self.mean.square() + self.sigma.square() - 2 * self.sigma.log() - 1).mean()


class Encoder(nn.Module):
    """f: a shared trunk f_phi, then the content stream f_c and the domain stream f_d (figure 2a)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        super().__init__()
        self.config = config
        widths = config.stage_widths(image_size)
        top = widths[-1]
        stages = [ConvBlock(i, o, stride=2) for i, o in zip([3, *widths[:-1]], widths, strict=True)]
        entrance = [ImageStandardisation()] if config.standardise_input else []
        self.trunk = nn.Sequential(*entrance, *stages, *(ResidualBlock(top) for _ in range(config.num_blocks)))
        content_outputs = config.content_channels * (1 if config.content_noise else 2)
        self.content_stream = nn.Sequential(ConvBlock(top, top), ResidualBlock(top), nn.Conv2d(top, content_outputs, 1))
        self.domain_stream = nn.Sequential(
            ConvBlock(top, top, stride=2),
            ConvBlock(top, top, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(top, 2 * config.domain_channels, 1),
            nn.Flatten(),
        )

    def content(self, features: Tensor) -> Gaussian:
        """mu_c and sigma_c, (B, k, a, b), from the trunk's features."""
        k = self.config.content_channels
        mean, log_variance = self.content_stream(features).float().tensor_split([k], dim=1)
        if self.config.standardise_content:
            mean = standardise(mean)
        return Gaussian(mean, self.config.content_noise or _sigma(log_variance))

    def domain(self, features: Tensor) -> Gaussian:
        """mu_d and sigma_d, (B, j), from the trunk's features."""
        mean, log_variance = self.domain_stream(features).float().chunk(2, dim=1)
        return Gaussian(mean, _sigma(log_variance))


def _sigma(log_variance: Tensor) -> Tensor:
    return torch.exp(0.5 * log_variance.clamp(-12, 6))


class Decoder(nn.Module):
    """g: the content code with the domain code beside it at every place, to an image (figure 2b)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        super().__init__()
        widths = config.stage_widths(image_size)[::-1]
        outputs = [*widths[1:], max(widths[-1] // 2, 8)]
        ups = [UpBlock(i, o) for i, o in zip(widths, outputs, strict=True)]
        self.layers = nn.Sequential(
            ConvBlock(config.content_channels + config.domain_channels, widths[0]),
            *(ResidualBlock(widths[0]) for _ in range(config.num_blocks)),
            *ups,
            nn.Conv2d(outputs[-1], 3, 5, padding=2),
        )

    def forward(self, content: Tensor, domain: Tensor) -> Tensor:
        """Images (B, 3, H, W) from content (B, k, a, b) and domain (B, j)."""
        expanded = domain[:, :, None, None].expand(-1, -1, *content.shape[2:])
        return self.layers(torch.cat([content, expanded], dim=1)).float().tanh()


class SRAE(TranslationModel):
    """Split-representation autoencoder: encode to (content, domain), decode from any such pair."""

    def __init__(self, config: NetworksConfig, image_size: int, num_domains: int) -> None:
        side = config.content_size
        super().__init__(image_size, num_domains, (config.content_channels, side, side), (config.domain_channels,))
        self.encoder = Encoder(config, image_size)
        self.decoder = Decoder(config, image_size)

    def encode(self, images: Tensor, source: Tensor | None = None) -> Codes:
        """The means: content (B, k, a, b) and domain (B, j). One encoder serves every `source`."""
        features = self.encoder.trunk(images)
        return Codes(self.encoder.content(features).mean, self.encoder.domain(features).mean)

    def sample_codes(self, images: Tensor, generator: torch.Generator) -> Codes:
        """Z_c and Z_d with the training's noise (3.2)."""
        features = self.encoder.trunk(images)
        return Codes(self.encoder.content(features).sample(generator), self.encoder.domain(features).sample(generator))

    def decode(self, content: Tensor, domain: Tensor) -> Tensor:
        """g(Z_c, Z_d): images (B, 3, H, W) in [-1, 1]."""
        return self.decoder(content, domain)


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
