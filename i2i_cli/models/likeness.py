"""Whether translations still are of their own inputs, and whether they are all alike: by fixed features alone.

Nothing here is learned, so a model cannot please it: a classifier, a Frechet distance and a model's own codes were
all pleased by one image in the place of all, with faint traces of each input on it.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.models.augmentation import worn
from i2i_cli.models.family import TranslationModel
from i2i_cli.models.layers import OrientedGradients
from i2i_cli.models.peers import Draws

SIDE = 64
"""Larger images are brought to this side: what is asked is where things are, not how fine they are drawn."""

GRID = 8
"""Oriented gradients are averaged over this many places each way."""

MOST = 200
"""Translations among which each is to be told from all others: among more it is harder."""

FEWEST = 20
"""Among fewer, an input is found again by chance too often."""

_CHUNK = 128


class Likeness(NamedTuple):
    """What became of inputs that all were translated by one code.

    Args:
        found: (n,) which translations resemble their own input more than any other.
        apart: (n',) how far each lies from the nearest other one, see `apartness`.
        content_kept: (n,) which have, after blur and noise, the content code nearest to their own input's; None where
            a model does not split content from the domain.
    """

    found: Tensor
    apart: Tensor
    content_kept: Tensor | None


@torch.no_grad()
def likeness(model: TranslationModel, inputs: Tensor, a: int, b: int, real: Tensor, seed: int) -> Likeness | None:
    """Of translations by the default code; None of fewer than `FEWEST` images.

    Args:
        inputs: (n, 3, S, S) of domain `a`, of which the first `MOST` are taken.
        real: (n', 384), `layout` of real images of domain `b`.
    """
    inputs, real = inputs[:MOST], real[:MOST]
    if min(len(inputs), len(real)) < FEWEST:
        return None
    code, draws = model.target_codes(b)[:1].to(inputs.device), Draws(torch.Generator(inputs.device).manual_seed(seed))
    made, contents, again = [], [], []
    for images in inputs.split(_CHUNK):
        ours, theirs = (torch.full((len(images),), label, device=images.device) for label in (a, b))
        content = model.encode(images, ours).content
        outputs = model.decode(content, code.expand(len(images), *code.shape[1:])).float()
        made.append(layout(outputs))
        contents.append(content.flatten(1))
        again.append(model.encode(worn(outputs, draws, blur=1.0), theirs).content.flatten(1))
    layouts = torch.cat(made)
    kept = found_again(torch.cat(again), torch.cat(contents)) if model.splits_codes else None
    return Likeness(found_again(layouts, layout(inputs)), apartness(layouts, real), kept)


@torch.no_grad()
def layout(images: Tensor) -> Tensor:
    """Where images (B, 3, S, S) have edges, and which way they run: (B, 384), blind to colour and tone."""
    if images.shape[-1] > SIDE:
        images = F.interpolate(images.float(), (SIDE, SIDE), mode="area")
    edges = OrientedGradients().to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        return torch.cat(
            [F.adaptive_avg_pool2d(edges(chunk), GRID).flatten(1) for chunk in images.float().split(_CHUNK)]
        )


def found_again(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Which of `outputs` (n, f) lie nearest to the input in the same row among all `inputs` (n, f).

    By cosine, each set less its mean: what all outputs share tells nothing of an input.
    """
    first, second = (F.normalize(side - side.mean(0), dim=1) for side in (outputs.float(), inputs.float()))
    return (first @ second.T).argmax(1) == torch.arange(len(inputs), device=inputs.device)


def nearest_other(features: Tensor) -> Tensor:
    """Distance (n,) of each row of `features` (n, f) to the nearest other one."""
    distances = torch.cdist(features, features)
    return distances.fill_diagonal_(torch.inf).min(1).values


def apartness(outputs: Tensor, real: Tensor) -> Tensor:
    """How far each output (n,) lies from its nearest other, as a share of that among real images; 0 where all are one.

    Args:
        outputs, real: features (n, f) and (n', f), two at least, as `layout` gives them. As many of either are looked
            at, since the nearest of many is nearer.
    """
    count = min(len(outputs), len(real))
    return nearest_other(outputs[:count]) / nearest_other(real[:count]).mean().clamp_min(1e-9)


def gradient_energy(images: Tensor) -> Tensor:
    """Mean squared difference between neighbouring pixels (B,): what blur takes away first."""
    across, down = images.diff(dim=3).square().mean((1, 2, 3)), images.diff(dim=2).square().mean((1, 2, 3))
    return across + down
