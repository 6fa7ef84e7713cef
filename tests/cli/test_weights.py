import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints import names
from i2i_cli.cli import app

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(run, tmp_path / "runs" / "shapes")
    monkeypatch.setattr(names, "bundled_folder", lambda: tmp_path / "none")
    monkeypatch.chdir(tmp_path)


def test_list() -> None:
    lines = RUNNER.invoke(app, ["weights", "list"]).stdout.splitlines()
    assert lines[0].split() == ["name", "family", "size", "step", "domains"]
    assert lines[1].split() == ["shapes", "srae", "32", "px", "6", "disc,", "square"]
    (entry,) = [json.loads(line) for line in RUNNER.invoke(app, ["weights", "list", "--json"]).stdout.splitlines()]
    assert entry["name"] == "shapes" and entry["domains"] == ["disc", "square"] and not entry["shipped"]


def test_show_is_the_model_card() -> None:
    card = RUNNER.invoke(app, ["weights", "show"]).stdout
    assert card.startswith("# shapes") and "-w runs/shapes" in card and "| disc | 15 |" in card
    assert json.loads(RUNNER.invoke(app, ["weights", "show", "shapes", "--json"]).stdout)["step"] == 6


def test_check_names_each_bad_one() -> None:
    assert RUNNER.invoke(app, ["weights", "check"]).stdout == "runs/shapes/model.safetensors: sound\n"
    Path("runs/bad").mkdir()
    Path("runs/bad/model.safetensors").write_bytes(b"junk" * 100)
    result = RUNNER.invoke(app, ["weights", "check"])
    assert result.exit_code == 1 and "runs/bad" in result.stderr and "shapes" in result.stdout
    assert RUNNER.invoke(app, ["weights", "check", "shapes"]).exit_code == 0
    errors = [
        json.loads(line).get("error") for line in RUNNER.invoke(app, ["weights", "list", "--json"]).stdout.splitlines()
    ]
    assert sum(error is not None for error in errors) == 1
    assert "unusable" in RUNNER.invoke(app, ["weights", "list"]).stdout


def test_check_knows_the_hash_of_every_shipped_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "shipped"
    shutil.copytree(bundled_folder(), shipped)
    monkeypatch.setattr(names, "bundled_folder", lambda: shipped)
    for name in ("backbone.safetensors", "face-detector.onnx", "faces.safetensors"):
        path = shipped / name
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
    result = RUNNER.invoke(app, ["weights", "check"])
    assert result.exit_code == 1 and result.stderr.count("has the hash") == 3
    assert f"{shipped / 'features.safetensors'}: sound" in result.stdout


def test_pack_and_the_terms_on_the_card(domains: Path) -> None:
    words = ["train", str(domains), "--set", "data.terms=drawn here, CC0", "--image-size", "32", "--name", "own"]
    for setting in ("networks.width=16", "objective.perceptual=none", "training.batch_size=6"):
        words += ["--set", setting]
    assert RUNNER.invoke(app, [*words, "--steps", "2"]).exit_code == 0
    assert RUNNER.invoke(app, ["weights", "pack", "own", "-o", "own.safetensors"]).stdout == "own.safetensors\n"
    assert RUNNER.invoke(app, ["weights", "check", "own.safetensors"]).exit_code == 0
    card = RUNNER.invoke(app, ["weights", "show", "own.safetensors"]).stdout
    assert card.startswith("# own\n") and "Terms: drawn here, CC0" in card and "journal" not in card
    assert RUNNER.invoke(app, ["weights", "pack", "own", "-o", "own.safetensors"]).exit_code == 1


def test_nothing_here(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "runs")
    result = RUNNER.invoke(app, ["weights", "list"])
    assert result.exit_code == 0 and result.stdout == "" and "i2i train" in result.stderr
