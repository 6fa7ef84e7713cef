import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.geometry import Crop, fit
from i2i_cli.data.images import Picture
from i2i_cli.errors import DataError


def picture(size: tuple[int, int]) -> Picture:
    width, height = size
    ramp = np.linspace(0, 255, width * height).reshape(height, width).astype(np.uint8)
    image = Image.fromarray(np.stack([ramp] * 3, axis=2))
    return Picture(image, image.size)


@pytest.mark.parametrize("size", [(64, 64), (200, 120), (120, 200), (1, 1), (1, 900), (3000, 2), (33, 47)])
def test_any_image_fits_and_comes_back_at_its_size(size: tuple[int, int]) -> None:
    square, frame = fit(picture(size), 64)
    assert square.shape == (64, 64, 3)
    assert frame.restore(square).size == size
    assert max(frame.restore(square, at_model_size=True).size) == 64


def test_the_margins_mirror_the_image() -> None:
    square, frame = fit(picture((64, 32)), 64)
    left, top, right, bottom = frame.box
    assert (left, top, right, bottom) == (0, 16, 64, 48)
    assert np.array_equal(square[top - 1], square[top + 1])
    assert np.array_equal(square[bottom], square[bottom - 2])
    square, frame = fit(picture((32, 64)), 64)
    left, top, right, bottom = frame.box
    assert (left, top, right, bottom) == (16, 0, 48, 64), "an upright image is in the middle too"
    assert np.array_equal(square[:, left - 1], square[:, left + 1])
    assert np.array_equal(square[:, right], square[:, right - 2])


def test_an_image_of_the_model_s_size_passes_unchanged() -> None:
    original = picture((64, 64))
    square, frame = fit(original, 64)
    assert np.array_equal(np.asarray(frame.restore(square)), np.asarray(original.rgb))


def test_alpha_is_put_on_again() -> None:
    alpha = Image.new("L", (50, 20), 77)
    square, frame = fit(picture((50, 20))._replace(alpha=alpha), 32)
    result = frame.restore(square)
    assert result.mode == "RGBA" and result.getchannel("A").getextrema() == (77, 77)


def test_a_crop_is_that_part_with_its_alpha() -> None:
    whole = picture((50, 20))._replace(alpha=Image.linear_gradient("L").resize((50, 20)))
    part = Crop(10, 5, 30, 8).of(whole, "x.png")
    assert part.size == part.rgb.size == (30, 8)
    assert np.array_equal(np.asarray(part.rgb), np.asarray(whole.rgb)[5:13, 10:40])
    assert part.alpha is not None and whole.alpha is not None
    assert np.array_equal(np.asarray(part.alpha), np.asarray(whole.alpha)[5:13, 10:40])
    assert Crop(0, 0, 50, 20).of(whole, "x.png").rgb.tobytes() == whole.rgb.tobytes()
    with pytest.raises(DataError, match=r"x.png is 50x20: the crop 21,0,30,8 reaches beyond it"):
        Crop(21, 0, 30, 8).of(whole, "x.png")
