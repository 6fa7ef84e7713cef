"""What makes translations keep their input, with a critic of images that would rather see one good face for all.

    python benchmarks/keeping.py DATA [--seeds 3] [--steps 1200] [--image-size 32] [--jobs 1] [VARIANT ...]

trains `--recipe sharp` with each of VARIANTS from each seed, and prints the held-out figures of all (the worst
direction of each, but for the distance, which is the mean), with the time of a step against the first variant's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

VARIANTS = {
    "sharp": {},
    "across": {"swap_across": "true"},
    "structure": {"swap_across": "true", "weights.structure": "2"},
    "cycle": {"swap_across": "true", "weights.image_cycle": "1"},
    "both": {"swap_across": "true", "weights.structure": "2", "weights.image_cycle": "1"},
    "weak": {"swap_across": "true", "weights.structure": "0.5", "weights.image_cycle": "0.5"},
}
COLUMNS = ("judged", "found", "apart", "content_kept", "sharpness")


def trained(variant: str, seed: int, asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What `i2i train --json` says of one run."""
    settings = {
        "objective.swap_start": asked.steps // 4,
        "networks.width": 64,
        "training.score_on_the_way": "false",
        **{f"objective.{name}": value for name, value in VARIANTS[variant].items()},
    }
    flags = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    command = [
        sys.executable, "-m", "i2i_cli", "train", str(asked.data), "--recipe", "sharp", "--flip", "--image-size",
        str(asked.image_size), "--steps", str(asked.steps), "--batch-size", "16", "--seed", str(seed), *flags,
        "--name", f"{variant}-{seed}", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, cwd=folder, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def row(found: dict[str, Any]) -> list[float]:
    figures = found["figures"]
    return [
        figures["reconstruction_l1"],
        *(min(figures[name].values()) for name in COLUMNS),
        figures["mean_frechet"],
        found["images_per_second"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=lambda text: Path(text).absolute())
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    asked = parser.parse_args()
    print("| variant, seeds | rebuild error |", " | ".join(COLUMNS), "| Frechet | time of a step |", sep=" ")
    print("|---" * (len(COLUMNS) + 4), "|", sep="")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(asked.jobs) as pool:
        runs = {
            variant: [pool.submit(trained, variant, seed, asked, Path(folder)) for seed in range(asked.seeds)]
            for variant in asked.variants
        }
        first = None
        for variant, waiting in runs.items():
            *columns, rates = zip(*(row(run.result()) for run in waiting), strict=True)
            first = first or median(rates)
            cells = [", ".join(f"{value:.3g}" for value in column) for column in columns]
            print(f"| {variant} |", " | ".join(cells), f"| {first / median(rates):.2f} |", flush=True)


if __name__ == "__main__":
    main()
