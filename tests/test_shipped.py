"""The weights that come with the package: found from any folder, sound, and good for what their cards say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.names import MANIFEST
from i2i_cli.cli import app
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.inference.loaded import load

ROOT = Path(__file__).parents[1]
RUNNER = CliRunner()
ENTRIES = json.loads((bundled_folder() / MANIFEST).read_text(encoding="utf-8"))["weights"]
NAMES = [entry["name"] for entry in ENTRIES]
FACE = (146, 30, 154, 154)
"""Where the face of `docs/astronaut.jpg` is."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a photo of a face, `img.png`."""
    monkeypatch.chdir(tmp_path)
    left, top, width, height = FACE
    with Image.open(ROOT / "docs" / "astronaut.jpg") as photo:
        photo.crop((left, top, left + width, top + height)).save("img.png")
    return tmp_path


def test_the_card_s_example_works_on_a_fresh_install(here: Path) -> None:
    words = [sys.executable, "-m", "i2i_cli", "translate", "img.png", "--to", "anime"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=here)
    assert done.stdout == "img-anime.png\n" and "weights: faces, ONNX (srae, 128 px, anime, human" in done.stderr
    found = json.loads(RUNNER.invoke(app, ["classify", "img.png", "--json"]).stdout)
    made = json.loads(RUNNER.invoke(app, ["classify", "img-anime.png", "--json"]).stdout)
    assert (found["label"], made["label"]) == ("human", "anime")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_sound_and_its_card_says_under_which_terms_it_may_be_used(here: Path, name: str) -> None:
    checked = RUNNER.invoke(app, ["weights", "check", name])
    assert checked.exit_code == 0 and checked.stdout.endswith("sound\n"), checked.stderr
    card = RUNNER.invoke(app, ["weights", "show", name]).stdout
    (entry,) = [entry for entry in ENTRIES if entry["name"] == name]
    assert f"Terms: {entry['terms']}" in card and f"-w {name}" in card


def test_the_listed_names_are_those_of_the_manifest(here: Path) -> None:
    lines = RUNNER.invoke(app, ["weights", "list", "--json"]).stdout.splitlines()
    names = [json.loads(line)["name"] for line in lines]
    assert sorted(names) == sorted(NAMES) and names[0] == "faces", "what is used unasked comes first"


def test_a_domain_that_other_weights_have_is_asked_of_the_default_first(here: Path) -> None:
    (here / "img.png").touch()
    told = RUNNER.invoke(app, ["translate", "img.png", "--to", "anime", "-w", "emoji"])
    assert told.exit_code == 2 and "faces has anime: add -w faces\n" in told.stderr


def test_a_translated_face_is_kept_and_varies_with_the_code(here: Path) -> None:
    faces = load("faces", "cpu")
    by_code = [faces.translate("img.png", "anime", size="model")]
    words = ["translate", "img.png", "--to", "anime", "--samples", "4", "--size", "model", "-o", "out"]
    assert RUNNER.invoke(app, words).exit_code == 0
    by_code += [read_image(path).rgb for path in sorted(Path("out").iterdir())]
    pixels = torch.stack([torch.from_numpy(np.array(image)).float().flatten() for image in by_code])
    assert float(torch.pdist(pixels).min()) / pixels.shape[1] ** 0.5 > 3, "levels between outputs of two codes"
    own, again, other = (
        faces.encode([square]).content.flatten()
        for square in (_square("img.png"), np.asarray(by_code[0]), _square(ROOT / "docs" / "astronaut.jpg"))
    )
    assert torch.cosine_similarity(own, again, 0) > torch.cosine_similarity(other, again, 0) + 0.2


def test_a_drawn_bag_is_photographed_by_the_dual_model(here: Path) -> None:
    sketch = Image.new("RGB", (128, 128), "white")
    draw = ImageDraw.Draw(sketch)
    draw.rectangle((24, 52, 104, 108), outline=(90, 90, 90), width=2)
    draw.arc((40, 20, 88, 84), 180, 360, fill=(90, 90, 90), width=2)
    sketch.save("sketch.png")
    words = ["translate", "sketch.png", "--from", "sketch_bag", "--to", "photo_bag", "-o", "bag.png"]
    told = RUNNER.invoke(app, words)
    assert told.exit_code == 0 and "weights: edges, ONNX" in told.stderr
    bag = np.asarray(Image.open("bag.png").convert("L"), np.float32)
    assert bag[60:100, 34:94].mean() < 150 < 220 < bag[:, :12].mean(), "leather within the lines, white around them"


def _square(path: str | Path) -> NDArray[np.uint8]:
    return fit(read_image(Path(path)), 128)[0]


FACES = ROOT.parent / "shared" / "data" / "faces" / "128" / "test"


@pytest.mark.skipif(not FACES.is_dir(), reason="the real faces are not here")
def test_real_faces_are_known_and_become_what_is_asked_for(here: Path) -> None:
    faces = load("faces", "cpu")
    for source, target in (("human", "anime"), ("anime", "human")):
        squares = [_square(path) for path in sorted((FACES / source).iterdir())[:40]]
        codes = faces.encode(squares)
        assert (faces.probabilities(squares).argmax(1) == faces.label_of(source)).mean() > 0.9
        made = list(faces.decode(codes, faces.target(target)))
        assert (faces.probabilities(made).argmax(1) == faces.label_of(target)).mean() > 0.9
