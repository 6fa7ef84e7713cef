"""What a visitor asks for, checked, and the command line that does the same. No torch."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.errors import ConfigError

MAX_SAMPLES = 16
"""Results of one order."""

SUFFIXES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""What a result may be, and how it is called in HTTP."""


@dataclass(frozen=True, kw_only=True)
class TranslationOrder:
    """A translation of one image: the options of `i2i translate`.

    Args:
        image: the upload.
        code: which of the kept codes, from 1; None is the default one.
        own: the image's own domain, where the model needs it; None predicts it.
        suffix: of the results, one of `SUFFIXES`.

    Raises:
        ConfigError: options that contradict each other, or a value out of range.
    """

    image: Path
    model: str | None = None
    to: str | None = None
    like: Path | None = None
    code: int | None = None
    samples: int = 0
    seed: int = 0
    own: str | None = None
    strength: float = 1.0
    crop: str | None = None
    paste: bool = False
    size: str = "input"
    suffix: str = ".png"

    def __post_init__(self) -> None:
        if self.to is None and self.like is None:
            raise ConfigError("nothing to translate to", "give a domain (to), or a reference image (like)")
        if self.like is not None and (self.samples or self.code is not None):
            raise ConfigError("a reference image takes neither samples nor a code", "leave one of them out")
        if self.samples and self.code is not None:
            raise ConfigError("samples draws codes, code names one", "leave one of them out")
        if not 0 <= self.samples <= MAX_SAMPLES:
            raise ConfigError(f"{self.samples} samples are out of range", f"ask for 1 to {MAX_SAMPLES}")
        if self.size not in ("input", "model"):
            raise ConfigError(f"there is no size {self.size!r}", "use input or model")
        if self.paste and self.size == "model":
            raise ConfigError("paste keeps the photo's size, size model does not", "leave one of them out")
        if self.suffix not in SUFFIXES:
            known = ", ".join(name.removeprefix(".") for name in SUFFIXES)
            raise ConfigError(f"there is no format {self.suffix.removeprefix('.')!r}", f"use {known}")

    def command(self, model: str) -> str:
        """The line that does the same with the image in the folder where it is typed."""
        words = ["i2i", "translate", self.image.name, "-w", model]
        words += [] if self.to is None else ["--to", self.to]
        words += [] if self.like is None else ["--like", self.like.name]
        words += [] if self.code is None else ["--code", str(self.code)]
        words += ["--samples", str(self.samples)] if self.samples else []
        words += ["--seed", str(self.seed)] if self.samples and self.seed else []
        words += [] if self.own is None else ["--from", self.own]
        words += [] if self.strength == 1 else ["--strength", f"{self.strength:g}"]
        words += [] if self.crop is None else ["--crop", self.crop]
        words += ["--paste"] if self.paste else []
        words += [] if self.size == "input" else ["--size", self.size]
        return _line(words)


def swap_command(a: Path, b: Path, model: str, crop: str | None = None) -> str:
    """The line that exchanges the domain codes of two images."""
    return _line(["i2i", "swap-domain", a.name, b.name, "-w", model, *([] if crop is None else ["--crop", crop])])


def neighbours_command(image: str, model: str, gallery: Path, count: int, inside: str | None) -> str:
    """The line that finds the neighbours of an image."""
    words = ["i2i", "neighbours", image, "-w", model, "--gallery", str(gallery), "-k", str(count)]
    return _line(words + ([] if inside is None else ["--in", inside]))


def classify_command(image: Path, model: str, labels: str | None) -> str:
    """The line that classifies an image."""
    return _line(["i2i", "classify", image.name, "-w", model, *([] if labels is None else ["--labels", labels])])


def _line(words: list[str]) -> str:
    name = words[2]
    return shlex.join([*words[:2], f"./{name}" if name.startswith("-") else name, *words[3:]])  # a dash makes no option
