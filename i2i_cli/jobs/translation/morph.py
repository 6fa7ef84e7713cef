"""A moving picture of a translation: from one domain code to the next, frame by frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from i2i_cli.errors import DataError
from i2i_cli.files import check_written_as, written_whole
from i2i_cli.inference.inputs import Loaded
from i2i_cli.inference.translator import Target, Translator

FORMATS = {".gif": "GIF", ".webp": "WEBP"}

STEPS = 12
"""Frames from one code to the next."""

MILLISECONDS = 80
"""That a frame is shown; the first frame of each code is held for `HELD` times as long."""

HELD = 8

MAX_SIDE = 256
"""Of a frame, pixels."""


def check_morph(path: Path) -> None:
    """Refuse names that no moving picture is written under.

    Raises:
        ConfigError: the suffix is not one of `FORMATS`.
    """
    check_written_as(path, FORMATS, "moving picture")


def save_morph(
    path: Path, translator: Translator, loaded: Loaded, targets: Sequence[Target], own: str | None = None
) -> None:
    """Write the way of one image through its targets: from its own look to a single one and back, or round several.

    Args:
        own: the image's domain, where codes need it and it is known.

    Raises:
        DataError: the file cannot be written.
    """
    frames = [_shown(loaded, square) for square in _squares(translator, loaded, targets, own)]
    lengths = [MILLISECONDS * (HELD if place % STEPS == 0 else 1) for place in range(len(frames))]
    options = {"save_all": True, "append_images": frames[1:], "duration": lengths, "loop": 0}
    with written_whole(path) as temporary:
        try:
            frames[0].save(temporary, FORMATS[path.suffix.lower()], **options)
        except ValueError as error:  # of more pixels a side than the format has
            raise DataError(f"cannot write {path}: {error}") from error


def _squares(
    translator: Translator, loaded: Loaded, targets: Sequence[Target], own: str | None
) -> Iterator[np.ndarray]:
    sources = translator.sources_among([loaded], own)
    codes = translator.encode([loaded.square], sources)
    stops = [target.code for target in targets]
    if len(stops) == 1:
        stops = [translator.rebuilding_codes(codes, sources), *stops]
    for here, there in zip(stops, [*stops[1:], stops[0]], strict=True):
        for step in range(STEPS):
            share = (1 - np.cos(np.pi * step / STEPS)) / 2  # slow at both ends
            yield translator.pixels(codes._replace(domain=here + float(share) * (there - here)))[0]


def _shown(loaded: Loaded, square: np.ndarray) -> Image.Image:
    frame = loaded.frame.restore(square).convert("RGB")
    frame.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return frame
