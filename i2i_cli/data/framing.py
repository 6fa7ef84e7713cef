"""Which part of a photo a model of faces wants to see: the square around a face that its training images show."""

from typing import NamedTuple

import numpy as np

from i2i_cli.data.geometry import Crop

SIDE = 1.53
"""Side of the square, in geometric means of the face box's sides."""

BELOW_THE_EYES = 0.1
"""Where the square's centre is, on the way from the eyes to the mouth."""

Point = tuple[float, float]
"""(x, y), pixels."""


class Face(NamedTuple):
    """Where a face is, in pixels of the image that it was found in.

    Args:
        box: left, top, right, bottom: from the forehead to the chin, without hair; may reach beyond the image.
        score: how sure the detector is, from 0 to 1.
        eyes: their centres, in an upright face the one further left in the image first.
        mouth: its corners, in the same order.
    """

    box: tuple[float, float, float, float]
    score: float
    eyes: tuple[Point, Point]
    mouth: tuple[Point, Point]

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def scaled(self, scale: float) -> "Face":
        """The same face in an image `scale` times as large."""

        def larger(points: tuple[Point, Point]) -> tuple[Point, Point]:
            (x, y), (other_x, other_y) = points
            return (x * scale, y * scale), (other_x * scale, other_y * scale)

        left, top, right, bottom = self.box
        box = (left * scale, top * scale, right * scale, bottom * scale)
        return self._replace(box=box, eyes=larger(self.eyes), mouth=larger(self.mouth))


def framed(face: Face, size: tuple[int, int]) -> Crop:
    """The square around `face` that shows it as FFHQ frames faces, inside an image of `size` (width, height).

    Where it would reach beyond the image, it is shifted inside; it is smaller only where the image is. The centre is
    FFHQ's (arXiv 1812.04948, appendix A). Its side, which FFHQ takes from eyes and mouth, is taken from the box here:
    that is closer to the frames of FFHQ and CelebA, above all where a face looks aside (docs/images.md).
    """
    eyes, mouth = np.mean(face.eyes, axis=0), np.mean(face.mouth, axis=0)
    centre = eyes + BELOW_THE_EYES * (mouth - eyes)
    side = max(1, min(round(SIDE * face.area**0.5), *size))
    left, top = (
        min(max(0, round(float(middle) - side / 2)), length - side) for middle, length in zip(centre, size, strict=True)
    )
    return Crop(left, top, side, side)
