"""Which weights are meant, and what is said of a domain that they lack."""

import json
import shutil
from pathlib import Path

import pytest

from i2i_cli.checkpoints import names
from i2i_cli.checkpoints.doubt import MIN_STEPS, doubt
from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.weights import open_weights
from i2i_cli.errors import ConfigError
from tests.checkpoints.test_names import rewrite

GOOD = {"judged": {"disc->square": 0.9, "square->disc": 0.8}, "reconstruction_l1": 0.1}


@pytest.fixture
def here(tmp_path: Path, run: Path, dual_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a run of shapes, and a shipped model of other domains."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(names, "bundled_folder", lambda: tmp_path / "shipped")
    shutil.copytree(run, tmp_path / "runs" / "shapes")
    (tmp_path / "shipped").mkdir()
    shutil.copy(dual_run / "model.safetensors", tmp_path / "shipped" / "factors.safetensors")
    listed = {"weights": [{"name": "factors", "sha256": "0"}]}
    (tmp_path / "shipped" / "MANIFEST.json").write_text(json.dumps(listed))
    return tmp_path


def test_a_run_is_used_unasked_where_its_figures_are_good_enough(here: Path) -> None:
    notes: list[str] = []
    rewrite(here / "runs" / "shapes", step=11, figures={})
    assert open_weights(note=notes.append).name == "factors"
    assert notes == ["not using the newest run, shapes: it was trained for 11 steps"]
    for figures, said in (
        (GOOD | {"judged": {"disc->square": 0.9, "square->disc": 0.1}}, "only 10% of its translations square->disc"),
        (GOOD | {"reconstruction_l1": 0.6}, "rebuild error is 0.60"),
    ):
        notes.clear()
        rewrite(here / "runs" / "shapes", figures=figures)
        assert open_weights(note=notes.append).name == "factors" and said in notes[0]
    rewrite(here / "runs" / "shapes", figures=GOOD)
    notes.clear()
    assert open_weights(note=notes.append).name == "runs/shapes" and not notes


def test_weights_are_chosen_that_have_the_domain(here: Path) -> None:
    rewrite(here / "runs" / "shapes", figures=GOOD)
    assert open_weights(domains=["disc"]).name == "runs/shapes"
    assert open_weights(domains=["red_disc"]).name == "factors"
    assert open_weights(domains=["RED_DISC"]).name == "factors", "whatever its case"
    rewrite(here / "runs" / "shapes", step=11, figures={})
    notes: list[str] = []
    assert open_weights(domains=["disc"], note=notes.append).name == "runs/shapes", "nothing else has it"
    assert notes == ["using the newest run, shapes: it was trained for 11 steps"]
    assert open_weights("shapes", domains=["red_disc"]).name == "runs/shapes", "what is named is taken"


def test_a_domain_is_found_whatever_its_case(here: Path) -> None:
    weights = open_weights("shapes")
    assert weights.domain("Disc") == weights.domain("disc") == "disc" and weights.label_of("SQUARE") == 1
    weights.header = type(weights.header)(**{**vars(weights.header), "domains": ("disc", "Disc")})
    assert weights.domain("disc") == "disc" and weights.domain("Disc") == "Disc"
    with pytest.raises(ConfigError, match="no domain 'DISC'"):
        weights.domain("DISC")


def test_other_weights_that_have_a_domain_are_named(here: Path) -> None:
    weights = open_weights("shapes")
    with pytest.raises(ConfigError, match=r"^runs/shapes has no domain 'red_disc'") as caught:
        weights.domain("red_disc")
    assert caught.value.hint == "factors has red_disc: add -w factors"
    with pytest.raises(ConfigError) as caught:
        weights.domain("red_dics")
    assert caught.value.hint == "factors has 'red_disc': add -w factors"
    with pytest.raises(ConfigError) as caught:
        weights.domain("disk")
    assert caught.value.hint == "did you mean 'disc'?", "its own come first"
    with pytest.raises(ConfigError) as caught:
        weights.domain("martian")
    assert caught.value.hint == "known: disc, square"


def test_a_run_without_held_out_figures_has_to_be_long(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    for step, doubtful in ((MIN_STEPS - 1, True), (MIN_STEPS, False)):
        rewrite(folder, step=step, figures={})
        assert bool(doubt(read_header(folder / "model.safetensors"))) is doubtful
