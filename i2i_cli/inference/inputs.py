"""What images are read from: files, folders, stdin, lists of paths; and reading them. No torch."""

import codecs
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from i2i_cli.data.folders import passed_over, walk
from i2i_cli.data.geometry import Crop, Frame, fit
from i2i_cli.data.images import SUFFIXES, Picture, read_image
from i2i_cli.errors import ConfigError, DataError, I2IError
from i2i_cli.notes import Note, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STREAM = Path("-")
"""stdin as a source, stdout as an output."""

BATCH = 32
"""Images a forward pass; as many more are decoded ahead."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image to read.

    Args:
        path: where it is, or `STREAM`.
        below: the folder that it was found through, if any.
        crop: the part that is meant; None is the whole, or with `face` the largest face in it.
        face: look for a face, where no crop is told and the image is larger than the model.
        number: which of several parts of one image it is, from 1; 0 where there is one alone.
    """

    path: Path
    below: Path | None = None
    crop: Crop | None = None
    face: bool = False
    number: int = 0


class Loaded(NamedTuple):
    """A decoded image in the model's square, where it lies in it, and what a person should know of it.

    Args:
        crop: the part of the image that it is, pixels of the upright image; None is the whole.
        faceless: a face was looked for, and none found.
    """

    source: Source
    square: "NDArray[np.uint8]"
    frame: Frame
    note: str
    crop: Crop | None = None
    faceless: bool = False


class Failure(NamedTuple):
    """An image that could not be read, and why."""

    source: Source
    error: I2IError


ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)")
"""An address as a `Path` keeps it: with one slash of the two. A single letter is a drive of Windows."""


def url_of(path: Path) -> str | None:
    """The address that `path` stands for, or None for a file of this machine."""
    found = ADDRESS.fullmatch(path.as_posix())
    if found is None:
        return None
    scheme, rest = found.groups()
    return f"{scheme}:///{rest}" if scheme in ("file", "local") else f"{scheme}://{rest}"


class Part(NamedTuple):
    """Which part of each image is meant: a crop, the largest face, every face, or the whole."""

    crop: Crop | None = None
    face: bool = False
    every: bool = False


ALL_OF_IT = Part()


def parse_part(text: str | None, framing: str = "") -> Part:
    """What `--crop` says; None is the face where the model's images are framed so, else the whole.

    Raises:
        ConfigError: no word that is known and no four whole numbers, or an empty part.
    """
    if text is None or text in ("auto", "all", "none"):
        return Part(face=text in ("auto", "all") or (text is None and framing == "face"), every=text == "all")
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isascii() and part.strip().isdigit()]
    if not len(parts) == len(numbers) == 4 or 0 in numbers[2:]:
        raise ConfigError(
            f"--crop {text!r} is not of the form X,Y,W,H",
            "give left, top, width and height in pixels, or auto, all or none",
        )
    return Part(Crop(*numbers))


Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Shard:
    """One machine's part of a list that several share: every `count`-th thing, from the one at `index` (from 0) on."""

    index: int = 0
    count: int = 1

    def of(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """The things that are this shard's."""
        return things[self.index :: self.count]


WHOLE = Shard()


def parse_shard(text: str | None) -> Shard:
    """`"2/8"` as the second of eight; None is all.

    Raises:
        ConfigError: no such fraction.
    """
    if text is None:
        return WHOLE
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in text.split("/")]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
        raise ConfigError(f"--shard {text!r} is not of the form I/N", "give 1/4 to 4/4 on four machines")
    return Shard(numbers[0] - 1, numbers[1])


