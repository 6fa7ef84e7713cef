"""SRAE's networks that survive training: one encoder with two streams, one decoder (paper 3.2, figure 2)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.errors import ConfigError
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.layers import ConvBlock, ImageStandardisation, ResidualBlock, UpBlock, standardise, start_alike
from i2i_cli.models.peers import Draws
from i2i_cli.models.srae.content import BesideBackbone, TwoHalves, content_stream, edge_trunk, stages
from i2i_cli.models.srae.domain import KnownFeatures, domain_stream, known_stream

IMAGE_SIZES = (32, 64, 128, 256)
CONTENT_TRUNKS = ("shared", "edges", "backbone")
DOMAIN_TRUNKS = ("shared", "backbone")

LARGEST = {"width": 4096, "min_width": 4096, "num_blocks": 64, "content_channels": 4096, "domain_channels": 65536}
"""Sizes beyond these are mistakes, or a header that lies."""


@dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Sizes of the encoder and the decoder.

    Args:
        width: channels at the code's side, halved by every stage towards the image.
        min_width: the fewest channels that this halving leaves in the encoder.
        num_blocks: residual blocks at the code's side, in the encoder and in the decoder.
        content_trunk: what the content stream sees: "shared" f_phi; "edges", a trunk of its own that
            sees oriented edges and no colours; or "backbone", those edges and, in half of the code,
            the bundled ImageNet features.
            Differs from the paper, whose f_phi serves both streams: neighbours across styles of
            drawing are found better, and colours come from the domain code alone.
        domain_trunk: what the domain stream sees: "shared" f_phi; or "backbone", the bundled ImageNet features alone.
            Differs from the paper: features that no image of these domains taught know a class again
            in images of another origin.
        content_size: side of the content code, the paper's a = b.
        content_channels: the paper's k.
        domain_channels: the paper's j.
        standardise_input: take every image's own mean and contrast out before the encoder: for one
            kind of image from several devices. What is rebuilt then has an average brightness.
        standardise_content: take every channel's mean and variance over the a x b grid out of mu_c.
        modulate: let the domain code scale and shift every block of the decoder.
            Differs from the paper, which gives Z_d to the first alone: what differs between the
            images of one domain then has a shorter way than through the content code.
        patch: side of the squares of pixels that the encoder takes, and the decoder gives, as one place: 2 gives
            images of twice the side by the networks, and nearly at the cost, of 1. Weights of the same networks with
            a smaller patch grow into it: `SRAE.grown`.
        content_noise: fixed sigma_c of the content code's noise; 0 lets the encoder give sigma_c.
            Differs from the paper, like `standardise_content`: the decoder then cannot lean on the
            little that leaks of the domain.
    """

    width: int = 128
    min_width: int = 32
    num_blocks: int = 2
    content_trunk: str = "shared"
    domain_trunk: str = "shared"
    content_size: int = 8
    content_channels: int = 16
    domain_channels: int = 16
    standardise_input: bool = False
    standardise_content: bool = True
    modulate: bool = True
    patch: int = 1
    content_noise: float = 0.7

    def __post_init__(self) -> None:
        for name, largest in LARGEST.items():
            if not (name != "num_blocks") <= getattr(self, name) <= largest:
                raise ConfigError(
                    f"networks.{name} = {getattr(self, name)} is out of range",
                    f"use {int(name != 'num_blocks')} to {largest}",
                )
        if self.content_size not in (2, 4, 8, 16, 32):
            raise ConfigError(f"networks.content_size = {self.content_size} is not possible", "use 2, 4, 8, 16 or 32")
        if self.content_trunk not in CONTENT_TRUNKS:
            raise ConfigError(
                f"networks.content_trunk = {self.content_trunk!r} is not known", f"use {', '.join(CONTENT_TRUNKS)}"
            )
        if self.domain_trunk not in DOMAIN_TRUNKS:
            raise ConfigError(
                f"networks.domain_trunk = {self.domain_trunk!r} is not known", f"use {', '.join(DOMAIN_TRUNKS)}"
            )
        if self.domain_trunk != "shared" != self.content_trunk:
            raise ConfigError(
                f"content_trunk {self.content_trunk} and domain_trunk {self.domain_trunk} leave the shared trunk idle",
                "leave one of them at shared",
            )
        if self.content_channels % self.content_parts:
            raise ConfigError(
                f"networks.content_channels = {self.content_channels} is odd",
                "use an even number: it is split into two halves",
            )
        if self.patch not in (1, 2, 4):
            raise ConfigError(f"networks.patch = {self.patch} is not possible", "use 1, 2 or 4")
        if self.patch > 1 and self.content_trunk != "shared":
            raise ConfigError(
                f"networks.patch = {self.patch} does not go with a content_trunk of {self.content_trunk}, which sees "
                "pixels one by one",
                "leave one of them out",
            )
        if self.content_trunk == "backbone" and not self.content_noise:
            raise ConfigError("a content_trunk of backbone has no sigma_c to learn", "give networks.content_noise")
        if self.content_noise < 0:
            raise ConfigError(f"networks.content_noise = {self.content_noise:g} is below 0")

    @property
    def content_outputs(self) -> int:
        """Channels that the content stream gives: mu_c, and sigma_c where it is learned."""
        return self.content_channels * (1 if self.content_noise else 2)

    @property
    def content_parts(self) -> int:
        """Parts of the content code that know nothing of each other, of equal channels."""
        return 2 if self.content_trunk == "backbone" else 1

    def stage_widths(self, image_size: int) -> list[int]:
        """Channels after each stride-2 stage of the encoder."""
        smallest = self.content_size * self.patch
        if image_size not in IMAGE_SIZES or image_size <= smallest:
            sizes = ", ".join(str(size) for size in IMAGE_SIZES if size > smallest)
            raise ConfigError(f"this model cannot have images of {image_size} pixels", f"use {sizes}")
        num_stages = int(math.log2(image_size // smallest))
        return [max(self.width // 2**stage, self.min_width) for stage in reversed(range(num_stages))]


class Gaussian(NamedTuple):
    """A diagonal normal distribution; `sigma` is a number where it is not learned."""

    mean: Tensor
    sigma: Tensor | float

    def sample(self, draws: Draws) -> Tensor:
        """mu + epsilon * sigma with fresh standard normal epsilon.

        Differs from the paper: 3.2 prints epsilon * sigma^2, though it samples from N(mu, sigma^2),
        whose reparametrisation multiplies by sigma.
        """
        return self.mean + draws.normal(self.mean.shape, self.mean.dtype) * self.sigma

    def kl(self) -> Tensor:
        """KL divergence to the standard normal, mean over the code's entries; 0 where sigma is fixed."""
        if isinstance(self.sigma, float):
            return self.mean.new_zeros(())
        return 0.5 * (self.mean.square() + self.sigma.square() - 2 * self.sigma.log() - 1).mean()


class Features(NamedTuple):
    """What f_phi gives to the content stream and to the domain stream, (B, width, a, b) each.

    A stream with a trunk of its own sees as many channels and places as that one gives.
    """

    content: Tensor
    domain: Tensor

    def detach(self) -> "Features":
        """The same, for streams whose gradients are to leave f_phi alone."""
        return Features(self.content.detach(), self.domain.detach())


class Encoder(nn.Module):
    """f: a shared trunk f_phi, then the content stream f_c and the domain stream f_d (figure 2a)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        super().__init__()
        self.config = config
        widths = config.stage_widths(image_size)
        top = widths[-1]
        entrance = [ImageStandardisation()] if config.standardise_input else []
        self.trunk = nn.Sequential(*entrance, *stages(3 * config.patch**2, widths, 2, config.num_blocks))
        beside = config.content_trunk == "backbone"
        own = None if config.content_trunk == "shared" else edge_trunk(widths, config.num_blocks)
        self.content_trunk = BesideBackbone(own, config.content_size) if own is not None and beside else own
        make_stream = TwoHalves if beside else content_stream
        self.content_stream = make_stream(top, config.content_outputs)
        known = config.domain_trunk == "backbone"
        self.domain_trunk = KnownFeatures(config.standardise_input) if known else None
        outputs = 2 * config.domain_channels
        self.domain_stream = known_stream(outputs) if known else domain_stream(top, outputs)

    def features(self, images: Tensor) -> Features:
        """What the two streams see of `images`: the same, unless one has a trunk of its own."""
        shared = self._shared(images)
        return Features(*(shared if own is None else own(images) for own in (self.content_trunk, self.domain_trunk)))

    def content_of(self, images: Tensor) -> Gaussian:
        """mu_c and sigma_c of `images`, where the domain is not asked for."""
        features = self._shared(images) if self.content_trunk is None else self.content_trunk(images)
        return self.content(Features(features, features))

    def _shared(self, images: Tensor) -> Tensor:
        """f_phi. A patch stands in the channels of its place."""
        patch = self.config.patch
        return self.trunk(F.pixel_unshuffle(images, patch) if patch > 1 else images)

    def content(self, features: Features) -> Gaussian:
        """mu_c and sigma_c, (B, k, a, b)."""
        k = self.config.content_channels
        mean, log_variance = self.content_stream(features.content).float().tensor_split([k], dim=1)
        if self.config.standardise_content:
            mean = standardise(mean)
        return Gaussian(mean, self.config.content_noise or _sigma(log_variance))

    def domain(self, features: Features) -> Gaussian:
        """mu_d and sigma_d, (B, j)."""
        mean, log_variance = self.domain_stream(features.domain).float().chunk(2, dim=1)
        return Gaussian(mean, _sigma(log_variance))


def _sigma(log_variance: Tensor) -> Tensor:
    return torch.exp(0.5 * log_variance.clamp(-12, 6))


class Modulated(nn.Module):
    """A block whose output the domain code scales and shifts, channel by channel (FiLM, arXiv 1709.07871)."""

    def __init__(self, block: nn.Module, channels: int, domain_channels: int) -> None:
        super().__init__()
        self.block = block
        self.modulation = nn.Linear(domain_channels, 2 * channels)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.block(x), 1 + scale)


class Decoder(nn.Module):
    """g: the content code with the domain code beside it at every place, to an image (figure 2b)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        super().__init__()
        widths = config.stage_widths(image_size)[::-1]
        outputs = [*widths[1:], max(widths[-1] // 2, 8)]
        channels = [widths[0]] * (1 + config.num_blocks) + outputs
        ups = [UpBlock(i, o) for i, o in zip(widths, outputs, strict=True)]
        blocks: list[nn.Module] = [
            ConvBlock(config.content_channels + config.domain_channels, widths[0]),
            *(ResidualBlock(widths[0]) for _ in range(config.num_blocks)),
            *ups,
        ]
        if config.modulate:
            sized = zip(blocks, channels, strict=True)
            blocks = [Modulated(block, count, config.domain_channels) for block, count in sized]
        self.blocks = nn.ModuleList(blocks)
        self.patch = config.patch
        self.image = nn.Conv2d(outputs[-1], 3 * self.patch**2, 5, padding=2)
        start_alike(self.image, self.patch**2)

    def forward(self, content: Tensor, domain: Tensor) -> Tensor:
        """Images (B, 3, H, W) from content (B, k, a, b) and domain (B, j)."""
        expanded = domain[:, :, None, None].expand(-1, -1, *content.shape[2:])
        x = torch.cat([content, expanded], dim=1)
        modulations = iter(self._modulations(domain))
        for block in self.blocks:
            x = block(x, next(modulations)) if isinstance(block, Modulated) else block(x)
        x = self.image(x)
        return (F.pixel_shuffle(x, self.patch) if self.patch > 1 else x).float().tanh()

    def _modulations(self, domain: Tensor) -> Sequence[Tensor]:
        """Scales and shifts of all modulated blocks, in one product."""
        layers = [block.modulation for block in self.blocks if isinstance(block, Modulated)]
        if not layers:
            return ()
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        return F.linear(domain, weight, bias).split([layer.out_features for layer in layers], dim=1)


class SRAE(TranslationModel):
    """Split-representation autoencoder: encode to (content, domain), decode from any such pair."""

    def __init__(self, config: NetworksConfig, image_size: int, domains: Sequence[str]) -> None:
        side = config.content_size
        super().__init__(image_size, len(domains), (config.content_channels, side, side), (config.domain_channels,))
        self.encoder = Encoder(config, image_size)
        self.decoder = Decoder(config, image_size)

    def grown(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """`tensors` of the same networks with a smaller patch, brought to this one's.

        They give what they gave before, of images at the smaller side: every patch is taken by its mean, and
        given in one colour.
        """
        patch, last = self.encoder.config.patch, "decoder.image.weight"
        before = math.isqrt(len(tensors[last]) // 3)
        if before == patch:
            return tensors
        kept = torch.arange(3 * before**2).view(3, before, before)
        times = patch // before
        kept = kept.repeat_interleave(times, 1).repeat_interleave(times, 2).flatten()
        first = "encoder.trunk.1.0.weight" if self.encoder.config.standardise_input else "encoder.trunk.0.0.weight"
        given = {name: tensors[name][kept] for name in (last, "decoder.image.bias")}
        return tensors | given | {first: tensors[first][:, kept] / times**2}

    def encode(self, images: Tensor, source: Tensor | None = None) -> Codes:
        """The means: content (B, k, a, b) and domain (B, j). One encoder serves every `source`."""
        features = self.encoder.features(images)
        return Codes(self.encoder.content(features).mean, self.encoder.domain(features).mean)

    def sample_codes(self, images: Tensor, draws: Draws) -> Codes:
        """Z_c and Z_d with the training's noise (3.2)."""
        features = self.encoder.features(images)
        return Codes(self.encoder.content(features).sample(draws), self.encoder.domain(features).sample(draws))

    def decode(self, content: Tensor, domain: Tensor) -> Tensor:
        """g(Z_c, Z_d): images (B, 3, H, W) in [-1, 1]."""
        return self.decoder(content, domain)
