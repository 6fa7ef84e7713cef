"""The images that a command line names: files, folders, stdin, and lists of paths; and reading them."""

import codecs
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.data.folders import Note, passed_over, silent, walk
from i2i_cli.data.geometry import Crop, Frame, fit
from i2i_cli.data.images import SUFFIXES, read_image
from i2i_cli.errors import ConfigError, DataError, I2IError

STREAM = Path("-")
"""stdin as a source, stdout as an output."""

BATCH = 32
"""Images a forward pass; as many more are decoded ahead."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image to read: its path (or `STREAM`), the folder it was found through, if any, and the part that is meant."""

    path: Path
    below: Path | None = None
    crop: Crop | None = None


class Loaded(NamedTuple):
    """A decoded image in the model's square, where it lies in it, and what a person should know of it."""

    source: Source
    square: NDArray[np.uint8]
    frame: Frame
    note: str


class Failure(NamedTuple):
    """An image that could not be read, and why."""

    source: Source
    error: I2IError


def parse_crop(text: str) -> Crop:
    """`"X,Y,W,H"` as a crop.

    Raises:
        ConfigError: not four whole numbers, or an empty part.
    """
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isascii() and part.strip().isdigit()]
    if not len(parts) == len(numbers) == 4 or 0 in numbers[2:]:
        raise ConfigError(f"--crop {text!r} is not of the form X,Y,W,H", "give left, top, width and height in pixels")
    return Crop(*numbers)


def find_sources(paths: Sequence[Path], recursive: bool, crop: Crop | None = None, note: Note = silent) -> list[Source]:
    """The images that `paths` (files, folders, `-`) stand for; `crop`: that part of each.

    Args:
        note: is told what is passed over in folders.

    Raises:
        ConfigError: a folder without `recursive`, unless it is called like an image.
        DataError: a folder without images.
    """
    sources = []
    for path in paths:
        is_odd_image = not recursive and path.suffix.lower() in SUFFIXES  # one bad name of a glob stops no other
        if path == STREAM or is_odd_image or not _is_folder(path):
            sources.append(Source(path=path, crop=crop))
            continue
        if not recursive:
            raise ConfigError(f"{path} is a folder", "add -r to take all images in it")
        found = walk(path)
        told = passed_over([found])
        if not found.images:
            raise DataError(f"{path} has no images in it", told)
        if told:
            note(f"{path}: {told}")
        sources += [Source(path=image, below=path, crop=crop) for image in found.images]
    return sources


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be entered: reading it will say so
        return False


def listed_paths(data: bytes, separator: bytes = b"\n") -> list[Path]:
    """Paths from a list of them, one a line, or ended by NUL bytes as `find -print0` writes them.

    Lines may end as on Windows, and the list may be UTF-8 or UTF-16 with a byte order mark.

    Raises:
        DataError: lines with NUL bytes in them, which no path holds.
    """
    if separator == b"\n":
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            data = data.decode("utf-16", "replace").encode()
        data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").removesuffix(b"\r")
        if b"\0" in data:
            hint = "add -0 if NUL bytes end the paths; else save it as UTF-8 (UTF-16 without its mark looks like this)"
            raise DataError("the list of paths holds NUL bytes", hint)
    return [Path(os.fsdecode(name)) for name in data.split(separator) if name]


def load_source(source: Source, side: int, read_stdin: Callable[[], bytes] = bytes) -> Loaded | Failure:
    """The image behind `source`, fitted into a square of `side`.

    Args:
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """
    try:
        max_side = 2 * side if source.crop is None else None  # a crop is counted in the file's own pixels
        picture = read_image(read_stdin() if source.path == STREAM else source.path, max_side)
        if source.crop is not None:
            picture = source.crop.of(picture, "stdin" if source.path == STREAM else str(source.path))
        return Loaded(source, *fit(picture, side), picture.note)
    except I2IError as error:
        return Failure(source, error)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        return Failure(source, DataError(f"{source.path}: {error.strerror}"))


def load_batches(
    sources: Sequence[Source], side: int, read_stdin: Callable[[], bytes] = bytes
) -> Iterator[list[Loaded | Failure]]:
    """All `sources` in order, `BATCH` at a time; the next batch is decoded while one is worked on."""

    def submit(start: int) -> list:
        chosen = sources[start : start + BATCH]
        return [pool.submit(load_source, source, side, read_stdin) for source in chosen]

    with ThreadPoolExecutor() as pool:
        ahead = submit(0)
        for start in range(BATCH, len(sources) + BATCH, BATCH):
            current, ahead = ahead, submit(start)
            yield [future.result() for future in current]
