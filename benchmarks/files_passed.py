"""How many of our files a command passes through, and how often it jumps from one into another.

    python benchmarks/files_passed.py

Each command runs in this process, on images and nets that take seconds: `translate` of one image by
the shipped model, three steps of `train`, and `neighbours` in the gallery that they leave, and in a
folder. `--names` lists the files too.

How it counts: a profiler of the interpreter, in all threads, is told each call of a function. A file
counts if a function that is written in it is called; what a module calls while it is imported does
not count. A jump is a calling function and a called one in different files of ours, each pair once: what a
reader follows. Where torch or Pillow stands between the two (a network's `forward`, say), the nearest
function of ours above is the calling one.
"""

import inspect
import io
import os
import sys
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
from PIL import Image

import i2i_cli
from i2i_cli.cli import app

PACKAGE = str(Path(i2i_cli.__file__).parent) + os.sep
TINY = (
    "networks.width=16 networks.min_width=8 networks.content_channels=4 networks.domain_channels=4 "
    "networks.num_blocks=1 objective.critic_width=8 training.batch_size=6"
)


class Passage:
    """What was called while the block ran."""

    def __init__(self) -> None:
        self.called: set[CodeType] = set()
        self.jumps: set[tuple[CodeType, CodeType]] = set()

    def __enter__(self) -> "Passage":
        threading.setprofile(self._told)
        sys.setprofile(self._told)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]

    @property
    def files(self) -> list[str]:
        """The files of ours, below the package."""
        return sorted({code.co_filename.removeprefix(PACKAGE) for code in self.called})

    def _told(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not is_ours(code) or is_imported(frame):
            return
        self.called.add(code)
        above = frame.f_back
        while above is not None and not is_ours(above.f_code):
            above = above.f_back
        if above is not None and above.f_code.co_filename != code.co_filename:
            self.jumps.add((above.f_code, code))


def is_ours(code: CodeType) -> bool:
    """Whether it is written in the package."""
    return code.co_filename.startswith(PACKAGE)


def is_imported(frame: FrameType | None) -> bool:
    """Whether a module's or a class's body of ours is being run, above `frame` or in it."""
    while frame is not None:
        if is_ours(frame.f_code) and not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            return True
        frame = frame.f_back
    return False


def passed(words: list[str]) -> Passage:
    """What `i2i` with `words` calls."""
    with redirect_stdout(io.StringIO()), Passage() as passage:
        app(words, standalone_mode=False)
    return passage


def draw(root: Path) -> Path:
    """Two folders of 16 images each; returns one of the images."""
    draws = np.random.default_rng(0)
    for domain, colour in {"anime": (200, 40, 40), "human": (30, 60, 190)}.items():
        (root / domain).mkdir(parents=True)
        for number in range(16):
            levels = np.clip(draws.normal(colour, 30, (36, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(levels).save(root / domain / f"{number:02d}.png")
    return root / "human" / "00.png"


def main() -> None:
    names = "--names" in sys.argv
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["I2I_CACHE"] = str(Path(folder, "cache"))
        image = str(draw(Path("faces")))
        settings = [word for setting in TINY.split() for word in ("--set", setting)]
        train = ["train", "faces", "--steps", "3", "--image-size", "32", "--perceptual", "none", "--name", "tiny"]
        commands = {
            "translate": ["translate", image, "--to", "anime", "-w", "faces", "-o", "out.png"],
            "train": [*train, "--device", "cpu", *settings],
            "neighbours": ["neighbours", image, "-w", "runs/tiny", "--device", "cpu"],
            "neighbours in a folder": ["neighbours", image, "--gallery", "faces", "-w", "faces", "--device", "cpu"],
        }
        found = {name: passed(words) for name, words in commands.items()}
        os.chdir(here)
    for name, passage in found.items():
        print(f"{name}: {len(passage.files)} files, {len(passage.jumps)} jumps")
        if names:
            print(*(f"  {file}" for file in passage.files), sep="\n")


if __name__ == "__main__":
    main()
