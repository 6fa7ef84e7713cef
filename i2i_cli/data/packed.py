"""Images decoded once, kept packed: one uint8 file a data set and size, memory-mapped.

Layout: the squares of all images (see `data/geometry.py`), HWC RGB, one after another; then a JSON
footer {fingerprint, indices, digests, bad}; then the footer's length as 8 little-endian bytes.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.data.cache import Progress, cache_folder
from i2i_cli.data.domains import Item
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.errors import DataError
from i2i_cli.files import written_whole

LAYOUT = 2


@dataclass(frozen=True)
class PackedImages:
    """Decoded images.

    Args:
        pixels: (n, S, S, 3) uint8.
        indices: for each row, its place in the list of items that was packed.
        digests: for each row, a hash of its pixels.
        bad: one sentence for each image that could not be read and is left out.
    """

    pixels: NDArray[np.uint8]
    indices: NDArray[np.int64]
    digests: tuple[str, ...]
    bad: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def squares(self, rows: Tensor) -> Tensor:
        """The images in `rows`: (B, S, S, 3) uint8."""
        return torch.from_numpy(np.asarray(self.pixels)[rows.numpy()])


def packed(items: Sequence[Item], root: Path, image_size: int, report: Progress | None = None) -> PackedImages:
    """The decoded images of `items`, from the cache where it is fresh, else made and kept.

    Any change of a relative path, size or modification time makes it anew. Where the cache cannot
    be written, the pixels stay in memory.

    Raises:
        DataError: not one image can be read.
    """
    fingerprint = _fingerprint(items, root)
    name = hashlib.sha256(f"{root.resolve()}|{image_size}|{LAYOUT}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
    path = cache_folder() / "packed" / f"{name}.u8"
    try:
        if (found := _open(path, fingerprint, image_size)) is not None:
            return found
        with written_whole(path) as temporary, temporary.open("wb") as file:
            _write(file, items, image_size, fingerprint, report)
        found = _open(path, fingerprint, image_size)
    except DataError:
        found = None
    return found if found is not None else _in_memory(items, image_size, report)


def _fingerprint(items: Sequence[Item], root: Path) -> str:
    digest = hashlib.sha256()
    for item in items:
        try:
            stat = item.path.stat()
            facts = f"{stat.st_size} {stat.st_mtime_ns}"
        except OSError:
            facts = "gone"
        digest.update(f"{item.path.relative_to(root)}\0{facts}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class _Decoded(NamedTuple):
    """An image of the list: its place in it, its square, and a hash of that."""

    place: int
    square: NDArray[np.uint8]
    digest: str


def _decoded(items: Sequence[Item], image_size: int, report: Progress | None, bad: list[str]) -> Iterator[_Decoded]:
    """The images of `items`, in order; what cannot be read is told in `bad`."""

    def decode(place: int) -> _Decoded | str:
        try:
            square, _ = fit(read_image(items[place].path, 2 * image_size), image_size)
        except DataError as error:
            return error.message
        return _Decoded(place, square, hashlib.blake2b(square.tobytes(), digest_size=8).hexdigest())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunk = 256  # bounds what is decoded but not yet written
        for start in range(0, len(items), chunk):
            stop = min(start + chunk, len(items))
            for found in pool.map(decode, range(start, stop)):
                if isinstance(found, str):
                    bad.append(found)
                else:
                    yield found
            if report is not None:
                report(stop, len(items))


def _write(file: BinaryIO, items: Sequence[Item], image_size: int, fingerprint: str, report: Progress | None) -> None:
    indices, digests, bad = list[int](), list[str](), list[str]()
    for found in _decoded(items, image_size, report, bad):
        file.write(found.square.tobytes())
        indices.append(found.place)
        digests.append(found.digest)
    facts = {"fingerprint": fingerprint, "indices": indices, "digests": digests, "bad": bad}
    footer = json.dumps(facts).encode()
    file.write(footer + len(footer).to_bytes(8, "little"))


def _open(path: Path, fingerprint: str, image_size: int) -> PackedImages | None:
    """The packed file at `path`, if it is there, whole and fresh."""
    try:
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            length = int.from_bytes(file.read(8), "little")
            end = file.seek(-8 - length, os.SEEK_END)
            footer = json.loads(file.read(length))
        if footer["fingerprint"] != fingerprint:
            return None
        indices, digests, bad = footer["indices"], footer["digests"], footer["bad"]
        shape = (len(indices), image_size, image_size, 3)
        if len(digests) != len(indices) or end != int(np.prod(shape)):
            return None
        pixels = np.memmap(path, np.uint8, "r", shape=shape) if end else np.empty(shape, np.uint8)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _images(pixels, indices, digests, bad)


def _in_memory(items: Sequence[Item], image_size: int, report: Progress | None) -> PackedImages:
    bad = list[str]()
    found = list(_decoded(items, image_size, report, bad))
    pixels = (
        np.stack([image.square for image in found]) if found else np.empty((0, image_size, image_size, 3), np.uint8)
    )
    return _images(pixels, [image.place for image in found], [image.digest for image in found], bad)


def _images(pixels: NDArray[np.uint8], indices: list[int], digests: list[str], bad: list[str]) -> PackedImages:
    if not indices:
        raise DataError("no image could be read", bad[0] if bad else "")
    return PackedImages(pixels, np.array(indices, np.int64), tuple(digests), tuple(bad))
