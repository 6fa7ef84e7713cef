"""Find the faces in a picture, by the small detector that comes with the package. No torch.

It is YuNet (Wu, Peng and Yu 2023, doi 10.1007/s11633-023-1423-y): at every place of three grids, it says how sure it
is of a face, and where its box, eyes, nose and mouth are. `benchmarks/faces.py` made `weights/face-detector.onnx` from
the published file.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.checkpoints.names import shipped_network
from i2i_cli.data.framing import Face
from i2i_cli.errors import WeightsError

SIDES = ((640, 160), (1280,))
"""Longest sides at which a picture is looked at: the next group only where the one before shows no face.

The detector knows faces of 10 to 300 pixels: at 640 those of a group, at 160 one that fills the picture, at 1280 one
that is far away; that takes four times as long.
"""

MAX_ENLARGED = 2.0
"""Enlarged further, other things look like faces."""

AROUND, CLOSER = 3.0, 160
"""What a find is confirmed in: a square of so many times its size, looked at with this size of the find in pixels.

The detector knows faces of that size best: the eyes and the mouth of one that is small in its picture are four times
closer to where they should be, and most of what is no face is seen as none.
"""

MIN_SCORE = 0.8
MAX_OVERLAP = 0.3
"""Shared area over joint area of two boxes; above, they are one face."""

_STRIDES = (8, 16, 32)
"""Pixels between the places of each grid."""

_KINDS = ("cls", "obj", "bbox", "kps")
"""The detector's outputs for each grid: two scores, which are multiplied, the box, and five points."""

Numbers = NDArray[np.float32]
"""Of rows (N, 15): the score; left, top, right, bottom; x and y of eyes, nose and corners of the mouth."""


def find_faces(rgb: Image.Image, min_score: float = MIN_SCORE) -> list[Face]:
    """The faces in an upright picture of mode RGB, the largest first, in its pixels.

    Raises:
        WeightsError: the detector cannot be read.
    """
    for sides in SIDES:
        seen = _distinct(np.concatenate([_seen_at(side, rgb, min_score) for side in sides]))
        rows = _distinct(np.concatenate([seen[:0], *(_confirmed(row, rgb, min_score) for row in seen)]))
        if len(rows):
            return sorted(map(_face, rows), key=lambda face: face.area, reverse=True)
    return []


def _confirmed(row: Numbers, rgb: Image.Image, min_score: float) -> Numbers:
    """The find of `row` as it is seen from closer by: one row, or none."""
    middle, size = (row[1:3] + row[3:5]) / 2, (row[3:5] - row[1:3]).prod() ** 0.5
    start = np.clip(middle - AROUND / 2 * size, 0, np.array(rgb.size) - 1).astype(int)
    end = np.clip(middle + AROUND / 2 * size, start + 1, rgb.size).astype(int)
    part = rgb.crop((*start.tolist(), *end.tolist()))
    rows = _seen_at(CLOSER / size * max(part.size), part, min_score)
    rows[:, 1:] += np.tile(start.astype(np.float32), 7)
    same = rows[_overlap(row, rows) > MAX_OVERLAP]
    return same[same[:, 0].argmax()][None] if len(same) else same


def _seen_at(side: float, rgb: Image.Image, min_score: float) -> Numbers:
    """What the detector sees in `rgb` scaled to this longest side, in pixels of `rgb`; one face several times."""
    scale = min(side / max(rgb.size), MAX_ENLARGED)
    width, height = (max(1, round(length * scale)) for length in rgb.size)
    small = rgb.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    rows = _rows(np.asarray(small), min_score)
    rows[:, 1:] *= np.tile(np.array((rgb.width / width, rgb.height / height), np.float32), 7)
    return rows


def _rows(pixels: NDArray[np.uint8], min_score: float) -> Numbers:
    """The detector's finds in `pixels` (H, W, 3)."""
    height, width, _ = pixels.shape
    # The coarsest grid divides the picture; the rest is black, below and to the right.
    padded = np.zeros((1, 3, *(-(-length // _STRIDES[-1]) * _STRIDES[-1] for length in (height, width))), np.float32)
    padded[0, :, :height, :width] = pixels[..., ::-1].transpose(2, 0, 1)  # it was trained on BGR, 0 to 255
    names = [f"{kind}_{stride}" for stride in _STRIDES for kind in _KINDS]
    found = dict(zip(names, _detector().run(names, {"input": padded}), strict=True))
    grids = [
        _decoded([found[f"{kind}_{stride}"][0] for kind in _KINDS], padded.shape[3] // stride, stride, min_score)
        for stride in _STRIDES
    ]
    return np.concatenate(grids)


def _decoded(outputs: Sequence[Numbers], columns: int, stride: int, min_score: float) -> Numbers:
    """The finds of one grid, whose outputs have a row for each place, in pixels of what the detector saw."""
    classes, objects, boxes, points = outputs
    score = np.sqrt(classes * objects)[:, 0]
    (place,) = np.nonzero(score >= min_score)
    corner = np.stack([place % columns, place // columns], axis=1)
    centre, half = corner + boxes[place, :2], np.exp(boxes[place, 2:]) / 2
    where = np.concatenate([centre - half, centre + half, points[place] + np.tile(corner, 5)], axis=1)
    return np.concatenate([score[place, None], where * stride], axis=1).astype(np.float32)


def _distinct(rows: Numbers) -> Numbers:
    """Each face once, by its highest score: non-maximum suppression."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    kept = [rows[:0]]
    while len(rows):
        kept.append(rows[:1])
        rows = rows[_overlap(rows[0], rows) <= MAX_OVERLAP]
    return np.concatenate(kept)


def _overlap(row: Numbers, rows: Numbers) -> Numbers:
    """Shared over joint area of the box of one row and those of many."""
    shared = np.minimum(row[3:5], rows[:, 3:5]) - np.maximum(row[1:3], rows[:, 1:3])
    both = shared.clip(min=0).prod(axis=1)
    return both / ((row[3:5] - row[1:3]).prod() + (rows[:, 3:5] - rows[:, 1:3]).prod(axis=1) - both)


def _face(row: Numbers) -> Face:
    score, left, top, right, bottom, *points = (float(number) for number in row)
    first_eye, second_eye, _, first_corner, second_corner = zip(points[::2], points[1::2], strict=True)
    return Face((left, top, right, bottom), score, (first_eye, second_eye), (first_corner, second_corner))


@cache
def _detector() -> Any:
    # Late: many commands look for no faces.
    import onnxruntime

    path = shipped_network("face-detector.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # A picture takes milliseconds, and pictures come from several threads at once.
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise WeightsError(f"cannot read {path}: {str(error).splitlines()[0][:200]}", "install i2i-cli again") from None
