"""Any image, or a part of it, into the model's square and back: fit inside, reflect the borders, cut them off again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from i2i_cli.data.images import Picture
from i2i_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Crop(NamedTuple):
    """A part of an upright image: its top left corner and its size, pixels."""

    left: int
    top: int
    width: int
    height: int

    def check(self, size: tuple[int, int], name: str) -> None:
        """Refuse an image of this (width, height) that the crop reaches beyond.

        Raises:
            DataError: it does; the image is called `name`.
        """
        if self.left + self.width > size[0] or self.top + self.height > size[1]:
            raise DataError(
                f"{name} is {size[0]}x{size[1]}: the crop {','.join(map(str, self))} reaches beyond it",
                "give --crop X,Y,W,H in pixels of the upright image",
            )

    def of(self, picture: Picture, name: str) -> Picture:
        """That part of `picture`.

        Raises:
            DataError: it reaches beyond the image called `name`.
        """
        self.check(picture.size, name)
        box = (self.left, self.top, self.left + self.width, self.top + self.height)
        alpha = None if picture.alpha is None else picture.alpha.crop(box)
        across, down = (
            picture.rgb.width / picture.size[0],
            picture.rgb.height / picture.size[1],
        )  # 1, or decoded smaller
        left, top, right, bottom = (round(place * scale) for place, scale in zip(box, (across, down) * 2, strict=True))
        rgb = picture.rgb.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
        return picture._replace(rgb=rgb, size=(self.width, self.height), alpha=alpha)


FEATHER = 0.2
"""Share of a part's side over which it fades into the photo."""


def pasted(photo: Image.Image, crop: Crop, result: Image.Image, feather: float = FEATHER) -> Image.Image:
    """A copy of `photo` with `result`, of any size, in the place of `crop`; both of mode RGB.

    Args:
        feather: share of the part's side over which it fades in, from 0 to 0.5. It does not where the part touches the
            photo's border, since nothing is beside it there.
    """
    # Late, as in all of this file: what is wrong with a command line is told without numpy.
    import numpy as np

    across = _fading(crop.width, feather, crop.left > 0, crop.left + crop.width < photo.width)
    down = _fading(crop.height, feather, crop.top > 0, crop.top + crop.height < photo.height)
    opacity = Image.fromarray(np.rint(255 * np.outer(down, across)).astype(np.uint8))
    whole = photo.copy()
    whole.paste(_resized(result, (crop.width, crop.height)), (crop.left, crop.top), opacity)
    return whole


def _fading(length: int, feather: float, at_start: bool, at_end: bool) -> "NDArray[np.float64]":
    """Opacity (length,), from 0 to 1, which rises smoothly from the ends that fade."""
    import numpy as np

    ramp = np.minimum((np.arange(length) + 0.5) / max(feather * length, 1e-9), 1.0)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return (ramp if at_start else np.ones(length)) * (ramp[::-1] if at_end else 1.0)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where an image lies in the model's square, and what it came with.

    Args:
        size: (width, height) of the original image.
        box: (left, top, right, bottom) of its place in the square.
        alpha: mode L at `size`, or None.
    """

    size: tuple[int, int]
    box: tuple[int, int, int, int]
    alpha: Image.Image | None = None

    def restore(self, pixels: "NDArray[np.uint8]", at_model_size: bool = False) -> Image.Image:
        """The square `pixels` (S, S, 3) cut to the image and scaled back, alpha put on again."""
        image = Image.fromarray(pixels).crop(self.box)
        if not at_model_size:
            image = _resized(image, self.size)
        if self.alpha is not None:
            image = image.convert("RGBA")
            image.putalpha(_resized(self.alpha, image.size))
        return image


def fit(picture: Picture, side: int) -> "tuple[NDArray[np.uint8], Frame]":
    """The picture scaled inside a square of `side`, centred, its borders reflected outwards."""
    import numpy as np

    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    pixels = np.asarray(_resized(picture.rgb, (width, height)))
    left, top = (side - width) // 2, (side - height) // 2
    margins = ((top, side - height - top), (left, side - width - left), (0, 0))
    square = np.pad(pixels, margins, mode="reflect")
    return square, Frame(size=picture.size, box=(left, top, left + width, top + height), alpha=picture.alpha)


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
