"""The dual GAN's networks that survive training: two encoders, one generator (paper appendix, tables 1 and 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i2i_cli.errors import ConfigError
from i2i_cli.models.dual.roles import roles_of
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.layers import SLOPE, start_alike

IMAGE_SIZES = (32, 64, 128, 256)
UPSAMPLINGS = ("deconvolution", "resize")

CODE_LENGTH = 4096
"""Numbers in a code: the tables' 2 x 2 x 1024."""

_DEEP = {2: 512, 4: 256, 8: 128}
"""Channels of table 1 at its smallest sides."""


@dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Which domains play which part, and the sizes of encoders and generator.

    Args:
        inputs: the two domains that are given, one of each category: (sketch_bag, photo_shoe).
        outputs: the two that come out; `outputs[i]` keeps the category of `inputs[i]`: (photo_bag, sketch_shoe).
        both_directions: translate outputs to inputs too, by the same networks: the paper's experiment 2.
        width: factor on all channels of the paper's tables; 1 is the tables.
        code_side: side of the encoders' last row, whose 4096 numbers (x width) are the code. 2 is the
            tables'; 0 is an eighth of the image's.
            Differs from the paper: from 2 x 2 numbers outlines come back far later.
        upsampling: how the generator doubles the side: "deconvolution" is the tables' layer; "resize"
            is a convolution of the same kernel and channels, then nearest neighbours.
            Differs from the paper: stride-2 deconvolutions of side 3 overlap unevenly and leave a grid.
        normalise: after every convolution of encoders and generator but the last, all numbers of an image
            to mean 0 and variance 1 together: of each channel alone, colours would be lost.
            Differs from the paper: without it a dozen layers see little but the background that all
            sketches share, and the generator settles on it for good.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    both_directions: bool = True
    width: float = 1.0
    code_side: int = 0
    upsampling: str = "resize"
    normalise: bool = True

    def __post_init__(self) -> None:
        if not 1 / 16 <= self.width <= 4:
            raise ConfigError(
                f"networks.width = {self.width:g} is out of range", "use a factor from 0.0625 to 4; 1 is the paper's"
            )
        if self.upsampling not in UPSAMPLINGS:
            raise ConfigError(
                f"networks.upsampling = {self.upsampling!r} is not known", f"use {' or '.join(UPSAMPLINGS)}"
            )

    def channels(self, count: int) -> int:
        """`count` channels of the tables at this width; a multiple of 4."""
        return max(4, 4 * round(self.width * count / 4))

    def code_shape(self, image_size: int) -> tuple[int, int]:
        """Channels and side of the encoders' last row.

        Raises:
            ConfigError: the tables cannot be brought to this image size, or to the code's side.
        """
        if image_size not in IMAGE_SIZES:
            raise ConfigError(
                f"this model cannot have images of {image_size} pixels",
                f"use one of {', '.join(map(str, IMAGE_SIZES))}",
            )
        side = self.code_side or image_size // 8
        sides = [2**power for power in range(1, 7) if 4 * 2**power <= image_size]
        if side not in sides:
            known = f"use one of {', '.join(map(str, sides))}, or 0 for an eighth of the image's side"
            raise ConfigError(f"networks.code_side = {side} does not fit images of {image_size} pixels", known)
        return self.channels(CODE_LENGTH // side**2), side


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, normalise: bool = False) -> nn.Sequential:
    """A row of the tables: convolution and leaky ReLU, a normalisation between them if asked for."""
    layer = started(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), inputs * kernel**2)
    return nn.Sequential(layer, *_normalisation(outputs, normalise), nn.LeakyReLU(SLOPE))


def _normalisation(channels: int, wanted: bool) -> list[nn.Module]:
    return [nn.GroupNorm(1, channels)] if wanted else []


