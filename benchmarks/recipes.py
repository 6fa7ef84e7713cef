"""What SRAE's additions cost: images a second in training, each in turn, against the default recipe.

    python benchmarks/recipes.py [SIZE]

Random images stand for real ones; the median of five turns of two steps, after one that warms up.
"""

import sys
import time
from statistics import median

import torch

from i2i_cli.engine.loop import Loop
from i2i_cli.jobs.training.config import run_config
from i2i_cli.models import family
from i2i_cli.models.family import Batch

FEATURES = ("objective.perceptual=bundled", "objective.weights.perceptual=0.2", "objective.feature_crop=0.9")
VARIANTS = {
    "default": ("objective.perceptual=none",),
    "bundled features": FEATURES,
    "and the critic": (*FEATURES, "objective.weights.adversarial=0.1"),
    "--recipe sharp": ("recipe=sharp", "objective.swap_start=0"),
    "--recipe neighbours": ("recipe=neighbours", "objective.perceptual=none", "training.batch_size=32"),
}
TURNS, STEPS = 5, 2


def built(settings: tuple[str, ...], side: int) -> Loop:
    config = run_config({}, None, settings)
    kind = family(config.family)
    model = kind.build_model(config.networks, side, ("a", "b"))
    return Loop(kind.build_objective(model, config.objective), config.training, torch.device("cpu"), "fp32", 0)


def main() -> None:
    side = int(sys.argv[1]) if sys.argv[1:] else 64
    torch.manual_seed(0)
    images = torch.rand(32, 3, side, side).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    batch = Batch(images, torch.arange(32) % 2)
    loops = {name: built(settings, side) for name, settings in VARIANTS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(TURNS + 1):
        for name, loop in loops.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                loop.advance(batch)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    reference = median(seconds["default"])
    print(f"{side} px, batches of 32, {torch.get_num_threads()} threads")
    for name, found in seconds.items():
        rate = STEPS * len(images) / median(found)
        print(f"{name:22} {rate:6.1f} images/s, {reference / median(found):.2f} of the default's")


if __name__ == "__main__":
    main()
