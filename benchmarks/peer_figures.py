"""What a translation between two domains is worth, for any model: figures that it cannot please all at once.

judged      share that a fresh classifier of real images takes for the target; by drawn codes, as the next ones are
Frechet     distance to real held-out images on the bundled feature network; in brackets of rebuilt ones, the floor
kernel      the same as a kernel distance, times 1,000
precision   share of translations within the real images' manifold; recall: of real ones within the translations'
sharpness   gradient energy, as a share of that of real images
edges       correlation with the edges of the own input; in brackets with another's
error       mean absolute error against the true counterpart, where there is one, images in [-1, 1]
found       share whose own input is the most alike by where oriented edges are; by one code, as the next ones are
apart       distance to the nearest other translation, as a ratio to that among real images
variety     mean distance between translations of different inputs, by drawn codes, on pixels and on the network's
            features, as ratios to that between real images: what the dual paper calls intra-class variation
by one code the same on pixels by one code; by codes: of one input. CycleGAN makes one output of an input
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from translations import NUM_ACROSS, NUM_CODES, variety

from i2i_cli.jobs.evaluation.realism import frechet, inside, kernel
from i2i_cli.jobs.evaluation.translations import agreement
from i2i_cli.models.likeness import MOST, apartness, found_again, gradient_energy, layout
from i2i_cli.models.probes import Judge

CHUNK = 64
COLUMNS = (
    "judged", "Frechet", "kernel", "precision, recall", "sharpness", "edges", "error", "found", "apart",
    "variety on pixels, features", "by one code, by codes",
)  # fmt: skip


class Translating(Protocol):
    """What is asked of every model, ours or a peer: see `peer_networks.Peer`. Labels are 0 and 1."""

    def encode(self, images: Tensor, source: int) -> Tensor: ...

    def decode(self, content: Tensor, codes: Tensor | None, target: int) -> Tensor: ...

    def codes(self, target: int) -> Tensor | None: ...

    def rebuilt(self, images: Tensor, label: int) -> Tensor | None: ...


@dataclass(frozen=True)
class Outputs:
    """Held-out images in the other domain, (n, 3, S, S) each.

    Args:
        drawn: each by a code that was drawn for it.
        by_one: all by one code; where a model has no codes, the same.
        over_codes: (inputs, codes, 3, S, S): a few inputs, each by several codes.
        rebuilt: real images of the target from their own codes.
    """

    drawn: Tensor
    by_one: Tensor
    over_codes: Tensor | None = None
    rebuilt: Tensor | None = None


@dataclass(frozen=True)
class Way:
    """One direction between the domains, from images (n, 3, S, S) of domain 1 - `target`.

    Args:
        real: held-out images of the target.
        truth: the inputs' true counterparts; None where there are none.
        judge: knows the target as `label`.
        network: images -> features to take distances on.
    """

    target: int
    inputs: Tensor
    real: Tensor
    truth: Tensor | None
    judge: Judge
    label: int
    network: Callable[[Tensor], Tensor]

    def features(self, images: Tensor) -> Tensor:
        """(n, f) of the network."""
        return torch.cat([self.network(chunk) for chunk in images.split(CHUNK)])


@torch.no_grad()
def made_by(model: Translating, way: Way) -> Outputs:
    """What `model` makes of the way's inputs."""
    target, codes = way.target, model.codes(way.target)
    content = torch.cat([model.encode(chunk, 1 - target) for chunk in way.inputs.split(CHUNK)])
    rebuilt = [made for chunk in way.real.split(CHUNK) if (made := model.rebuilt(chunk, target)) is not None]
    floor = torch.cat(rebuilt).clamp(-1, 1) if rebuilt else None

    def decoded(content: Tensor, by: Tensor | None) -> Tensor:
        parts = content.split(CHUNK)
        codes = by.split(CHUNK) if by is not None else [None] * len(parts)
        made = [model.decode(part, code, target) for part, code in zip(parts, codes, strict=True)]
        return torch.cat(made).clamp(-1, 1)

    if codes is None:
        outputs = decoded(content, None)
        return Outputs(outputs, outputs, None, floor)
    drawn = codes[torch.randint(len(codes), (len(content),), generator=torch.Generator().manual_seed(0))]
    few = [decoded(row[None].expand(NUM_CODES, *row.shape), codes[:NUM_CODES]) for row in content[: 2 * NUM_CODES]]
    one = codes[:1].expand(len(content), *codes.shape[1:])
    return Outputs(decoded(content, drawn), decoded(content, one), torch.stack(few), floor)


@torch.no_grad()
def figures(made: Outputs, way: Way) -> list[str]:
    """The cells of `COLUMNS`."""
    features, real = way.features(made.drawn), way.features(way.real)
    floor = None if made.rebuilt is None else way.features(made.rebuilt)
    judged = torch.cat([way.judge(chunk).argmax(1) for chunk in made.drawn.split(CHUNK)]) == way.label
    layouts, unit = layout(made.by_one[:MOST]), variety(way.real[:NUM_ACROSS])
    over = made.over_codes
    codes = "one" if over is None else f"{sum(map(variety, over)) / len(over) / unit:.2f}"
    other = float(agreement(way.inputs.roll(1, 0), made.drawn).mean())
    return [
        f"{float(judged.float().mean()):.1%}",
        _with_floor(frechet(features, real), None if floor is None else frechet(floor, real)),
        _with_floor(kernel(features, real)[0], None if floor is None else kernel(floor, real)[0]),
        f"{float(inside(features, real).float().mean()):.2f}, {float(inside(real, features).float().mean()):.2f}",
        f"{float(gradient_energy(made.drawn).mean() / gradient_energy(way.real).mean()):.2f}",
        f"{float(agreement(way.inputs, made.drawn).mean()):.2f} ({other:.2f})",
        "" if way.truth is None else f"{float((made.drawn - way.truth).abs().mean()):.3f}",
        f"{float(found_again(layouts, layout(way.inputs[:MOST])).float().mean()):.2f}",
        f"{float(apartness(layouts, layout(way.real[:MOST])).mean()):.2f}",
        f"{variety(made.drawn[:NUM_ACROSS]) / unit:.2f}, "
        f"{variety(features[:NUM_ACROSS]) / variety(real[:NUM_ACROSS]):.2f}",
        f"{variety(made.by_one[:NUM_ACROSS]) / unit:.2f}, {codes}",
    ]


def _with_floor(value: float, floor: float | None) -> str:
    return f"{value:.1f}" if floor is None else f"{value:.1f} ({floor:.1f})"
