"""What SRAE's domain stream is made of, and the trunk that it may have of its own."""

from torch import Tensor, nn

from i2i_cli.models.layers import ConvBlock, ImageStandardisation
from i2i_cli.models.srae.content import PooledBackbone

KNOWN_SIZE = 4
"""Side that the backbone's maps are pooled to."""

USUAL_CONTRAST = 0.5
"""Standard deviation of photographs in [-1, 1], about: what the backbone was trained on."""


def domain_stream(inputs: int, outputs: int) -> nn.Sequential:
    """f_d: features (B, inputs, a, b) to the numbers of mu_d and sigma_d (B, outputs)."""
    return nn.Sequential(
        ConvBlock(inputs, inputs, stride=2),
        ConvBlock(inputs, inputs, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(inputs, outputs, 1),
        nn.Flatten(),
    )


class KnownFeatures(nn.Module):
    """The backbone's maps of images, (B, PooledBackbone.CHANNELS, 4, 4), at the contrast that it was trained on."""

    def __init__(self, standardise: bool) -> None:
        super().__init__()
        self.entrance = ImageStandardisation() if standardise else None
        self.known = PooledBackbone(KNOWN_SIZE)

    def forward(self, images: Tensor) -> Tensor:
        return self.known(images if self.entrance is None else USUAL_CONTRAST * self.entrance(images))


def known_stream(outputs: int) -> nn.Sequential:
    """f_d over `KnownFeatures`: linear, for a deeper one learns what only the images it is trained on have."""
    shape = (PooledBackbone.CHANNELS, KNOWN_SIZE, KNOWN_SIZE)
    linear = nn.Linear(PooledBackbone.CHANNELS * KNOWN_SIZE**2, outputs)
    nn.init.orthogonal_(linear.weight)
    return nn.Sequential(nn.LayerNorm(shape, elementwise_affine=False), nn.Flatten(), linear)
