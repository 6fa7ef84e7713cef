import io
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from i2i_cli.data import images
from i2i_cli.data.images import read_image, upright
from i2i_cli.data.writing import encode_image, write_image
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


def colours() -> Image.Image:
    """A smooth picture of many colours."""
    y, x = np.mgrid[0:32, 0:48]
    return Image.fromarray(np.stack([60 + 4 * x, 40 + 5 * y, 200 - 3 * x], axis=2).clip(0, 255).astype(np.uint8))


def exchanged_profile() -> bytes:
    """sRGB with the tags of red and green exchanged: red numbers mean green light."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def grey_profile(gamma: float) -> bytes:
    """A profile of greys whose light is their share of white to the power of `gamma`."""
    white, curve = (b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
                    b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0")  # fmt: skip
    start = 128 + 4 + 2 * 12
    table = struct.pack(">I4sII4sII", 2, b"wtpt", start, len(white), b"kTRC", start + len(white), len(curve))
    size = start + len(white) + len(curve)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02100000, b"mntr", b"GRAY", b"XYZ ") + b"\0" * 12 + b"acsp"
    head += b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + white + curve


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_a_colour_profile_says_what_the_numbers_mean(mode: str, format_name: str) -> None:
    wanted = colours()
    red, green, blue = wanted.split()
    stored = Image.merge("RGB", (green, red, blue))
    stored = stored.quantize(256) if mode == "P" and format_name != "WEBP" else stored.convert(mode.replace("P", "RGB"))
    if mode == "RGBA":
        stored.putpixel((0, 0), (0, 0, 0, 250))
    options = {"lossless": True} if format_name == "WEBP" else {}
    found = read_image(as_bytes(stored, format_name, icc_profile=exchanged_profile(), **options))
    apart = np.abs(np.asarray(found.rgb, int) - np.asarray(wanted, int)).mean()
    assert apart < (12 if mode == "P" else 2), "a palette of 256 colours is coarse"
    assert (found.alpha is not None) is (mode == "RGBA")


def test_a_grey_profile_is_heeded_and_srgb_itself_changes_nothing() -> None:
    linear = Image.new("L", (8, 8), 55)
    found = read_image(as_bytes(linear, "PNG", icc_profile=grey_profile(1.0))).rgb.getpixel((3, 3))
    assert found[0] == found[1] == found[2] and abs(found[0] - 128) < 3, "a fifth of the light is half of sRGB's scale"
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = read_image(as_bytes(colours(), "PNG", icc_profile=plain)).rgb
    assert same.tobytes() == colours().tobytes()


@pytest.mark.parametrize("profile", [b"junk" * 40, grey_profile(1.8)], ids=["junk", "of another mode"])
def test_a_profile_that_does_not_fit_is_passed_over(profile: bytes) -> None:
    assert read_image(as_bytes(colours(), "PNG", icc_profile=profile)).rgb.tobytes() == colours().tobytes()


ODD_TAGS = {"a negative altitude": 0x8825, "a program as a fraction": 0x0131, "a resolution as text": 0x011A}


def as_exif(orientation: int, tag: int) -> bytes:
    """EXIF with an orientation and one tag as no camera should write it, byte by byte."""
    kind, count = {0x8825: (4, 1), 0x0131: (10, 1), 0x011A: (2, 7)}[tag]
    entries = struct.pack("<HHII", 0x0112, 3, 1, orientation) + struct.pack("<HHII", tag, kind, count, 60)
    tiff = (b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entries + struct.pack("<I", 0)).ljust(60, b"\0")
    if tag == 0x8825:  # a GPS block with a signed fraction where an unsigned one belongs
        tiff += struct.pack("<HHHIII", 1, 6, 10, 1, 100, 0).ljust(40, b"\0") + struct.pack("<ii", -3, 2)
    else:
        tiff += b"72 dpi\0\0" if tag == 0x011A else struct.pack("<ii", -7, 2)
    return b"Exif\0\0" + tiff


@pytest.mark.parametrize("tag", ODD_TAGS.values(), ids=ODD_TAGS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_one_odd_tag_does_not_refuse_a_photo(orientation: int, tag: int) -> None:
    upside = corners().transpose(Image.Transpose.ROTATE_90) if orientation == 6 else corners()
    data = as_bytes(upside, "JPEG", quality=95, subsampling=0, exif=as_exif(orientation, tag))
    found = read_image(data)
    assert found.size == found.rgb.size == (30, 20)
    assert np.abs(np.asarray(found.rgb, int) - np.asarray(corners(), int)).mean() < 8


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(np.asarray(read_image(as_bytes(corners(), "PNG", exif=exif)).rgb), np.asarray(corners()))


def test_an_orientation_in_a_tiff_is_undone_too() -> None:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[0x0112] = 6
    stored = corners().transpose(Image.Transpose.ROTATE_90)
    found = read_image(as_bytes(stored, "TIFF", tiffinfo=info))
    assert found.size == (30, 20) and np.array_equal(np.asarray(found.rgb), np.asarray(corners()))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_text_and_profiles_of_many_megabytes_make_no_image_unsound() -> None:
    png, text = as_bytes(corners(), "PNG"), zlib.compress(b"x" * 3 * 2**20)
    profile = zlib.compress(exchanged_profile().ljust(2 * 2**20, b"\0"))
    extras = {"zTXt": b"Comment\0\0" + text, "iCCP": b"profile\0\0" + profile, "iTXt": b"Comment\0\1\0\0\0" + text}
    for kind, data in extras.items():
        assert read_image(png[:33] + chunk(kind.encode(), data) + png[33:]).size == (30, 20), kind


def test_a_jpeg_that_lacks_its_end_marker_alone_is_read() -> None:
    for options in ({}, {"progressive": True}):
        data = as_bytes(colours(), "JPEG", quality=90, **options)
        assert read_image(data[:-2]).rgb.tobytes() == read_image(data).rgb.tobytes()
        with pytest.raises(DataError, match="damaged"):
            read_image(data[:-40])
    small = np.random.default_rng(0).integers(0, 256, (10, 3, 5, 3), dtype=np.uint8)
    for levels in small:
        data = as_bytes(Image.fromarray(levels).resize((70, 40)), "JPEG", quality=60)
        whole = read_image(data).rgb.tobytes()
        for cut in range(3, 40):  # what is accepted is what was there, however little is lacking
            with suppress(DataError):
                assert read_image(data[:-cut]).rgb.tobytes() == whole, cut


def test_a_large_file_that_is_no_image_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if size is None or size < 0:
                pytest.fail("it is read whole")  # which no reader catches, unlike an assertion
            return super().read(size)

    (tmp_path / "film.png").write_bytes(b"film" * 1000)
    (tmp_path / "cut.png").write_bytes(as_bytes(colours(), "BMP")[:-200])
    contents_of = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "open", lambda path, mode: Counted(contents_of[path]))
    for name, said in (("film.png", "not an image"), ("cut.png", "damaged")):
        with pytest.raises(DataError, match=said):
            read_image(tmp_path / name)


def test_other_files_without_their_last_bytes_are_images_or_errors() -> None:
    assert read_image(as_bytes(colours(), "PNG")[:-12]).size == (48, 32), "PNG's end is empty"
    assert read_image(as_bytes(colours(), "GIF")[:-1]).size == (48, 32), "so is GIF's"


def test_what_is_no_number_does_not_count_in_the_range() -> None:
    ramp = np.linspace(100, 200, 256, dtype=np.float32).reshape(16, 16)
    for wild in (np.nan, np.inf, -np.inf):
        values = ramp.copy()
        values[0, :4] = wild
        pixels = np.asarray(read_image(as_bytes(Image.fromarray(values), "TIFF")).rgb)[..., 0]
        assert pixels[15, 15] == 255 and 100 < pixels[values == values].mean() < 150, wild
        assert (pixels[0, :4] == 0).all()
    nothing = np.full((16, 16), np.nan, np.float32)
    assert np.asarray(read_image(as_bytes(Image.fromarray(nothing), "TIFF")).rgb).max() == 0


def test_a_value_that_a_geographic_tiff_calls_no_data_does_not_count_either() -> None:
    values = np.linspace(100, 200, 256, dtype=np.float32).reshape(16, 16)
    values[0, :4] = -9999
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[42113] = "-9999"
    pixels = np.asarray(read_image(as_bytes(Image.fromarray(values), "TIFF", tiffinfo=info)).rgb)[..., 0]
    assert 100 < pixels[1:].mean() < 160 and (pixels[0, :4] == 0).all()


@pytest.mark.parametrize(
    ("bits", "note"), [(8, "8-bit grey in a wider file"), (12, "12-bit grey in a wider file"), (16, "")]
)
def test_grey_of_fewer_bits_in_a_wider_file_is_scaled_by_its_own_and_told(bits: int, note: str) -> None:
    ramp = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16).reshape(16, 16)
    for format_name in ("PNG", "TIFF"):
        found = read_image(as_bytes(Image.fromarray(ramp), format_name))
        assert np.abs(np.asarray(found.rgb)[..., 0].reshape(-1).astype(int) - np.arange(256)).max() <= 1
        assert found.note == note


def test_one_pillow_image_serves_many_threads(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))
    noise.save(tmp_path / "x.jpg", exif=exif)
    wanted = read_image(tmp_path / "x.jpg").rgb.tobytes()
    for _ in range(5):
        with Image.open(tmp_path / "x.jpg") as image:
            found: list[bytes] = []

            def ask(image: Image.Image = image, found: list[bytes] = found) -> None:
                found.append(upright(image).rgb.tobytes())

            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [wanted] * 8


def test_avif_is_read_where_pillow_reads_it() -> None:
    assert ("AVIF" in images.FORMATS) is (".avif" in images.SUFFIXES)
    if "AVIF" in images.FORMATS:
        assert read_image(as_bytes(colours(), "AVIF")).size == (48, 32)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_colours_that_are_multiplied_by_their_alpha_are_divided_again(mode: str) -> None:
    plain = Image.new(mode.upper(), (3, 2), (200, 128) if mode == "La" else (200, 200, 200, 128))
    found, wanted = upright(plain.convert(mode)), upright(plain)
    assert np.abs(np.asarray(found.rgb, int) - np.asarray(wanted.rgb, int)).max() <= 2 and found.alpha is not None
