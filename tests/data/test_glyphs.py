import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.domains import is_held_out, scan
from i2i_cli.data.glyphs import characters, draw_factors, draw_styles


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("glyphs") / "styles"
    draw_styles(root)
    return root


def test_thousands_of_images_in_four_styles_all_paired(styles: Path) -> None:
    found = scan(styles)
    assert found.domains == ("filled", "outline", "pixel", "serif")
    assert len(found.train) + len(found.test) > 4000
    for split, held_out in ((found.train, False), (found.test, True)):
        keys = {label: {item.key for item in split if item.label == label} for label in range(4)}
        assert keys[0] == keys[1] == keys[2] == keys[3]
        assert all(is_held_out(key) is held_out for key in keys[0])


def test_the_styles_look_different_and_the_characters_too(styles: Path) -> None:
    def pixels(domain: str, name: str) -> np.ndarray:
        return np.asarray(Image.open(styles / "train" / domain / name), np.float32)

    name = "U+0042.png"
    images = {domain: pixels(domain, name) for domain in ("filled", "outline", "pixel", "serif")}
    assert all(image.shape == (64, 64, 3) for image in images.values())
    for a, b in (("filled", "outline"), ("filled", "pixel"), ("outline", "serif")):
        assert np.abs(images[a] - images[b]).mean() > 8
    assert np.abs(images["filled"] - pixels("filled", "U+0043.png")).mean() > 8


def test_twins_are_dropped() -> None:
    kept = characters()
    assert "A" in kept and "\u0391" not in kept and "\u0410" not in kept
    assert len(kept) == len(set(kept)) > 1000


@pytest.mark.slow
def test_drawing_again_changes_nothing_and_another_time_gives_the_same(styles: Path, tmp_path: Path) -> None:
    path = styles / "train" / "serif" / "U+0042.png"
    before = path.stat().st_mtime_ns
    draw_styles(styles)
    assert path.stat().st_mtime_ns == before
    draw_styles(tmp_path / "again")

    def digest(root: Path) -> str:
        files = sorted(root.rglob("*.png"))
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()

    assert digest(styles) == digest(tmp_path / "again")
    assert [entry.name for entry in tmp_path.iterdir()] == ["again"], "nothing is left beside it"


def test_two_factors_are_crossed(tmp_path: Path) -> None:
    draw_factors(tmp_path / "factors")
    found = scan(tmp_path / "factors")
    assert found.domains == ("filled_digit", "filled_letter", "outline_digit", "outline_letter")
    assert len(found.train) > 4000
    keys = [{item.key for item in found.train if item.label == label} for label in range(4)]
    assert keys[0] == keys[2] and keys[1] == keys[3] and not keys[0] & keys[1]