def find_sources(paths: Sequence[Path], recursive: bool, part: Part = ALL_OF_IT, note: Note = silent) -> list[Source]:
    """The images that `paths` (files, folders, `-`) stand for; `part`: that part of each.

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
            sources.append(Source(path=path, crop=part.crop, face=part.face))
            continue
        if not recursive:
            raise ConfigError(f"{path} is a folder", "add -r to take all images in it, and -o FOLDER for results")
        found = walk(path)
        told = passed_over([found])
        if not found.images:
            raise DataError(f"{path} has no images in it", told)
        if told:
            note(f"{path}: {told}")
        sources += [Source(path=image, below=path, crop=part.crop, face=part.face) for image in found.images]
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
    """The image behind `source`, or the part of it that is meant, fitted into a square of `side`.

    Args:
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """
    try:
        data = read_stdin() if source.path == STREAM else source.path
        return loaded(source, side, lambda max_side: read_image(data, max_side))
    except I2IError as error:
        return Failure(source, error)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        return Failure(source, DataError(f"{source.path}: {error.strerror}"))


def loaded(source: Source, side: int, read: Callable[[int | None], Picture]) -> Loaded:
    """The part of an image that `source` means, fitted into a square of `side`.

    Args:
        read: decodes the image, at a fraction of its size where the side that it is given allows that.

    Raises:
        DataError: the image cannot be read, or a crop reaches beyond it.
    """
    if source.crop is not None or not source.face:
        # A crop is counted in the file's own pixels.
        return fitted(source, read(2 * side if source.crop is None else None), side, source.crop)
    picture = read(LOOK_AT)
    if max(picture.size) <= side:
        return fitted(source, picture, side)
    crop = next(iter(face_crops(picture)), None)
    if crop is None:
        return fitted(source, picture, side)._replace(faceless=True)
    if crop.width * crop.height >= MOSTLY * picture.size[0] * picture.size[1]:
        return fitted(source, picture, side)  # it is framed already
    if picture.rgb.width * crop.width < 2 * side * picture.size[0]:
        picture = read(None)  # a small face is enlarged from all of its pixels
    return fitted(source, picture, side, crop)


LOOK_AT = 1280
"""Faces are looked for in an image decoded at about this longest side."""

MOSTLY = 0.7
"""An image of which a face's square is this share is a framed face, and taken whole."""


def fitted(source: Source, picture: Picture, side: int, crop: Crop | None = None) -> Loaded:
    """`picture`, or its part `crop`, in a square of `side`.

    Raises:
        DataError: the crop reaches beyond it.
    """
    if crop is not None:
        picture = crop.of(picture, "stdin" if source.path == STREAM else str(source.path))
    return Loaded(source, *fit(picture, side), picture.note, crop)


def every_face(sources: Sequence[Source]) -> list[Source]:
    """A source for each face in the images; the image itself where none is found, or it cannot be read."""
    found = []
    for source in sources:
        try:
            crops = face_crops(read_image(source.path, LOOK_AT))
        except (I2IError, OSError):  # told when it is read for its translation
            crops = []
        found += [replace(source, crop=crop, number=number) for number, crop in enumerate(crops, 1)] or [source]
    return found


def face_crops(picture: Picture) -> list[Crop]:
    """The square around each face in `picture`, the largest first, in pixels of the upright image."""
    # Late: onnxruntime.
    from i2i_cli.data.framing import framed
    from i2i_cli.inference.faces import find_faces

    scale = picture.size[0] / picture.rgb.width
    return [framed(face.scaled(scale), picture.size) for face in find_faces(picture.rgb)]


def load_batches(
    sources: Sequence[Source], side: int, read_stdin: Callable[[], bytes] = bytes, size: int | None = None
) -> Iterator[list[Loaded | Failure]]:
    """All `sources` in order, `size` (`BATCH`) at a time; the next batch is decoded while one is worked on."""

    size = BATCH if size is None else size

    def submit(start: int) -> list:
        chosen = sources[start : start + size]
        return [pool.submit(load_source, source, side, read_stdin) for source in chosen]

    if len(sources) == 1:  # threads would take longer than they save
        yield [load_source(sources[0], side, read_stdin)]
        return
    with ThreadPoolExecutor() as pool:
        ahead = submit(0)
        for start in range(size, len(sources) + size, size):
            current, ahead = ahead, submit(start)
            yield [future.result() for future in current]
