"""How a latent classifier holds when the held-out images come from another device.

    python benchmarks/shifts.py WEIGHTS DATA [CLASSIFIER]

Each held-out image is blurred, sharpened, made lighter, darker, flatter, harder, nearer, farther or
noisy; the images as they are come first, as the reference.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.classification.fitting import score
from i2i_cli.models.augmentation import blurred


def zoomed(images: Tensor, scale: float) -> Tensor:
    affine = torch.tensor([[1 / scale, 0.0, 0.0], [0.0, 1 / scale, 0.0]]).expand(len(images), 2, 3)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def coarser(images: Tensor, side: int) -> Tensor:
    return F.interpolate(F.interpolate(images, side, mode="area"), images.shape[3], mode="bilinear")


def noisy(images: Tensor, sigma: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + sigma * noise).clamp(-1, 1)


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "as they are": lambda x: x,
    "blur, sigma 1": lambda x: blurred(x, 1.0),
    "blur, sigma 1.5": blurred,
    "half the resolution": lambda x: coarser(x, x.shape[3] // 2),
    "sharpened": lambda x: (2 * x - blurred(x)).clamp(-1, 1),
    "gamma 0.6": lambda x: 2 * ((x + 1) / 2) ** 0.6 - 1,
    "gamma 1.6": lambda x: 2 * ((x + 1) / 2) ** 1.6 - 1,
    "contrast 0.6": lambda x: 0.6 * x,
    "contrast 1.5": lambda x: (1.5 * x).clamp(-1, 1),
    "lighter by an eighth": lambda x: (x + 0.25).clamp(-1, 1),
    "darker by an eighth": lambda x: (x - 0.25).clamp(-1, 1),
    "nearer, 1.15": lambda x: zoomed(x, 1.15),
    "farther, 0.87": lambda x: zoomed(x, 0.87),
    "noise, sigma 0.1": lambda x: noisy(x, 0.1),
}


def main() -> None:
    translator = load(sys.argv[1], device="cpu")
    classifier = translator.classifier(sys.argv[3] if len(sys.argv) > 3 else DOMAINS)
    dataset = decoded(scan(Path(sys.argv[2])), translator.image_size)
    labels = np.array([classifier.classes.index(dataset.domains[label]) for label in dataset.labels[dataset.test]])
    print("| held-out images | accuracy | balanced | AUC |\n|---|---|---|---|")
    for name, shift in SHIFTS.items():
        squares = (dataset.images.squares(rows) for rows in dataset.test.split(128))
        with torch.no_grad():
            images = (shift(to_model_range(chunk, translator.device)) for chunk in squares)
            codes = torch.cat([translator.model.encode(chunk).domain.flatten(1) for chunk in images]).numpy()
        found = score(classifier, codes, labels)
        print(f"| {name} | {found.accuracy:.3f} | {found.balanced_accuracy:.3f} | {found.auc:.3f} |", flush=True)


if __name__ == "__main__":
    main()
