"""What SRAE's streams are made of, and the trunks that they may have of their own."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.models.backbone import Backbone, load_backbone
from i2i_cli.models.layers import ConvBlock, OrientedGradients, ResidualBlock


def stages(inputs: int, widths: list[int], first_stride: int, num_blocks: int) -> list[nn.Module]:
    """Convolutions that halve the side, then residual blocks."""
    strides = [first_stride, *(2 for _ in widths[1:])]
    sizes = zip([inputs, *widths[:-1]], widths, strides, strict=True)
    return [
        *(ConvBlock(i, o, stride=stride) for i, o, stride in sizes),
        *(ResidualBlock(widths[-1]) for _ in range(num_blocks)),
    ]


def content_stream(inputs: int, outputs: int) -> nn.Sequential:
    """f_c: features (B, inputs, a, b) to the content code's numbers (B, outputs, a, b)."""
    return nn.Sequential(ConvBlock(inputs, inputs), ResidualBlock(inputs), nn.Conv2d(inputs, outputs, 1))


def edge_trunk(widths: list[int], num_blocks: int) -> nn.Sequential:
    """A trunk that sees oriented edges of the images, and no colours."""
    edges = OrientedGradients()
    return nn.Sequential(edges, *stages(edges.NUM_ORIENTATIONS, widths, 1, num_blocks))


class PooledBackbone(nn.Module):
    """Maps of the fixed backbone, pooled to `side`: (B, 3, H, W) to (B, CHANNELS, side, side)."""

    NUM_MAPS = 3
    CHANNELS = sum(Backbone.CHANNELS[-NUM_MAPS:])

    def __init__(self, side: int) -> None:
        super().__init__()
        self.backbone = load_backbone()
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():  # no loss is to move an image by them
            maps = self.backbone(images)[-self.NUM_MAPS :]
            return torch.cat([F.adaptive_avg_pool2d(x, self.side) for x in maps], dim=1)


class BesideBackbone(nn.Module):
    """The features of another trunk, and beside them those of the fixed backbone, pooled to `side`."""

    def __init__(self, trunk: nn.Module, side: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.known = PooledBackbone(side)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.trunk(images), self.known(images)], dim=1)


class TwoHalves(nn.Module):
    """The content stream over `BesideBackbone`: half of the code from either side, of equal length.

    The backbone's half is linear: a deeper one found no more neighbours.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.sizes = [width, PooledBackbone.CHANNELS]
        self.own = content_stream(width, outputs // 2)
        self.known = nn.Conv2d(self.sizes[1], outputs - outputs // 2, 1, bias=False)
        nn.init.orthogonal_(self.known.weight)

    def forward(self, x: Tensor) -> Tensor:
        own, known = x.split(self.sizes, dim=1)
        return torch.cat([F.layer_norm(y, y.shape[1:]) for y in (self.own(own), self.known(known))], dim=1)
