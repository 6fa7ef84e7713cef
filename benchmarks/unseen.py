"""Zero-shot: codes of images of domains that a model was never trained on.

    python benchmarks/unseen.py WEIGHTS DATA

DATA holds the model's domains and others. For each other domain, on held-out images: how well its
images are rebuilt, and, as `i2i translate --like` does, held-out images of the model's domains with
the domain code of an unseen image. A classifier of all of DATA's domains, trained on real images
alone, says what they are taken for; the same for the domains that the model knows, as a reference.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.evaluation.translations import agreement
from i2i_cli.models.family import TranslationModel
from i2i_cli.models.probes import fit_judge

LIMIT = 150


def images_of(dataset: Dataset, split: Tensor, label: int, limit: int) -> Tensor:
    return to_model_range(dataset.images.squares(dataset.rows(split, label, limit)), torch.device("cpu"))


@torch.no_grad()
def rebuilt_l1(model: TranslationModel, images: Tensor) -> float:
    return float((model.decode(*model.encode(images)) - images).abs().mean())


@torch.no_grad()
def translated_like(model: TranslationModel, inputs: Tensor, examples: Tensor) -> Tensor:
    """`inputs` with the domain codes of `examples`, each of another one."""
    codes = model.encode(examples).domain
    return model.decode(model.encode(inputs).content, codes[torch.arange(len(inputs)) % len(codes)])


def main() -> None:
    translator = load(sys.argv[1], device="cpu")
    model, dataset = translator.model, decoded(scan(Path(sys.argv[2])), translator.image_size)
    labels = range(len(dataset.domains))
    seen = torch.cat([images_of(dataset, dataset.train, label, 1000).half() for label in labels])
    truth = torch.cat([torch.full((len(dataset.rows(dataset.train, label, 1000)),), label) for label in labels])
    judge = fit_judge(seen, truth, len(dataset.domains), steps=600, seed=0)
    held_out = {name: images_of(dataset, dataset.test, label, LIMIT) for label, name in enumerate(dataset.domains)}
    print("| like | trained on | rebuilt L1 | taken for it | for which else | edges of own input (another's) |")
    print("|---|---|---|---|---|---|")
    for name in dataset.domains:
        known = name in translator.domains
        inputs = torch.cat(
            [images for other, images in held_out.items() if other in translator.domains and other != name]
        )
        outputs = translated_like(model, inputs, held_out[name])
        with torch.no_grad():
            taken = judge(outputs).argmax(1)
        shares = {dataset.domains[other]: float((taken == other).float().mean()) for other in labels}
        own = shares.pop(name)
        most = max(shares, key=lambda other: shares[other])
        edges = agreement(inputs, outputs).mean(), agreement(inputs.roll(1, 0), outputs).mean()
        print(f"| {name} | {'yes' if known else 'no'} | {rebuilt_l1(model, held_out[name]):.3f} | {own:.1%} "
              f"| {most} {shares[most]:.1%} | {edges[0]:.2f} ({edges[1]:.2f}) |")  # fmt: skip


if __name__ == "__main__":
    main()
