"""The square around a face is that of the training images."""

from pathlib import Path

import numpy as np
import pytest

from i2i_cli.data.framing import Face, framed
from i2i_cli.data.images import read_image

REAL_IMAGES = Path(__file__).parents[3] / "shared" / "data"


def upright(left: float, top: float, width: float, height: float) -> Face:
    """A face whose eyes are at 0.4 of its box's height, and its mouth at 0.8."""
    eyes, mouth = top + 0.4 * height, top + 0.8 * height
    across = (left + 0.25 * width, left + 0.75 * width)
    points = tuple(((across[0], y), (across[1], y)) for y in (eyes, mouth))
    return Face((left, top, left + width, top + height), 1.0, points[0], points[1])


def test_the_square_is_one_and_a_half_faces_wide_and_centred_below_the_eyes() -> None:
    crop = framed(upright(400, 300, 90, 160), (1000, 1000))
    assert crop.width == crop.height == round(1.53 * 120)
    assert crop.left + crop.width / 2 == pytest.approx(445, abs=1)
    assert crop.top + crop.height / 2 == pytest.approx(300 + 0.44 * 160, abs=1)


def test_a_turned_face_has_the_square_of_an_upright_one() -> None:
    """Only the centre moves: the square is never turned."""
    face = upright(400, 400, 100, 100)
    lying = face._replace(eyes=((440.0, 475.0), (440.0, 425.0)), mouth=((480.0, 475.0), (480.0, 425.0)))
    assert framed(lying, (1000, 1000))[2:] == framed(face, (1000, 1000))[2:]
    assert framed(lying, (1000, 1000)).left == 444 - 76


@pytest.mark.parametrize(
    ("left", "top", "expected"),
    [(-20, -30, (0, 0)), (930, 940, (1000 - 153, 1000 - 153)), (-40, 500, (0, None)), (500, 960, (None, 1000 - 153))],
)
def test_what_would_reach_beyond_is_shifted_inside(
    left: int, top: int, expected: tuple[int | None, int | None]
) -> None:
    crop = framed(upright(left, top, 100, 100), (1000, 1000))
    assert crop.width == crop.height == 153
    for found, wanted in zip(crop[:2], expected, strict=True):
        assert found == wanted or (wanted is None and 0 < found < 1000 - 153)


@pytest.mark.parametrize("size", [(300, 120), (120, 300), (100, 100), (1, 1)])
def test_it_is_smaller_only_where_the_picture_is(size: tuple[int, int]) -> None:
    crop = framed(upright(10, 10, 90, 90), size)
    assert crop.width == crop.height == min(min(size), 138)
    assert 0 <= crop.left <= size[0] - crop.width and 0 <= crop.top <= size[1] - crop.height


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="no real images beside the checkout")
@pytest.mark.parametrize("folder", ["faces/256/test/human_ffhq", "faces/64/test/human"])
def test_images_that_are_framed_already_are_framed_alike(folder: str) -> None:
    # Late: onnxruntime.
    from PIL import Image

    from i2i_cli.inference.faces import find_faces

    sides, offsets = [], []
    for path in sorted((REAL_IMAGES / folder).iterdir())[::10][:20]:
        canvas = Image.new("RGB", (600, 600), (128, 128, 128))
        canvas.paste(read_image(path).rgb.resize((200, 200)), (200, 200))
        crop = framed(find_faces(canvas)[0], canvas.size)
        sides.append(crop.width / 200)
        offsets.append([crop.left + crop.width / 2 - 300, crop.top + crop.height / 2 - 300])
    assert np.mean(sides) == pytest.approx(1, abs=0.06)
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.03 * 200
