"""How images that are not square should come into the model's square: what fits, what is cut, what is squeezed.

    python benchmarks/geometry.py FOLDER [STEPS] [KIND...]
    python benchmarks/geometry.py faces WEIGHTS PHOTOS DOMAIN COUNT

Glyphs on canvases of 2:1, drawn at their own shape ("wide") or drawn out ("stretched"), or of 2:1, 1:1 and 1:2 by
turns ("mixed"), in two domains. A small model is trained on the squares that each geometry makes of the training
images, then held-out files are translated by the geometry of the commands, and compared, at their own size, with the
true counterparts:

    letterbox  scaled inside the square, borders reflected outwards; training and commands alike
    squeezed   both sides scaled to the square's; training and commands alike
    crops      trained on random crops of the shorter side, translated by letterbox

The error is the mean absolute one of pixels in [-1, 1]; "found" is the share of translations whose nearest true
counterpart of their shape, by pixels, is their own.

"faces": parts of square photos, translated by a model of square images, against the same parts of the whole photos'
translations, in levels of 255; "another's" is the difference to the next photo's.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from i2i_cli.data.geometry import fit
from i2i_cli.data.glyphs import draw_styles
from i2i_cli.data.images import Picture
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.start import train

DOMAINS = ("filled", "serif")
SIDE = 32
WIDE = (128, 64)
LIMIT = 300

Square = Callable[[Image.Image, np.random.Generator], Image.Image]


def widened(image: Image.Image, kind: str, number: int, place: float) -> Image.Image:
    """A glyph's image on a canvas that is not square."""
    if kind == "stretched":
        return image.resize(WIDE, Image.Resampling.BICUBIC)
    size = (WIDE, image.size, WIDE[::-1])[number % 3] if kind == "mixed" else WIDE
    canvas = Image.new("RGB", size, image.getpixel((0, 0)))
    canvas.paste(image, tuple(round(place * (long - short)) for long, short in zip(size, image.size, strict=True)))
    return canvas


def letterboxed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return Image.fromarray(fit(Picture(image, image.size), 2 * SIDE)[0])


def squeezed(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = min(image.size)
    left, top = (int(random.integers(0, long - side + 1)) for long in image.size)
    return image.crop((left, top, left + side, top + side))


GEOMETRIES: dict[str, Square] = {"letterbox": letterboxed, "squeezed": squeezed, "crops": cropped}


def originals(glyphs: Path, split: str, kind: str) -> dict[str, list[Image.Image]]:
    """Images of 2:1 by domain, the same glyphs in the same places in all."""
    random = np.random.default_rng(0 if split == "train" else 1)
    names = sorted(path.name for path in (glyphs / split / DOMAINS[0]).iterdir())
    places = random.random(len(names))
    found: dict[str, list[Image.Image]] = {}
    for domain in DOMAINS:
        opened = (Image.open(glyphs / split / domain / name).convert("RGB") for name in names)
        numbered = enumerate(zip(opened, places, strict=True))
        found[domain] = [widened(image, kind, number, place) for number, (image, place) in numbered]
    return found


def trained(folder: Path, images: dict[str, list[Image.Image]], square: Square, steps: int) -> TorchTranslator:
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


def translated(model: TorchTranslator, image: Image.Image, to: str, geometry: str) -> Image.Image:
    if geometry == "squeezed":
        small = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return model.translate(small, to=to).resize(image.size, Image.Resampling.LANCZOS)
    return model.translate(image, to=to)


def score(made: list[Image.Image], truth: list[Image.Image]) -> tuple[float, float]:
    """Error, and share found."""
    pixels = [[np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1 for image in side] for side in (made, truth)]
    errors, found = [], []
    for number, own in enumerate(pixels[0]):
        alike = [place for place, other in enumerate(pixels[1]) if other.shape == own.shape]
        apart = [float(np.abs(own - pixels[1][place]).mean()) for place in alike]
        errors.append(apart[alike.index(number)])
        found.append(alike[int(np.argmin(apart))] == number)
    return float(np.mean(errors)), float(np.mean(found))


def glyphs(folder: Path, steps: int, kinds: list[str]) -> None:
    draw_styles(folder / "glyphs")
    source, target = DOMAINS[1], DOMAINS[0]  # what a serif's colours are is told by no input
    print("| images | geometry | error | found |\n|---|---|---|---|")
    for kind in kinds:
        train_images, test = originals(folder / "glyphs", "train", kind), originals(folder / "glyphs", "test", kind)
        for name, square in GEOMETRIES.items():
            model = trained(folder / f"{kind}-{name}", train_images, square, steps)
            made = [translated(model, image, target, name) for image in test[source][:LIMIT]]
            error, found = score(made, test[target][:LIMIT])
            print(f"| {kind} | {name} | {error:.3f} | {found:.2f} |", flush=True)


def faces(weights: str, photos: Path, domain: str, count: int) -> None:
    model = load(weights, "cpu")
    whole = [Image.open(path).convert("RGB") for path in sorted(photos.iterdir())[:count]]
    wanted = [np.asarray(model.translate(image, to=domain), np.float32) for image in whole]
    print("| part | letterbox | squeezed | another's |\n|---|---|---|---|")
    for across, down in ((3, 4), (2, 3), (1, 2), (4, 3)):
        apart: dict[str, list[float]] = {"letterbox": [], "squeezed": [], "another's": []}
        for number, image in enumerate(whole):
            side = image.width
            width, height = round(side * min(1, across / down)), round(side * min(1, down / across))
            left, top = (side - width) // 2, (side - height) // 2
            part, box = (
                image.crop((left, top, left + width, top + height)),
                np.s_[top : top + height, left : left + width],
            )
            made = {"letterbox": model.translate(part, to=domain)}
            square = model.translate(part.resize(image.size, Image.Resampling.LANCZOS), to=domain)
            made["squeezed"] = square.resize(part.size, Image.Resampling.LANCZOS)
            for name, result in made.items():
                apart[name].append(float(np.abs(np.asarray(result, np.float32) - wanted[number][box]).mean()))
            other = wanted[(number + 1) % len(whole)][box]
            apart["another's"].append(float(np.abs(other - wanted[number][box]).mean()))
        print(f"| {across}:{down} | " + " | ".join(f"{np.mean(values):.1f}" for values in apart.values()) + " |")


def main() -> None:
    if sys.argv[1] == "faces":
        faces(sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        steps = int(sys.argv[2]) if len(sys.argv) > 2 else 600
        glyphs(Path(sys.argv[1]), steps, sys.argv[3:] or ["wide", "stretched", "mixed"])


if __name__ == "__main__":
    main()
