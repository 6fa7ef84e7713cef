"""Translations of held-out images along every route of a model: are they of the target, and what is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.jobs.evaluation.inputs import CHUNK, EvaluationData
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, mean_of, share_of, with_means
from i2i_cli.models.likeness import MOST, layout, likeness
from i2i_cli.models.probes import Judge, fit_judge

JUDGE_STEPS = 600
NOISE = 0.5
"""Of the codes' own deviation: the noise that outputs are tested with."""

TEXT = (
    "Every ordered pair of domains; target codes are drawn from the kept ones. Judged (classified as the target): "
    "share of translations that a classifier trained on real images alone classifies as the target (reference: its "
    "accuracy on real images of the target). Content found: share of translations whose content code is closest to "
    "that of their own input, among all inputs (reference: chance). Edges: correlation of a translation's edges with "
    "its input's (reference: with another's). Found: share of translations by one code that resemble their own input "
    f"most, of up to {MOST}, by where oriented edges are, which no model learns to please (reference: chance). "
    "Content kept: share of them whose content code is nearest to their own input's after blur and noise, which wipe "
    "out hidden traces. Apart: distance of a translation by one code to the nearest other one, as a ratio to that "
    "among real images of the target (near 0 all translations are one). Cycle L1: error after translating there and "
    "back (reference: rebuilt directly). "
    f"Moved by noise: how far an output moves when {NOISE:g} deviations of noise are added to its content "
    "code, as a share of the distance between two outputs."
)


@dataclass(frozen=True, eq=False)
class Made:
    """Translations of the held-out images of domain a to domain b.

    Args:
        inputs, outputs: (n, 3, S, S), each output by a drawn code (n, ...) of `codes`.
    """

    a: int
    b: int
    inputs: Tensor
    outputs: Tensor
    content: Tensor
    codes: Tensor


@torch.no_grad()
def made(data: EvaluationData, seed: int) -> Iterator[Made]:
    """The translations along every route."""
    model, device = data.translator.model, data.translator.device
    assert data.test_pictures is not None
    for a, b in model.routes():
        pictures, kept = data.test_pictures.of(a), model.target_codes(b)
        generator = torch.Generator().manual_seed(seed)
        drawn = kept[torch.randint(len(kept), (len(pictures.labels),), generator=generator).to(kept.device)].to(device)
        contents, outputs = [], []
        for (images, labels), codes in zip(pictures.batches(device), drawn.split(CHUNK), strict=True):
            content = model.encode(images, labels).content
            contents.append(content)
            outputs.append(model.decode(content, codes).float().clamp(-1, 1))
        yield Made(a, b, pictures.images(device), torch.cat(outputs), torch.cat(contents), drawn)


def _judge_of(data: EvaluationData, seed: int) -> Judge:
    pictures = data.train_pictures
    assert pictures is not None
    seen = torch.cat([images.half() for images, _ in pictures.batches(data.translator.device)])
    return fit_judge(seen, pictures.labels, len(data.domains), steps=JUDGE_STEPS, seed=seed)


@torch.no_grad()
def translation(data: EvaluationData, seed: int) -> Section:
    """The figures of every ordered pair."""
    judge, pictures = _judge_of(data, seed), data.test_pictures
    assert pictures is not None
    device, real = data.translator.device, {}
    for label in range(len(data.domains)):
        taken = _judged(judge, pictures.of(label).images(device))[data.fresh_of(label)]
        real[label] = float((taken == label).float().mean())
    figures: list[Measurement] = []
    for found in made(data, seed):
        name = data.name(found.a, found.b)
        taken = _judged(judge, found.outputs)[data.fresh_of(found.a)] == found.b
        figures.append(share_of("judged", name, taken, real[found.b]))
        figures += _kept(data, found, name)
        figures += _alike(data, found, name, seed)
        figures.append(_moved(data, found, name, seed))
    return Section(name="translation", text=TEXT, figures=with_means(figures))


def _alike(data: EvaluationData, found: Made, name: str, seed: int) -> list[Measurement]:
    """Whether the translations by one code still are of their own inputs, and differ from one another."""
    model, pictures = data.translator.model, data.test_pictures
    assert pictures is not None
    real = layout(pictures.of(found.b).images(data.translator.device)[:MOST])
    kept = likeness(model, found.inputs, found.a, found.b, real, seed)
    if kept is None:
        return []
    chance = 1 / len(kept.found)
    figures = [share_of("found", name, kept.found.cpu(), chance), mean_of("apart", name, kept.apart, 1.0)]
    if kept.content_kept is not None:
        figures.append(share_of("content kept", name, kept.content_kept.cpu(), chance))
    return figures


