"""A fixed network whose features measure how real and how varied sets of images are; it trains nothing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.models.layers import SLOPE

SIDE = 64
"""Images are measured at this side."""

NUM_FEATURES = 128


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    # Batch statistics, fixed after training, keep an image's own brightness and contrast; GroupNorm takes them out.
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE)
    )


class FeatureNetwork(nn.Module):
    """(B, 128) features of images (B, 3, H, W) in [-1, 1] of any size.

    Trained by `benchmarks/features.py` to tell domains, attributes and kinds of damage (blur, noise,
    stripes, lost colour) apart, so that its features move with each of them.
    """

    num_features = NUM_FEATURES
    """Under the name that torchmetrics looks for."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _block(3, 32, 2), _block(32, 64, 2), _block(64, 128, 2), _block(128, 128, 1),
            _block(128, 128, 2), _block(128, NUM_FEATURES, 1),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        images = images.float()
        if images.shape[-1] > SIDE:
            images = F.interpolate(images, (SIDE, SIDE), mode="area")
        elif images.shape[-1] < SIDE:
            images = F.interpolate(images, (SIDE, SIDE), mode="bilinear")
        with torch.autocast(images.device.type, enabled=False):
            return self.layers(images).mean((2, 3))
