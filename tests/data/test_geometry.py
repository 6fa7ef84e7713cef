import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.geometry import Crop, fit, pasted
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


GREY = Image.new("RGB", (60, 40), (100, 100, 100))
WHITE = Image.new("RGB", (7, 9), (255, 255, 255))


def test_a_result_is_scaled_into_its_place_and_fades_into_the_photo() -> None:
    whole = np.asarray(pasted(GREY, Crop(10, 5, 40, 20), WHITE, feather=0.25))[..., 0].astype(int)
    assert whole.shape == (40, 60) and np.asarray(GREY).max() == 100, "the photo itself is as it was"
    outside = whole.copy()
    outside[5:25, 10:50] = 100
    assert (outside == 100).all()
    assert (whole[10:20, 20:40] == 255).all(), "nothing of the photo shines through the middle"
    across, down = whole[15, 10:50], whole[5:25, 30]
    for line, ramp in ((across, 10), (down, 5)):
        assert (line == line[::-1]).all() and (np.diff(line[:ramp]) > 0).all()
        assert line[0] < 105 and line[ramp - 1] > 250
    assert np.diff(across).max() < 30, "there is no edge"


@pytest.mark.parametrize(
    ("crop", "sharp"),
    [
        (Crop(0, 0, 60, 40), "left top right bottom"),
        (Crop(0, 5, 40, 20), "left"),
        (Crop(20, 5, 40, 20), "right"),
        (Crop(10, 0, 40, 20), "top"),
        (Crop(10, 20, 40, 20), "bottom"),
    ],
)
def test_nothing_fades_at_the_photo_s_own_border(crop: Crop, sharp: str) -> None:
    whole = np.asarray(pasted(GREY, crop, WHITE, feather=0.25))[..., 0]
    part = whole[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    y, x = crop.height // 2, crop.width // 2
    ends = {"left": part[y, 0], "right": part[y, -1], "top": part[0, x], "bottom": part[-1, x]}
    assert {side for side, level in ends.items() if level == 255} == set(sharp.split())
    assert all(level < 110 for side, level in ends.items() if side not in sharp.split())


def test_without_feather_the_part_is_the_result() -> None:
    photo, result = picture((50, 40)).rgb, Image.fromarray(255 - np.asarray(picture((20, 10)).rgb))
    whole = pasted(photo, Crop(7, 9, 20, 10), result, feather=0)
    assert Crop(7, 9, 20, 10).of(Picture(whole, whole.size), "x.png").rgb.tobytes() == result.tobytes()
    same = pasted(photo, Crop(7, 9, 20, 10), photo.crop((7, 9, 27, 19)))
    assert same.tobytes() == photo.tobytes(), "what is put back unchanged leaves no trace"
