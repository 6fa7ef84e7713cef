"""What codes tell of an image beside its domain: whether it is like the training images at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from i2i_cli.inference import coder
from i2i_cli.inference.image_like import load_image
from i2i_cli.inference.inputs import Part
from i2i_cli.inference.runtime import load
from i2i_cli.inference.translator import Translator

ROOT = Path(__file__).parents[2]
FACES = ROOT.parent / "shared" / "data" / "faces" / "128" / "test"


@pytest.fixture(scope="module")
def faces() -> Translator:
    return load("faces", "cpu")


def outline(place: int) -> np.ndarray:
    """A thin drawing on white: like no face."""
    page = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(page).rectangle((12 + place, 40, 100, 88 + place), outline="black", width=2)
    return np.asarray(page)


def test_a_face_is_like_the_training_images_and_an_outline_is_not(faces: Translator) -> None:
    face = load_image(ROOT / "docs" / "astronaut.jpg", 128, Part(face=True)).square
    squares = [face, *(outline(place) for place in range(4))]
    assert faces.unlike(squares, faces.encode(squares)).tolist() == [False, True, True, True, True]


def test_an_image_that_is_rebuilt_poorly_is_unlike_where_that_is_looked_at(
    faces: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coder, "FAR", np.inf)
    noise = [np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)]
    codes = faces.encode(noise)
    assert faces.unlike(noise, codes).tolist() == [True]
    assert faces.unlike(noise, codes, thorough=False).tolist() == [False]


def test_of_few_kept_codes_nothing_is_told(faces: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "MIN_KEPT", 10_000)
    squares = [outline(0)]
    assert faces.unlike(squares, faces.encode(squares), thorough=False).tolist() == [False]


@pytest.mark.skipif(not FACES.is_dir(), reason="the real faces are not here")
def test_held_out_faces_are_hardly_ever_called_unlike(faces: Translator) -> None:
    for domain in faces.domains:
        squares = [load_image(path, 128).square for path in sorted((FACES / domain).iterdir())[:60]]
        assert faces.unlike(squares, faces.encode(squares)).mean() <= 0.05
