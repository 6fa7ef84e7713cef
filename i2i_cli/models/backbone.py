"""The first stages of EfficientNet-Lite0, trained on ImageNet: fixed features to compare and judge images by.

The bundled `weights/backbone.safetensors` holds them with the batch statistics folded into the
convolutions; `benchmarks/backbone.py` made it from the published weights (Apache-2.0). Nothing here
is trained or saved: a critic puts heads on these features, and the perceptual loss compares them.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from i2i_cli.bundled import bundled_folder
from i2i_cli.errors import WeightsError

FILE = "backbone.safetensors"


class Stage(NamedTuple):
    """Inverted residual blocks of one size (arXiv 1801.04381)."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM_CHANNELS = 32
STAGES = (Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80))


class FixedConv(nn.Module):
    """A convolution of fixed weights with TensorFlow's "same" padding (for even sides), and ReLU6 where `activate`."""

    weight: Tensor
    bias: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, activate: bool = True):
        super().__init__()
        self.stride, self.groups, self.activate = stride, groups, activate
        self.padding = kernel - stride
        # Not saved: the weights never change, and come with the package.
        weight = torch.zeros(outputs, inputs // groups, kernel, kernel)
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", torch.zeros(outputs), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.padding // 2, self.padding - self.padding // 2
        if before != after:
            x = F.pad(x, (before, after, before, after))
            before = 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, before, groups=self.groups)
        return F.hardtanh(x, 0.0, 6.0) if self.activate else x


class InvertedResidual(nn.Module):
    """Widen, filter every channel by itself, narrow; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        widen = [FixedConv(inputs, wide, 1)] if stage.expansion > 1 else []
        depthwise = FixedConv(wide, wide, stage.kernel, stride, groups=wide)
        self.layers = nn.Sequential(*widen, depthwise, FixedConv(wide, outputs, 1, activate=False))
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds_input else self.layers(x)


class Backbone(nn.Module):
    """Feature maps of images (B, 3, H, W) in [-1, 1] at 1/2, 1/4, 1/8 and 1/16 of their side."""

    CHANNELS = tuple(stage.channels for stage in STAGES)

    def __init__(self) -> None:
        super().__init__()
        self.stem = FixedConv(3, STEM_CHANNELS, 3, stride=2)
        stages, inputs = [], STEM_CHANNELS
        for stage in STAGES:
            blocks = []
            for index in range(stage.blocks):
                blocks.append(InvertedResidual(inputs, stage.channels, stage, stage.stride if index == 0 else 1))
                inputs = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.stem(images)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def fill(backbone: Backbone, tensors: dict[str, Tensor]) -> None:
    """Put `tensors` in the places of the backbone's own.

    Raises:
        WeightsError: one is missing, left over or of another shape.
    """
    own = dict(backbone.named_buffers())
    wrong = list(own.keys() ^ tensors.keys())
    wrong += [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    if wrong:
        raise WeightsError(f"the backbone's weights do not fit at {min(wrong)}", "install i2i-cli again")
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def load_backbone(path: Path | None = None) -> Backbone:
    """The backbone with the bundled weights, or those at `path`, in float32.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    path = path or bundled_folder() / FILE
    backbone = Backbone()
    try:
        fill(backbone, load_file(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot read the bundled features {path}: {error}", "install i2i-cli again") from error
    return backbone