def _judged(judge: Judge, images: Tensor) -> Tensor:
    return torch.cat([judge(chunk).argmax(1) for chunk in images.split(CHUNK)]).cpu()


def _kept(data: EvaluationData, found: Made, name: str) -> list[Measurement]:
    """What of the input is left: in the content code, in the edges, and after the way back."""
    count, (again, back) = len(found.inputs), returned(data, found)
    distances = torch.cdist(again.flatten(1).float(), found.content.flatten(1).float())
    own = (distances.argmin(1) == torch.arange(count, device=distances.device)).cpu()
    figures = [
        share_of("content found", name, own, 1 / count),
        mean_of("edges", name, agreement(found.inputs, found.outputs), _other_edges(found)),
    ]
    if back is not None:
        reference = _rebuilt_l1(data, found) if data.translator.rebuilds else None
        figures.append(mean_of("cycle L1", name, (back - found.inputs).abs().mean((1, 2, 3)), reference))
    return figures


@torch.no_grad()
def returned(data: EvaluationData, found: Made) -> tuple[Tensor, Tensor | None]:
    """Content codes (n, k, a, b) of the translations, and the images (n, 3, S, S) of the way back.

    The way back takes the domain codes that rebuild the inputs; None where no way leads back.
    """
    model, again, back = data.translator.model, [], []
    leads_back = found.a in model.targets_of(found.b)
    for images, outputs in zip(found.inputs.split(CHUNK), found.outputs.split(CHUNK), strict=True):
        ours, theirs = (torch.full((len(images),), label, device=images.device) for label in (found.a, found.b))
        content = model.encode(outputs, theirs).content
        again.append(content)
        if leads_back:
            home = model.rebuilding_codes(model.encode(images, ours), ours)
            back.append(model.decode(content, home).float().clamp(-1, 1))
    return torch.cat(again), torch.cat(back) if back else None


def _rebuilt_l1(data: EvaluationData, found: Made) -> float:
    """Mean error of the inputs' reconstructions: what the way back cannot be better than."""
    model, errors = data.translator.model, []
    for images in found.inputs.split(CHUNK):
        rebuilt = model.rebuild(images, torch.full((len(images),), found.a, device=images.device))
        errors.append((rebuilt.float() - images).abs().mean((1, 2, 3)))
    return float(torch.cat(errors).mean())


def _other_edges(found: Made) -> float:
    return float(agreement(found.inputs.roll(1, 0), found.outputs).mean())


def edges(images: Tensor) -> Tensor:
    """Gradient magnitude of brightness, slightly blurred, as unit vectors (B, S * S) without their mean."""
    grey = images.mean(1, keepdim=True)
    across = F.pad(grey[:, :, :, 1:] - grey[:, :, :, :-1], (0, 1))
    down = F.pad(grey[:, :, 1:] - grey[:, :, :-1], (0, 0, 0, 1))
    flat = F.avg_pool2d((across.square() + down.square()).sqrt(), 3, 1, 1).flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1)


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """Correlation (B,) of the edges of images side by side."""
    return (edges(first) * edges(second)).sum(1)


def _moved(data: EvaluationData, found: Made, name: str, seed: int) -> Measurement:
    """The dual paper's robustness: outputs under noise in the code."""
    model, generator = data.translator.model, torch.Generator().manual_seed(seed + 1)
    scale = found.content.float().std(0).clamp_min(1e-6) * NOISE
    moves = []
    parts = (whole.split(CHUNK) for whole in (found.content, found.codes, found.outputs))
    for content, codes, outputs in zip(*parts, strict=True):
        noise = torch.randn(content.shape, generator=generator).to(content.device) * scale
        moved = model.decode(content + noise, codes).float().clamp(-1, 1)
        moves.append((moved - outputs).flatten(1).norm(dim=1))
    others = torch.pdist(found.outputs[:200].flatten(1)).mean().clamp_min(1e-9)
    return mean_of("moved by noise", name, torch.cat(moves) / others)
