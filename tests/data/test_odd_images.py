"""Every odd image through the one door, `read_image`: all drawn here."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.errors import DataError
from tests.attacks.corpus import FORMATS, MODES, drawn, encoded


@pytest.mark.filterwarnings("ignore:Saving I mode images")
def test_every_mode_in_every_format_that_can_hold_it_comes_in_as_rgb() -> None:
    num_read = 0
    for mode in MODES:
        for format_name in FORMATS:
            try:
                data = encoded(drawn(mode), format_name)
                Image.open(io.BytesIO(data)).load()
            except (OSError, ValueError, KeyError):
                continue  # Pillow writes no such file, or cannot read its own
            picture = read_image(data)
            assert picture.rgb.mode == "RGB" and picture.size == picture.rgb.size == (30, 20), (mode, format_name)
            assert picture.alpha is None or picture.alpha.size == (30, 20)
            assert np.asarray(picture.rgb).std() > 5, (mode, format_name, "it was not clipped or lost")
            num_read += 1
    assert num_read > 60


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken_and_said(format_name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    picture = read_image(encoded(frames[0], format_name, save_all=True, append_images=frames[1:]))
    assert picture.note == "first of 3 frames" and picture.rgb.getpixel((8, 8))[0] > 200


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_the_smallest_and_the_longest_images_go_in_and_out(size: tuple[int, int]) -> None:
    picture = read_image(encoded(Image.new("RGB", size, (9, 99, 199)), "PNG"))
    square, frame = fit(picture, 64)
    assert square.shape == (64, 64, 3) and frame.restore(square).size == size
    assert np.all(square == (9, 99, 199))


def test_the_contents_count_and_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "photo.GIF"
    path.write_bytes(encoded(drawn("RGB"), "JPEG"))
    assert read_image(path).size == (30, 20)


@pytest.mark.parametrize("name", [b"sp ace.png", b"new\nline.png", b"-dash.png", b"\xff\xfe.png", b"\xe2\x80\xae.png"])
def test_any_name_can_be_read_and_told(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(encoded(drawn("RGB"), "PNG"))
    assert read_image(path).size == (30, 20)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not an image"):
        read_image(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name in ("folder.png", "fifo.png", "loop.png"):
        with pytest.raises(DataError, match=name):
            read_image(tmp_path / name)


def test_every_cut_of_a_file_is_an_error_or_an_image() -> None:
    for format_name in FORMATS:
        data = encoded(drawn("RGB"), format_name)
        for length in range(0, len(data), max(1, len(data) // 40)):
            try:
                assert read_image(data[:length]).rgb.mode == "RGB"
            except DataError as error:
                assert "stdin" in error.message


def test_a_bomb_is_refused_before_it_costs_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(encoded(Image.new("1", (40_000, 30_000)), "PNG"))
    assert bomb.stat().st_size < 300_000
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from i2i_cli.data.images import read_image; from i2i_cli.errors import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_image(Path(sys.argv[1]))\nexcept DataError as error: print(error.message)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    found = subprocess.run([sys.executable, "-c", code, str(bomb)], capture_output=True, text=True, check=True)
    said, grown = found.stdout.splitlines()
    assert "megapixels" in said
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 50 * 2**20


def test_a_large_image_is_decoded_to_what_is_needed_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    smooth = Image.fromarray(noise).resize((800, 600), Image.Resampling.BICUBIC)
    whole = np.asarray(fit(read_image(encoded(smooth, "PNG"), 64), 32)[0], float)
    monkeypatch.setattr("i2i_cli.data.images.LARGE_PIXELS", 10_000)
    picture = read_image(encoded(smooth, "PNG"), 64)
    assert picture.size == (800, 600) and picture.rgb.size == (200, 150)
    assert np.abs(np.asarray(fit(picture, 32)[0], float) - whole).max() < 6


def test_wide_grey_is_scaled_strip_by_strip_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    values[3, 3] = np.nan
    data = encoded(Image.fromarray(values), "TIFF")
    whole = np.asarray(read_image(data).rgb)
    monkeypatch.setattr("i2i_cli.data.images._STRIP", 8)
    assert np.array_equal(np.asarray(read_image(data).rgb), whole)
