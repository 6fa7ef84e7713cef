"""The perceptual loss on fixed features (SRAE 3.3, figure 3). The only importer of torchvision.models."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import VGG16_Weights
from torchvision.models.vgg import cfgs, make_layers

from i2i_cli.bundled import is_offline
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.models.backbone import load_backbone
from i2i_cli.models.peers import ALONE, Peers

DOWNLOAD = "528 MB"
LAYERS = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_3": 22, "relu5_3": 29}
"""Names of the usual VGG-16 feature layers -> their place in torchvision's `features`."""

_CHOICES = ("auto", "imagenet", "bundled", "random", "none")


def resolve_choice(choice: str, has_pixel_loss: bool) -> str:
    """What `--perceptual CHOICE` comes to on this machine: "imagenet", "random", "none" or a path.

    "auto" is ImageNet where torchvision's weights are cached already, and never downloads. Elsewhere
    it is none: random features left a grid on faces at 64 px and slowed everything else down
    (README, figures). Without a pixel loss, random features have to do.
    """
    if choice == "auto":
        return "imagenet" if is_cached() else "none" if has_pixel_loss else "random"
    if choice == "imagenet" and is_offline() and not is_cached():
        raise ConfigError(
            f"--offline: VGG-16's ImageNet weights ({DOWNLOAD}) are not on this machine",
            "use --perceptual bundled, which needs no download",
        )
    if choice in _CHOICES:
        return choice
    if Path(choice).is_file():
        return str(Path(choice).absolute())
    raise ConfigError(
        f"--perceptual {choice!r} is neither a file nor a choice", f"use {', '.join(_CHOICES)} or a VGG-16 weights file"
    )


def is_cached() -> bool:
    """Whether torchvision's ImageNet weights of VGG-16 are on this machine already."""
    name = Path(urlparse(VGG16_Weights.IMAGENET1K_V1.url).path).name
    return Path(torch.hub.get_dir(), "checkpoints", name).is_file()


class PerceptualLoss(nn.Module):
    """Distance between the features of two batches of images, summed over layers.

    Args:
        choice: "imagenet", "bundled", "random" or a file of VGG-16 weights, as `resolve_choice` gives it.
        layers: names from `LAYERS`, of VGG-16; the bundled backbone is always taken whole.
        distance: "squared" as printed in 3.3, or "relative": the mean absolute difference over the
            mean absolute feature, which weighs all layers alike.

    Differs from the paper: "squared" is the mean over positions and channels, not their sum, so
    that its weight means the same at every image size.
    """

    def __init__(self, choice: str, layers: tuple[str, ...], distance: str) -> None:
        super().__init__()
        self.distance = distance
        self.network: nn.Module = load_backbone() if choice == "bundled" else VGG16Features(choice, layers)

    @torch.no_grad()
    def features(self, target: Tensor) -> list[Tensor]:
        """The features that images are compared by."""
        return self.network(target)

    def forward(self, images: Tensor, wanted: Sequence[Tensor], peers: Peers = ALONE) -> Tensor:
        """The loss of `images` against those whose `features` are `wanted`, a scalar (SRAE 3.3, L_r)."""
        with torch.no_grad():
            sizes = peers.mean(torch.stack([want.float().abs().mean() for want in wanted]))
        total = images.new_zeros(())
        for got, want, size in zip(self.network(images), wanted, sizes, strict=True):
            if self.distance == "squared":
                total = total + F.mse_loss(got.float(), want.float())
            else:
                total = total + (got - want).float().abs().mean() / size
        return total


class VGG16Features(nn.Module):
    """Feature maps of images (B, 3, H, W) in [-1, 1], one for each of `layers`; cut after the last of them."""

    mean: Tensor
    std: Tensor

    def __init__(self, choice: str, layers: tuple[str, ...]) -> None:
        super().__init__()
        unknown = [layer for layer in layers if layer not in LAYERS]
        if unknown or not layers:
            raise ConfigError(f"perceptual layers {list(layers)} are not VGG-16's", f"known: {', '.join(LAYERS)}")
        self.taps = frozenset(LAYERS[layer] for layer in layers)
        features = make_layers(cfgs["D"])[: max(self.taps) + 1]
        if choice == "random":
            _initialise_randomly(features)
        else:
            _load(features, choice)
        self.plan: list[str] = []
        for index, layer in enumerate(features):
            self.plan.append(type(layer).__name__)
            if isinstance(layer, nn.Conv2d):
                # Buffers that are not saved: the weights never change and the header names them.
                self.register_buffer(f"weight{index}", layer.weight.detach(), persistent=False)
                self.register_buffer(f"bias{index}", layer.bias.detach(), persistent=False)  # type: ignore[union-attr]
        transform = VGG16_Weights.IMAGENET1K_V1.transforms()
        self.register_buffer("mean", torch.tensor(transform.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(transform.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images * 0.5 + 0.5 - self.mean) / self.std
        found = []
        for index, kind in enumerate(self.plan):
            if kind == "Conv2d":
                x = F.conv2d(x, getattr(self, f"weight{index}"), getattr(self, f"bias{index}"), padding=1)
            elif kind == "ReLU":
                x = F.relu(x)
            else:
                x = F.max_pool2d(x, 2)
            if index in self.taps:
                found.append(x)
        return found


def _initialise_randomly(features: nn.Sequential) -> None:
    """Orthogonal weights, always the same ones, with the gain that keeps the variance through ReLU."""
    generator = torch.Generator().manual_seed(16)
    for layer in features:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.orthogonal_(layer.weight, gain=2**0.5, generator=generator)
            nn.init.zeros_(layer.bias)


def _load(features: nn.Sequential, choice: str) -> None:
    """Fill `features` from ImageNet weights or a file of them (safetensors, or torchvision's own)."""
    path = Path(choice)
    try:
        if choice == "imagenet":
            state = VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True, weights_only=True)
        elif path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.hub.load_state_dict_from_url(
                path.as_uri(), model_dir=str(path.parent), file_name=path.name, weights_only=True
            )
        own = {key.removeprefix("features."): value for key, value in state.items()}
        features.load_state_dict({key: own[key] for key in features.state_dict()})
    except Exception as error:  # whatever the download or the parser of a stranger's file raises
        raise WeightsError(
            f"cannot load VGG-16 weights from {choice!r}: {error}", "use --perceptual random, which needs no file"
        ) from error
