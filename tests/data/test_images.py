import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.images import encode_image, read_image, upright, write_image
from i2i_cli.errors import DataError


def as_bytes(image: Image.Image, format_name: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def corners(size: tuple[int, int] = (30, 20)) -> Image.Image:
    """Red top left, white elsewhere."""
    image = Image.new("RGB", size, "white")
    image.paste((255, 0, 0), (0, 0, 10, 10))
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    wanted = corners()
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = wanted.transpose(Image.Transpose(undo[orientation])) if orientation in undo else wanted
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_image(as_bytes(stored, "PNG", exif=exif))
    assert picture.size == picture.rgb.size == wanted.size
    assert np.array_equal(np.asarray(picture.rgb), np.asarray(wanted))


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = np.asarray(read_image(as_bytes(Image.fromarray(ramp), "PNG")).rgb)[..., 0]
    assert np.array_equal(pixels.reshape(-1), np.arange(256))


def test_float_grey_is_scaled_by_its_own_range() -> None:
    ramp = np.linspace(-3.5, 4.5, 256, dtype=np.float32).reshape(16, 16)
    pixels = np.asarray(read_image(as_bytes(Image.fromarray(ramp), "TIFF")).rgb)[..., 0]
    assert np.array_equal(pixels.reshape(-1), np.arange(256))


def test_transparency_is_laid_on_white_and_its_alpha_kept() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 8))
    picture = read_image(as_bytes(image, "PNG"))
    assert picture.rgb.getpixel((6, 4)) == (255, 255, 255), "the hidden red must not show"
    assert picture.rgb.getpixel((1, 4)) == (0, 0, 255)
    assert picture.alpha is not None and picture.alpha.getextrema() == (0, 255)


def test_palette_transparency_and_cmyk_come_in_as_rgb() -> None:
    palette = corners().convert("P")
    assert read_image(as_bytes(palette, "PNG", transparency=0)).alpha is not None
    cmyk = read_image(as_bytes(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = cmyk.rgb.getpixel((1, 1))
    assert red > 200 and green < 60 and blue < 60


def test_the_first_of_several_frames_is_taken_and_said() -> None:
    data = as_bytes(
        Image.new("RGB", (4, 4), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (4, 4), "blue")]
    )
    picture = read_image(data)
    assert picture.note == "first of 2 frames"
    assert picture.rgb.getpixel((0, 0))[0] > 200


def test_a_large_jpeg_is_decoded_small_but_keeps_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 800), "teal").save(path, exif=exif)
    picture = read_image(path, max_side=64)
    assert picture.size == (800, 1600)
    assert picture.rgb.width < 200 and picture.rgb.height == 2 * picture.rgb.width


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"", "not an image"),
        (b"hello, I am text", "not an image"),
        (as_bytes(corners((300, 300)), "JPEG")[:-400], "damaged"),
        (as_bytes(corners((300, 300)), "PNG")[:120], "damaged"),
        (as_bytes(Image.new("1", (40_000, 30_000)), "PNG"), "megapixels"),
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "bomb"],
)
def test_bad_contents_get_one_sentence(tmp_path: Path, contents: bytes, said: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(contents)
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    with pytest.raises(DataError, match="stdin"):
        read_image(contents)


def test_missing_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="not a regular file"):
        read_image(tmp_path)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rgba = Image.new("RGBA", (5, 7), (10, 20, 30, 40))
    write_image(tmp_path / "a.png", rgba)
    write_image(tmp_path / "a.jpg", rgba)
    with Image.open(tmp_path / "a.png") as png, Image.open(tmp_path / "a.jpg") as jpeg:
        assert png.getpixel((0, 0)) == (10, 20, 30, 40)
        assert jpeg.mode == "RGB"
    with pytest.raises(DataError, match=r"'.xyz'"):
        encode_image(rgba, ".xyz")


def test_an_image_too_wide_for_its_format_is_an_error() -> None:
    with pytest.raises(DataError, match="17000x2 pixels cannot be written as WEBP"):
        encode_image(Image.new("RGB", (17_000, 2)), ".webp")


def test_a_broken_profile_does_not_reject_the_image() -> None:
    data = as_bytes(Image.new("CMYK", (8, 8)), "JPEG", icc_profile=b"junk" * 40)
    assert read_image(data).rgb.mode == "RGB"


def test_upright_takes_an_image_from_memory() -> None:
    assert upright(Image.new("LA", (3, 2), (5, 0))).rgb.getpixel((0, 0)) == (255, 255, 255)
