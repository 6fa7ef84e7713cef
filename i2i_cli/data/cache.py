"""Images decoded once, kept packed: one uint8 file a data set and size, memory-mapped.

Layout: the pixels of all images, HWC RGB, one after another; then a JSON footer {fingerprint,
shapes, bad}; then the footer's length as 8 little-endian bytes.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from platformdirs import user_cache_path
from torch import Tensor

from i2i_cli.data.domains import Item
from i2i_cli.data.images import read_image
from i2i_cli.errors import DataError
from i2i_cli.files import written_whole

LAYOUT = 1
MAX_ASPECT = 2
"""Longer side over shorter that is kept; what a random crop cannot see is cut off."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PackedImages:
    """Decoded images. `pixels` is one flat uint8 array; image i is (heights[i], widths[i], 3).

    Args:
        indices: for each row, its place in the list of items that was packed.
        bad: one sentence for each image that could not be read and is left out.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    indices: NDArray[np.int64]
    bad: tuple[str, ...]
    image_size: int

    def __len__(self) -> int:
        return len(self.shapes)

    def crops(self, rows: Tensor, places: Tensor | None = None) -> Tensor:
        """Square crops (B, S, S, 3) uint8 of the images in `rows`.

        Args:
            places: (B,) in [0, 1]: where the crop lies along the longer side; None is the centre.
        """
        size = self.image_size
        batch = np.empty((len(rows), size, size, 3), np.uint8)
        for i, row in enumerate(rows.tolist()):
            height, width = self.shapes[row]
            image = self.pixels[self._starts[row] : self._starts[row + 1]].reshape(height, width, 3)
            place = 0.5 if places is None else float(places[i])
            top, left = round(place * (height - size)), round(place * (width - size))
            batch[i] = image[top : top + size, left : left + size]
        return torch.from_numpy(batch)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.shapes.prod(1) * 3)])


def cache_folder() -> Path:
    """Where packed images and sample sets are kept: `I2I_CACHE`, or the user's cache folder."""
    return Path(os.environ.get("I2I_CACHE") or user_cache_path("i2i"))


def fit_shorter_side(image: Image.Image, size: int) -> Image.Image:
    """Scale to a shorter side of `size`, and cut the longer one to twice that, in the centre."""
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    cut_x, cut_y = (max(0.0, (side - MAX_ASPECT * size) / 2) for side in (width, height))
    box = (cut_x / scale, cut_y / scale, image.width - cut_x / scale, image.height - cut_y / scale)
    target = (min(width, MAX_ASPECT * size), min(height, MAX_ASPECT * size))
    if image.size == target:
        return image
    return image.resize(target, Image.Resampling.LANCZOS, box=box)


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


def _decoded(items: Sequence[Item], image_size: int, report: Progress | None) -> Iterator[NDArray[np.uint8] | str]:
    """Each item's pixels, or the sentence that says why it has none; in order."""

    def decode(item: Item) -> NDArray[np.uint8] | str:
        try:
            return np.asarray(fit_shorter_side(read_image(item.path, 2 * image_size).rgb, image_size))
        except DataError as error:
            return error.message

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chunk = 256  # bounds what is decoded but not yet written
        for start in range(0, len(items), chunk):
            yield from pool.map(decode, items[start : start + chunk])
            if report is not None:
                report(min(start + chunk, len(items)), len(items))


def _write(file: BinaryIO, items: Sequence[Item], image_size: int, fingerprint: str, report: Progress | None) -> None:
    shapes, indices, bad = [], [], []
    for index, pixels in enumerate(_decoded(items, image_size, report)):
        if isinstance(pixels, str):
            bad.append(pixels)
        else:
            file.write(pixels.tobytes())
            shapes.append(pixels.shape[:2])
            indices.append(index)
    footer = json.dumps({"fingerprint": fingerprint, "shapes": shapes, "indices": indices, "bad": bad}).encode()
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
        return _from_footer(
            np.memmap(path, np.uint8, "r", shape=(end,)) if end else np.empty(0, np.uint8), footer, image_size
        )
    except (OSError, ValueError, KeyError):
        return None


def _in_memory(items: Sequence[Item], image_size: int, report: Progress | None) -> PackedImages:
    found = list(_decoded(items, image_size, report))
    images = [(index, pixels) for index, pixels in enumerate(found) if not isinstance(pixels, str)]
    footer = {
        "shapes": [pixels.shape[:2] for _, pixels in images],
        "indices": [index for index, _ in images],
        "bad": [sentence for sentence in found if isinstance(sentence, str)],
    }
    flat = [pixels.reshape(-1) for _, pixels in images] or [np.empty(0, np.uint8)]
    return _from_footer(np.concatenate(flat), footer, image_size)


def _from_footer(pixels: NDArray[np.uint8], footer: dict, image_size: int) -> PackedImages:
    shapes = np.array(footer["shapes"], np.int64).reshape(-1, 2)
    if not len(shapes):
        raise DataError("not one image could be read", footer["bad"][0] if footer["bad"] else "")
    if int(shapes.prod(1).sum()) * 3 != pixels.size:
        raise ValueError("the packed file is damaged")
    indices = np.array(footer["indices"], np.int64)
    return PackedImages(pixels, shapes, indices, tuple(footer["bad"]), image_size)
