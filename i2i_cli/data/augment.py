"""From packed uint8 crops to what a model is trained on: range, layout and augmentation, on the device."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and what is done to them in training.

    Args:
        root: the folder of domains; "" is the built-in sample set.
        image_size: side of the model's square, pixels.
        pairs: "auto" scores against images of the same pair key; "none" says the keys mean nothing.
        flip: mirror half of the training images. Off unless asked for: it ruins letters and x-rays.
        shift: largest random shift, as a share of the side; the border is reflected.
    """

    root: str = ""
    image_size: int = 64
    pairs: str = "auto"
    flip: bool = False
    shift: float = 0.0

    def __post_init__(self) -> None:
        if self.pairs not in ("auto", "none"):
            raise ConfigError(f"data.pairs = {self.pairs!r}", "use auto or none")
        if not 0 <= self.shift < 0.5:
            raise ConfigError(f"data.shift = {self.shift}", "use a share of the side from 0 to 0.5")


def to_model_range(crops: Tensor, device: torch.device) -> Tensor:
    """uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1] on `device`, channels last in memory."""
    images = crops.to(device, non_blocking=True).permute(0, 3, 1, 2)
    return images.to(torch.float32).mul_(1 / 127.5).sub_(1.0)


def to_bytes(images: Tensor) -> Tensor:
    """Float (B, 3, S, S) in [-1, 1] to uint8 (B, S, S, 3) on the CPU."""
    levels = images.float().add(1.0).mul(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu()


def augmented(images: Tensor, config: DataConfig, generator: torch.Generator) -> Tensor:
    """Randomly mirrored and shifted `images` (B, 3, S, S), as far as `config` allows."""
    size = len(images)
    if config.flip:
        mirrored = torch.rand(size, generator=generator, device=images.device) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if margin := round(config.shift * images.shape[3]):
        images = _shifted(images, margin, generator)
    return images.contiguous(memory_format=torch.channels_last)


def _shifted(images: Tensor, margin: int, generator: torch.Generator) -> Tensor:
    size, side, device = len(images), images.shape[3], images.device
    offsets = torch.randint(0, 2 * margin + 1, (2, size, 1), generator=generator, device=device)
    rows, columns = (offset + torch.arange(side, device=device) for offset in offsets)
    padded = F.pad(images, (margin,) * 4, mode="reflect").permute(0, 2, 3, 1)
    which = torch.arange(size, device=device)[:, None, None]
    return padded[which, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
