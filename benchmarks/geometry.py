"""How images that are not square should come into the model's square: what fits, what is cut, what is squeezed.

    python benchmarks/geometry.py FOLDER [STEPS]

Glyphs on canvases of 2:1, drawn at their own shape ("wide") or drawn out ("stretched"), in two domains. A small model
is trained on the squares that each geometry makes of the training images, then held-out files are translated by
the geometry of the commands, and compared, at their own size, with the true counterparts:

    letterbox  scaled inside the square, borders reflected outwards; training and commands alike
    squeezed   both sides scaled to the square's; training and commands alike
    crops      trained on random crops of the shorter side, translated by letterbox

The error is the mean absolute one of pixels in [-1, 1]; "found" is the share of translations whose nearest true
counterpart, by pixels, is their own.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.data.geometry import fit
from i2i_cli.data.glyphs import draw_styles
from i2i_cli.data.images import Picture, upright
from i2i_cli.jobs.run_config import run_config
from i2i_cli.jobs.training import train
from i2i_cli.jobs.translation import Translator, load

DOMAINS = ("filled", "serif")
SIDE = 32
WIDE = (128, 64)
LIMIT = 300

Square = Callable[[Image.Image, np.random.Generator], Image.Image]


def widened(image: Image.Image, kind: str, place: float) -> Image.Image:
    """A glyph's image on a canvas of 2:1."""
    if kind == "stretched":
        return image.resize(WIDE, Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", WIDE, image.getpixel((0, 0)))
    canvas.paste(image, (round(place * (WIDE[0] - image.width)), 0))
    return canvas


def letterboxed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return Image.fromarray(fit(Picture(image, image.size), 2 * SIDE)[0])


def squeezed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, random: np.random.Generator) -> Image.Image:
    left = int(random.integers(0, image.width - image.height + 1))
    return image.crop((left, 0, left + image.height, image.height))


GEOMETRIES: dict[str, Square] = {"letterbox": letterboxed, "squeezed": squeezed, "crops": cropped}


def originals(glyphs: Path, split: str, kind: str) -> dict[str, list[Image.Image]]:
    """Images of 2:1 by domain, the same glyphs in the same places in all."""
    random = np.random.default_rng(0 if split == "train" else 1)
    names = sorted(path.name for path in (glyphs / split / DOMAINS[0]).iterdir())
    places = random.random(len(names))
    found: dict[str, list[Image.Image]] = {}
    for domain in DOMAINS:
        opened = (Image.open(glyphs / split / domain / name).convert("RGB") for name in names)
        found[domain] = [widened(image, kind, place) for image, place in zip(opened, places, strict=True)]
    return found


def trained(folder: Path, images: dict[str, list[Image.Image]], square: Square, steps: int) -> Translator:
    """A model of the squares that `square` makes; crops of each image are taken twice."""
    data, random = folder / "data", np.random.default_rng(2)
    for domain, own in images.items():
        (data / domain).mkdir(parents=True, exist_ok=True)
        for turn in range(2 if square is cropped else 1):
            for place, image in enumerate(own):
                square(image, random).save(data / domain / f"{place:05d}-{turn}.png")
    flags = {
        "data": {"root": str(data), "image_size": SIDE, "pairs": "none"},
        "networks": {"width": 64},
        "objective": {"perceptual": "none", "hiding_ramp": 300, "weights": {"domain_stream": 0.3}},
        "training": {"steps": steps, "device": "cpu"},
    }
    train(run_config(flags), folder / "run")
    return load(folder / "run", "cpu")


def translated(model: Translator, image: Image.Image, to: str, geometry: str) -> Image.Image:
    if geometry == "squeezed":
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return model.translate(small, to=to).resize(image.size, Image.Resampling.LANCZOS)
    return model.translate(image, to=to)


def as_numbers(images: list[Image.Image]) -> NDArray[np.float32]:
    return np.stack([np.asarray(upright(image).rgb, np.float32).reshape(-1) for image in images]) / 127.5 - 1


def main() -> None:
    folder, steps = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 600
    draw_styles(folder / "glyphs")
    source, target = DOMAINS[1], DOMAINS[0]  # what a serif's colours are is told by no input
    print("| images | geometry | error | found |\n|---|---|---|---|")
    for kind in ("wide", "stretched"):
        train_images, test = originals(folder / "glyphs", "train", kind), originals(folder / "glyphs", "test", kind)
        truth = as_numbers(test[target][:LIMIT])
        for name, square in GEOMETRIES.items():
            model = trained(folder / f"{kind}-{name}", train_images, square, steps)
            made = as_numbers([translated(model, image, target, name) for image in test[source][:LIMIT]])
            apart = np.abs(made[:, None] - truth[None]).mean(2)
            found = (apart.argmin(1) == np.arange(len(made))).mean()
            print(f"| {kind} | {name} | {apart.diagonal().mean():.3f} | {found:.2f} |", flush=True)


if __name__ == "__main__":
    main()
