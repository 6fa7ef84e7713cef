"""Random changes to a batch of images: of place, of tone, of sharpness and of style.

Images are (B, 3, H, W) in [-1, 1]; every image of a batch gets its own draw from `draws`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.models.peers import Draws

WEAR = 0.15
"""Standard deviation of the noise on a worn image."""


def moved(images: Tensor, draws: Draws, *, shift: float = 0, zoom: float = 0, rotate: float = 0) -> Tensor:
    """Scaled, turned and shifted about the centre; the border is reflected inwards.

    Args:
        shift: largest shift, as a share of the side.
        zoom: largest change of scale: 0.1 is from 0.9 to 1.1 times.
        rotate: largest turn, degrees.
    """
    size = len(images)
    angle = _uniform(size, draws) * math.radians(rotate)
    scale = 1 / (1 + zoom * _uniform(size, draws))
    pixels = torch.stack([_uniform(size, draws) for _ in "xy"], dim=1) * shift * images.shape[3]
    offsets = pixels.round() * (2 / images.shape[3])  # whole pixels: a shift alone blurs nothing
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(size, 2, 2)
    affine = torch.cat([rotation * scale[:, None, None], offsets[:, :, None]], dim=2)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False).to(images.dtype)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def critic_augmented(images: Tensor, draws: Draws) -> Tensor:
    """What a critic sees of real and generated images alike, so that few images last (DiffAugment, arXiv 2006.10738).

    Brightness, saturation and contrast; a shift of up to an eighth of the side, black beyond the border;
    a black square of half the side somewhere. Differentiable in `images`.
    """
    size, side, device = len(images), images.shape[3], images.device
    images = images + _per_image(_uniform(size, draws) * 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * _per_image(_uniform(size, draws) + 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * _per_image(_uniform(size, draws) * 0.5 + 1)
    reach = side // 8
    shift_y, shift_x = draws.integers(0, 2 * reach + 1, (2, size, 1), batch_dim=1)
    places = torch.arange(side, device=device)[None]
    padded = F.pad(images, (reach,) * 4, value=-1)
    rows, columns = (places + shift_y)[:, :, None], (places + shift_x)[:, None]
    images = padded[torch.arange(size, device=device)[:, None, None], :, rows, columns].permute(0, 3, 1, 2)
    top, left = draws.integers(-(side // 4), side - side // 4 + 1, (2, size, 1), batch_dim=1)
    inside_y, inside_x = ((places >= edge) & (places < edge + side // 2) for edge in (top, left))
    hidden = (inside_y[:, :, None] & inside_x[:, None])[:, None]
    return images.masked_fill(hidden, -1.0).contiguous(memory_format=torch.channels_last)


def worn(images: Tensor, draws: Draws, blur: float | None = None) -> Tensor:
    """What is left of `images` once faint traces are gone: blurred, with noise.

    A generator can write what it is to give back into traces that nobody sees (arXiv 1712.02950).

    Args:
        blur: share of the blur, up to 1; another one for each image where it is None.
    """
    share = draws.uniform(len(images), 1, 1, 1) if blur is None else blur
    return torch.lerp(images, blurred(images, 1.0).to(images), share) + WEAR * draws.normal(images.shape)


def toned(images: Tensor, draws: Draws, amount: float) -> Tensor:
    """Random gamma, contrast and brightness. An `amount` of 0.5 is strong: a gamma from 0.6 to 1.65."""
    size = len(images)
    gamma, contrast, brightness = (_per_image(_uniform(size, draws) * amount) for _ in range(3))
    levels = images.add(1).mul(0.5).clamp(0, 1) ** gamma.exp()
    return (levels - 0.5).mul(contrast.exp()).add(0.5 * brightness).mul(2).clamp(-1, 1)


def sharpened(images: Tensor, draws: Draws, amount: float) -> Tensor:
    """From blurred (-amount) to sharpened (+amount): the difference to a Gaussian blur, taken away or added.

    Args:
        amount: 1 reaches a full blur of sigma 1.5 pixels.
    """
    change = _per_image(_uniform(len(images), draws) * amount)
    return (images + change * (images - blurred(images))).clamp(-1, 1)


def blurred(images: Tensor, sigma: float = 1.5) -> Tensor:
    """A Gaussian blur of `sigma` pixels; the border is reflected."""
    radius = math.ceil(2.5 * sigma)
    places = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-places.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, -1)
    # Channels last: convolutions of one channel each are several times as fast there.
    padded = F.pad(images, (radius,) * 4, mode="reflect").contiguous(memory_format=torch.channels_last)
    rows = F.conv2d(padded, kernel[:, :, None, :], groups=images.shape[1])
    return F.conv2d(rows, kernel[:, :, :, None], groups=images.shape[1])


def restyled(images: Tensor, draws: Draws) -> Tensor:
    """The same things as another hand would draw them: other colours, outlines, line drawings, tones."""

    def some(share: float) -> Tensor:
        return draws.uniform(len(images), 1, 1, 1) < share

    images = torch.where(some(0.5), _recoloured(images, draws), images)
    images = torch.where(some(0.2), images.mean(1, keepdim=True), images)
    lines = _line_drawing(images, draws)
    images = torch.where(some(0.35), lines, torch.where(some(0.3), torch.minimum(images, lines), images))
    images = torch.where(some(0.1), -images, images)
    images = torch.where(some(0.7), toned(images, draws, 0.4), images)
    return sharpened(images, draws, 1.0)


def _recoloured(images: Tensor, draws: Draws) -> Tensor:
    """Channels mixed at random."""
    mix = draws.normal((len(images), 3, 3)) * 0.5 + torch.eye(3, device=images.device)
    return torch.einsum("nij,njhw->nihw", mix / mix.abs().sum(2, keepdim=True), images)


def _line_drawing(images: Tensor, draws: Draws) -> Tensor:
    """Dark lines on white where neighbouring pixels differ, some drawn with a broader pen."""
    across = F.pad(images[:, :, :, 1:] - images[:, :, :, :-1], (0, 1, 0, 0))
    down = F.pad(images[:, :, 1:] - images[:, :, :-1], (0, 0, 0, 1))
    edges = (across.square() + down.square()).sum(1, keepdim=True).sqrt()
    broad = F.max_pool2d(edges, 3, 1, 1)
    chance, pressure = draws.uniform(2, len(images), 1, 1, 1, batch_dim=1)
    edges = torch.where(chance < 0.5, broad, edges)
    return (1 - (1 + 3 * pressure) * edges).clamp(-1, 1).expand(-1, 3, -1, -1)


def _uniform(size: int, draws: Draws) -> Tensor:
    """(size,) in [-1, 1)."""
    return draws.uniform(size) * 2 - 1


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]
