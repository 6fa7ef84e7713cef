"""Translating and indexing folders: images a second, against the model alone and a loop of one by one.

    python benchmarks/folders.py [--small N] [--large N] [-w WEIGHTS]

N small images of the model's own size, and N photos of 12 megapixels (JPEG). The model alone: batches
that are decoded already, nothing written. One by one: `TorchTranslator.translate` of each and a save. What
decoding and encoding take of the cores by themselves is the floor on a machine without a GPU. The
command's own start is in its time; the peak of its memory is printed for a quarter of the images and for all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from i2i_cli.data.images import read_image
from i2i_cli.data.writing import encode_image
from i2i_cli.inference.inputs import BATCH, Source, load_batches
from i2i_cli.inference.loaded import TorchTranslator, load

ONE_BY_ONE = 64
"""Images that the loop of one by one is timed on."""


def draw(folder: Path, count: int, size: tuple[int, int], suffix: str) -> list[Path]:
    """Soft random colours with some grain, so that files are as large as photos are."""
    folder.mkdir()
    random = np.random.default_rng(0)
    distinct = min(count, 8 if suffix == ".jpg" else 256)
    paths = []
    for number in range(count):
        path = folder / f"{number:05d}{suffix}"
        if number < distinct:
            coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            soft = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.int16)
            grain = random.integers(-6, 7, (size[1], size[0], 1), dtype=np.int16)
            Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(path, quality=92)
        else:
            os.link(paths[number % distinct], path)
        paths.append(path)
    return paths


def command(arguments: list[str]) -> tuple[float, float]:
    """Seconds of an `i2i` command, and the GiB that it held at most."""
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as told:
        script = (
            "import resource\nfrom i2i_cli.cli import main\ntry: main()\n"
            f"finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=open({told.name!r}, 'w'))"
        )
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)
        return time.perf_counter() - started, int(told.read()) / 2**20


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def model_alone(translator: TorchTranslator, paths: list[Path], to: str) -> float:
    """Images a second through encoder and decoder."""
    (batch,) = load_batches([Source(path=path) for path in paths[:BATCH]], translator.image_size)
    squares, target = [item.square for item in batch], translator.target(to)  # type: ignore[union-attr]

    def work() -> None:
        translator.decode(translator.encode(squares), target)

    work()
    return len(squares) / min(timed(work) for _ in range(7))


def files_alone(paths: list[Path], side: int) -> float:
    """Images a second decoded, and encoded again at their own size, on all cores."""
    sample = paths[: 4 * BATCH]

    def one(path: Path) -> None:
        picture = read_image(path, 2 * side)
        small = picture.rgb.resize((side, side))
        encode_image(small.resize(picture.size, Image.Resampling.LANCZOS))

    with ThreadPoolExecutor() as pool:
        return len(sample) / timed(lambda: list(pool.map(one, sample)))


def measure(kind: str, folder: Path, paths: list[Path], weights: str | None) -> None:
    translator = load(weights)
    to = translator.domains[-1]
    model, files = model_alone(translator, paths, to), files_alone(paths, translator.image_size)
    floor = 1 / (1 / model + 1 / files)  # both want the same cores
    chosen, out = paths[:ONE_BY_ONE] if kind == "small" else paths[:8], folder / "one"
    out.mkdir()

    def one_by_one() -> None:
        for path in chosen:
            translator.translate(path, to=to).save(out / f"{path.stem}.png")

    loop = len(chosen) / timed(one_by_one)
    quarter = folder / "quarter"
    quarter.mkdir()
    for path in paths[: len(paths) // 4]:
        os.link(path, quarter / path.name)
    for name in ("translate", "index"):
        few, few_gib = command(_arguments(name, quarter, folder / f"few-{name}", to, weights))
        spent, gib = command(_arguments(name, paths[0].parent, folder / f"all-{name}", to, weights))
        rate = (len(paths) - len(paths) // 4) / (spent - few)  # without the start
        line = f"i2i {name}, {len(paths)} {kind} images: {rate:.1f} images/s once started, {spent:.1f} s in all; "
        line += f"{few_gib:.2f} GiB at most for a quarter of them, {gib:.2f} for all"
        if name == "translate":
            line += f"; {rate / model:.2f} of the model alone ({model:.1f}), {rate / floor:.2f} of model and files "
            line += f"on the same cores ({floor:.1f}), {rate / loop:.2f} times one by one"
        print(line, flush=True)


def _arguments(name: str, images: Path, out: Path, to: str, weights: str | None) -> list[str]:
    named = ["-w", weights] if weights else []
    if name == "translate":
        return ["translate", "-r", str(images), "--to", to, "-o", str(out), *named]
    return ["index", str(images), "-o", f"{out}.safetensors", *named]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large", type=int, default=24)
    parser.add_argument("-w", "--weights")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["I2I_CACHE"] = temporary
        for kind, count, size, suffix in (
            ("small", chosen.small, (64, 64), ".png"),
            ("large", chosen.large, (4000, 3000), ".jpg"),
        ):
            if count:
                folder = Path(temporary, kind)
                folder.mkdir()
                measure(kind, folder, draw(folder / "images", count, size, suffix), chosen.weights)


if __name__ == "__main__":
    main()