def started(layer: nn.Conv2d | nn.ConvTranspose2d, fan_in: float) -> nn.Module:
    """`layer` with He's initialisation, so that a dozen rows keep the variance."""
    nn.init.normal_(layer.weight, std=(2 / (1 + SLOPE**2) / fan_in) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Encoder(nn.Sequential):
    """E: images (B, 3, H, W) to codes z (B, 4096 x width) (table 1)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        def row(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            from_image = inputs == 3
            channels = (inputs if from_image else config.channels(inputs)), config.channels(outputs)
            return convolution(*channels, kernel, stride, config.normalise)

        rows = [row(3, 16, 1), row(16, 16, 3, 2), row(16, 32, 5), row(32, 32, 3)]
        inputs, side, (_, code_side) = 32, image_size // 2, config.code_shape(image_size)
        while side > code_side:
            side //= 2
            outputs = _DEEP.get(side, 64)
            last = CODE_LENGTH // side**2 if side == code_side else outputs
            rows += [row(inputs, outputs, 5, 2), row(outputs, last, 3)]
            inputs = outputs
        start_alike(rows[-1][0])
        # Flattened so that the generator's reshape puts every number back in its part of the image.
        super().__init__(*rows, nn.PixelShuffle(2), nn.Flatten())


def upsampling(channels: int, config: NetworksConfig) -> nn.Sequential:
    """Twice the side at the same number of channels: a row "deconv 3 x 3" of table 3."""
    if config.upsampling == "resize":
        return nn.Sequential(convolution(channels, channels, 3, 1, config.normalise), nn.Upsample(scale_factor=2))
    layer = started(nn.ConvTranspose2d(channels, channels, 3, 2, 1, output_padding=1), channels * 9 / 4)
    return nn.Sequential(layer, *_normalisation(channels, config.normalise), nn.LeakyReLU(SLOPE))


def _channels_at(side: int) -> int:
    """Channels of table 3 at each side: 512 at 4, halved with every doubling, 32 from 64 on."""
    return max(2048 // side, 32)


class Generator(nn.Module):
    """G: two codes, the first settling the category and the second the expression, to an image (table 3)."""

    def __init__(self, config: NetworksConfig, image_size: int) -> None:
        super().__init__()

        def row(inputs: int, outputs: int) -> nn.Module:
            return convolution(config.channels(inputs), config.channels(outputs), 3, 1, config.normalise)

        channels, code_side = config.code_shape(image_size)
        self.side = side = 2 * code_side
        inputs = _channels_at(side)
        rows: list[nn.Module] = [convolution(2 * channels // 4, config.channels(inputs), 3, 1, config.normalise)]
        while side < image_size:
            side *= 2
            rows += [upsampling(config.channels(inputs), config), row(inputs, _channels_at(side))]
            inputs = _channels_at(side)
        last = config.channels(32)
        self.rows = nn.Sequential(*rows, row(inputs, 32), started(nn.Conv2d(last, 3, 1), last))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] from two codes (B, n)."""
        code = torch.cat([first, second], dim=1).view(first.shape[0], -1, self.side, self.side)
        return self.rows(code.contiguous(memory_format=torch.channels_last)).float().tanh()


class DualGAN(TranslationModel):
    """E1, E2 and G: `decode(z_a, z_b)` shows what a shows, in b's expression (paper 3.1, figure 2)."""

    needs_source = True
    splits_codes = False

    def __init__(self, config: NetworksConfig, image_size: int, domains: Sequence[str]) -> None:
        channels, side = config.code_shape(image_size)
        length = channels * side**2
        super().__init__(image_size, len(domains), (length,), (length,))
        self.config = config
        self.domains = tuple(domains)
        self.roles = roles_of(config.inputs, config.outputs, domains)
        self.encoders = nn.ModuleList(Encoder(config, image_size) for _ in self.roles.inputs)
        self.generator = Generator(config, image_size)

    def encode(self, images: Tensor, source: Tensor | None = None) -> Codes:
        """z (B, n) twice, by the encoder of each image's category; without a source by E1."""
        if source is None:
            z = self.encoders[0](images)
        elif torch.compiler.is_exporting():  # both of all images: a graph has no branches
            categories = torch.tensor([self.roles.category(label) for label in range(self.num_domains)])
            first, second = (encoder(images) for encoder in self.encoders)
            z = torch.where(categories[source][:, None] == 1, second, first)
        else:
            is_second = torch.tensor([self.roles.category(label) == 1 for label in source.tolist()])
            z = images.new_empty(len(images), *self.content_code_shape)
            for own, encoder in zip((~is_second, is_second), self.encoders, strict=True):
                if own.any():
                    z[own.to(z.device)] = encoder(images[own.to(z.device)]).to(z)
        return Codes(z, z)

    def decode(self, content: Tensor, domain: Tensor) -> Tensor:
        """G(first, second): images (B, 3, H, W) in [-1, 1]."""
        return self.generator(content, domain)

    def rebuilding_codes(self, codes: Codes, source: Tensor | None) -> Tensor:
        """z' (B, n) of an image of the same expression and the other category, the default one.

        G(z, z') is what `identity` trains; G(z, z) is never seen in training.
        """
        assert source is not None
        lenders = torch.tensor([self.code_lender(label) for label in range(self.num_domains)], device=source.device)
        return self.kept_codes[lenders[source], 0]

    def code_lender(self, label: int) -> int:
        """The domain of the same expression and the other category: a photo of a shoe makes a bag a photo."""
        return self.roles.partner(label)

    def targets_of(self, label: int) -> tuple[int, ...]:
        """The same category in the other expression, if that direction is trained: what an image shows is kept."""
        is_made = self.config.both_directions or label in self.roles.inputs
        return (self.roles.counterpart(label),) if is_made else ()

    def comparable_with(self, label: int) -> tuple[int, ...]:
        """The other domain of the same encoder."""
        return (self.roles.counterpart(label),)
