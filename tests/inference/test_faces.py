"""Faces are found where they are, at any size, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from i2i_cli.data.framing import Face
from i2i_cli.data.images import read_image
from i2i_cli.errors import WeightsError
from i2i_cli.inference import faces
from i2i_cli.inference.faces import find_faces

ASTRONAUT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"
POINTS = ((203, 101), (246, 103), (203, 140), (245, 141))
"""Where the eyes and the corners of the mouth are in that photo, read off it."""

APART = 43
"""Pixels from eye to eye."""

REAL_IMAGES = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    """A photo of 512 x 512 with one face, a fifth of it wide."""
    return read_image(ASTRONAUT).rgb


def astray(face: Face, scale: float = 1, left: float = 0, top: float = 0) -> float:
    """How far eyes and mouth are from where they should be in a photo scaled and pasted at (left, top).

    The farthest of the four, in distances from eye to eye.
    """
    expected = np.array(POINTS) * scale + (left, top)
    return float(np.hypot(*(np.array((*face.eyes, *face.mouth)) - expected).T).max()) / (APART * scale)


def test_eyes_and_mouth_are_where_they_are(astronaut: Image.Image) -> None:
    (face,) = find_faces(astronaut)
    assert astray(face) < 0.15
    left, top, right, bottom = face.box
    assert 170 < left < right < 280 and 50 < top < bottom < 185 and 0.9 < face.score <= 1
    assert face.area == (right - left) * (bottom - top)


def test_two_faces_are_found_the_larger_first(astronaut: Image.Image) -> None:
    canvas = Image.new("RGB", (1500, 900), (90, 120, 140))
    canvas.paste(astronaut.resize((256, 256)), (40, 30))
    canvas.paste(astronaut.resize((768, 768)), (640, 100))
    large, small = find_faces(canvas)
    assert large.area > 8 * small.area
    assert astray(large, 1.5, 640, 100) < 0.3 and astray(small, 0.5, 40, 30) < 0.3


@pytest.mark.parametrize(("side", "width"), [(256, 480), (200, 1000), (80, 1200)])
def test_a_small_part_of_the_picture_is_enough(astronaut: Image.Image, side: int, width: int) -> None:
    """The face is 0.18 of what is pasted: a tenth of the picture's width, a 28th and an 83rd."""
    canvas = Image.new("RGB", (width, 420), (200, 190, 170))
    canvas.paste(astronaut.resize((side, side), Image.Resampling.LANCZOS), (150, 100))
    (face,) = find_faces(canvas)
    assert astray(face, side / 512, 150, 100) < 0.3


@pytest.mark.parametrize("box", [(170, 65, 275, 170), (182, 80, 262, 160)])
def test_a_face_may_fill_the_picture_and_more(astronaut: Image.Image, box: tuple[int, int, int, int]) -> None:
    scale = 2000 / (box[2] - box[0])
    (face,) = find_faces(astronaut.resize((2000, 2000), Image.Resampling.BICUBIC, box=box))
    assert astray(face, scale, -box[0] * scale, -box[1] * scale) < 0.25


def test_a_find_beside_the_picture_is_dropped(astronaut: Image.Image) -> None:
    """The detector may see something in the margins that it was given."""
    beside = np.array([[0.9, 530, 100, 560, 130, *[0] * 10]], np.float32)
    assert len(faces._confirmed(beside[0], astronaut, 0.8)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3000, 2), (33, 47)])
def test_any_size_is_looked_at(size: tuple[int, int]) -> None:
    assert find_faces(Image.new("RGB", size, (128, 128, 128))) == []


def test_a_narrow_picture_keeps_its_proportions(astronaut: Image.Image) -> None:
    """No grid divides its width."""
    (face,) = find_faces(astronaut.crop((150, 0, 301, 512)))
    assert astray(face, left=-150) < 0.3


def test_drawings_and_noise_are_no_faces() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    drawn = Image.new("RGB", (640, 480), (235, 235, 225))
    draw = ImageDraw.Draw(drawn)
    for place, letter in enumerate("AFQ8@ORm&SB%"):
        draw.text((20 + 150 * (place % 4), 20 + 150 * (place // 4)), letter, fill=(30, 60, 90), font_size=130)
    assert find_faces(noise) == find_faces(drawn) == []


def test_a_least_score_may_be_asked_for(astronaut: Image.Image) -> None:
    (face,) = find_faces(astronaut)
    assert find_faces(astronaut, 0.99) == [] and find_faces(astronaut, face.score - 0.01) == [face]


def test_one_face_is_counted_once() -> None:
    """By its highest score; a box that shares less than a third with it is another."""
    boxes = [(0.8, 0, 0, 10, 10), (0.95, 1, 1, 11, 11), (0.85, 8, 0, 18, 10)]
    rows = np.array([(*box, *[0] * 10) for box in boxes], np.float32)
    assert [row[0] for row in faces._distinct(rows)] == pytest.approx([0.95, 0.85])


def test_a_damaged_detector_is_named(astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "face-detector.onnx"
    damaged.write_bytes(b"nothing of the kind")
    monkeypatch.setattr(faces, "shipped_network", lambda file: tmp_path / file)
    faces._detector.cache_clear()
    with pytest.raises(WeightsError, match=r"cannot read .*face-detector\.onnx") as raised:
        find_faces(astronaut)
    assert raised.value.hint == "install i2i-cli again"
    faces._detector.cache_clear()


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="no real images beside the checkout")
def test_photos_of_faces_have_one_and_photos_of_other_things_none() -> None:
    def num_found(folder: str, count: int) -> int:
        paths = sorted((REAL_IMAGES / folder).iterdir())[:count]
        return sum(bool(find_faces(read_image(path).rgb)) for path in paths)

    assert num_found("faces/256/test/human_ffhq", 15) == 15
    assert num_found("faces/64/test/human", 15) == 15
    for folder in (
        "edges/128/test/photo_shoe",
        "edges/128/test/photo_bag",
        "fruit/128/test/apple",
        "xray/64/val/NORMAL",
    ):
        assert num_found(folder, 10) == 0
