"""How good a model's translations are, on held-out images whose counterparts are known.

    python benchmarks/translations.py DATA WEIGHTS...

For every translation that each model makes, with real images of the target as the reference:

    judged    share that a fresh classifier of real images takes for the target
    edges     correlation of the output's edges with the input's / with another input's / of true pairs
    partners  variety of one input's outputs over ten codes, as a ratio to that of real images
    inputs    variety of different inputs' outputs under one code, as the same ratio
    KID       kernel distance to real images on the classifier's features; of halves: between real ones, the noise
    error     mean absolute error against the true counterpart, images in [-1, 1]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.evaluation.translations import agreement
from i2i_cli.models.family import TranslationModel
from i2i_cli.models.probes import Judge, fit_judge

CPU = torch.device("cpu")
NUM_CODES = 10
NUM_ACROSS = 60
COLUMNS = ("judged", "edges", "of another", "of pairs", "partners", "inputs", "KID", "of halves", "error")


@dataclass(frozen=True)
class Made:
    """Translations of held-out images.

    Args:
        inputs, outputs: (n, 3, S, S), each output by another code.
        truth: their true counterparts.
        over_codes: (inputs, codes, 3, S, S): a few inputs, each by ten codes.
        across: (n', 3, S, S): different inputs by one code.
    """

    inputs: Tensor
    outputs: Tensor
    truth: Tensor
    over_codes: Tensor | None
    across: Tensor


def variety(images: Tensor) -> float:
    """Mean distance between two images of a set."""
    flat = images.flatten(1)
    return float(torch.cdist(flat, flat).sum() / (len(flat) * (len(flat) - 1)))


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Squared maximum mean discrepancy with the cubic kernel of KID (arXiv 1801.01401), unbiased."""

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def off_diagonal(a: Tensor) -> Tensor:
        return (kernel(a, a).sum() - kernel(a, a).diagonal().sum()) / (len(a) * (len(a) - 1))

    a, b = first.double(), second.double()
    return float(off_diagonal(a) + off_diagonal(b) - 2 * kernel(a, b).mean())


def images_of(dataset: Dataset, rows: Tensor) -> Tensor:
    return to_model_range(dataset.images.squares(rows), CPU)


def fresh_judge(dataset: Dataset) -> Judge:
    """A classifier of the domains, trained on real training images alone."""
    rows = torch.cat([dataset.rows(dataset.train, label, 1000) for label in range(len(dataset.domains))])
    seen = torch.cat([images_of(dataset, chunk).half() for chunk in rows.split(256)])
    return fit_judge(seen, dataset.labels[rows], len(dataset.domains), steps=400, seed=0)


@torch.no_grad()
def translated(model: TranslationModel, dataset: Dataset, a: int, b: int) -> Made:
    """Held-out images of domain a in domain b, by kept codes of training images."""
    first, second = dataset.pairs(dataset.test, a, b)
    inputs, codes = images_of(dataset, first), model.target_codes(b)
    content = model.encode(inputs, torch.full((len(inputs),), a)).content
    drawn = torch.randint(len(codes), (len(inputs),), generator=torch.Generator().manual_seed(0))
    few = [model.decode(row[None].expand(NUM_CODES, *row.shape), codes[:NUM_CODES]) for row in content[:NUM_CODES]]
    one = codes[:1].expand(min(NUM_ACROSS, len(content)), *codes.shape[1:])
    return Made(
        inputs,
        model.decode(content, codes[drawn]),
        images_of(dataset, second),
        torch.stack(few),
        model.decode(content[:NUM_ACROSS], one),
    )


@torch.no_grad()
def figures(made: Made, judge: Judge, target: int) -> tuple[float, ...]:
    """The figures of `COLUMNS`."""
    real = variety(made.truth[:NUM_ACROSS])
    features, true_features = judge.features(made.outputs), judge.features(made.truth)
    over = made.over_codes
    return (
        float((judge.classify(features).argmax(1) == target).float().mean()),
        float(agreement(made.inputs, made.outputs).mean()),
        float(agreement(made.inputs.roll(1, 0), made.outputs).mean()),
        float(agreement(made.inputs, made.truth).mean()),
        float("nan") if over is None else sum(variety(images) for images in over) / len(over) / real,
        variety(made.across) / real,
        kernel_distance(features, true_features),
        kernel_distance(true_features[::2], true_features[1::2]),
        float((made.outputs - made.truth).abs().mean()),
    )


def print_table(rows: list[tuple[str, tuple[float, ...]]]) -> None:
    print("| translation | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for name, values in rows:
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


def main() -> None:
    translators = [load(weights, device="cpu") for weights in sys.argv[2:]]
    dataset = decoded(scan(Path(sys.argv[1])), translators[0].image_size)
    judge, rows = fresh_judge(dataset), []
    for weights, translator in zip(sys.argv[2:], translators, strict=True):
        assert dataset.domains == translator.domains, f"{weights} knows {translator.domains}, not {dataset.domains}"
        for a, b in translator.model.routes():
            found = figures(translated(translator.model, dataset, a, b), judge, b)
            rows.append((f"{Path(weights).name}: {dataset.domains[a]} -> {dataset.domains[b]}", found))
    print_table(rows)


if __name__ == "__main__":
    main()
