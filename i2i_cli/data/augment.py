"""From packed uint8 squares to what a model is trained on: range, layout and augmentation, on the device."""

from dataclasses import dataclass

import torch
from torch import Tensor

from i2i_cli.errors import ConfigError
from i2i_cli.models.augmentation import moved, sharpened, toned
from i2i_cli.models.peers import Draws

FRAMINGS = ("", "face")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and what is done to them in training.

    Args:
        root: the folder of domains; "" is the built-in sample set.
        terms: under which terms they may be used; the weights and their card say so.
        image_size: side of the model's square, pixels.
        framing: how they are cut: "face" as FFHQ cuts faces, "" in no way that is known. Commands cut photos alike.
        pairs: "auto" scores against images of the same pair key; "none" says the keys mean nothing.
        flip: mirror half of the training images. Off unless asked for: it ruins letters and x-rays.
        shift: largest random shift, as a share of the side; the border is reflected.
        zoom: largest random change of scale; 0.1 is from 0.9 to 1.1 times.
        rotate: largest random turn, degrees.
        tone: strength of random gamma, contrast and brightness: for images of several devices.
        sharpness: strength of random blur and sharpening, likewise.
    """

    root: str = ""
    terms: str = ""
    image_size: int = 64
    framing: str = ""
    pairs: str = "auto"
    flip: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    rotate: float = 0.0
    tone: float = 0.0
    sharpness: float = 0.0

    def __post_init__(self) -> None:
        if self.pairs not in ("auto", "none"):
            raise ConfigError(f"data.pairs = {self.pairs!r} is not known", "use auto or none")
        if self.framing not in FRAMINGS:
            raise ConfigError(f"data.framing = {self.framing!r} is not known", 'use "face", or "" for none')
        limits = {"shift": 0.5, "zoom": 0.9, "rotate": 180.0, "tone": 2.0, "sharpness": 2.0}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ConfigError(f"data.{name} = {getattr(self, name):g} is out of range", f"use 0 to {limit:g}")


def to_model_range(squares: Tensor, device: torch.device) -> Tensor:
    """uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1] on `device`, channels last in memory."""
    return from_levels(squares.to(device, non_blocking=True))


def to_bytes(images: Tensor) -> Tensor:
    """Float (B, 3, S, S) in [-1, 1] to uint8 (B, S, S, 3) on the CPU."""
    return to_levels(images).contiguous().cpu()


def from_levels(levels: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1], where they are."""
    return levels.permute(0, 3, 1, 2).to(torch.float32).mul(1 / 127.5).sub(1.0)


def to_levels(images: Tensor) -> Tensor:
    """Float (B, 3, S, S) in [-1, 1] to uint8 (B, S, S, 3), where they are."""
    return images.float().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def augmented(images: Tensor, config: DataConfig, draws: Draws) -> Tensor:
    """`images` (B, 3, S, S) randomly changed, as far as `config` allows."""
    if config.flip:
        mirrored = draws.uniform(len(images)) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if config.shift or config.zoom or config.rotate:
        images = moved(images, draws, shift=config.shift, zoom=config.zoom, rotate=config.rotate)
    if config.tone:
        images = toned(images, draws, config.tone)
    if config.sharpness:
        images = sharpened(images, draws, config.sharpness)
    return images.contiguous(memory_format=torch.channels_last)
