import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i_cli.checkpoints import names
from i2i_cli.checkpoints.doubt import MIN_STEPS
from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.names import find_weights, list_weights, new_run
from i2i_cli.checkpoints.tensors import load_tensors, save_tensors
from i2i_cli.checkpoints.weights import open_weights
from i2i_cli.errors import WeightsError
from i2i_cli.jobs.weights import check_weights


@pytest.fixture
def here(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two runs, `old` and `new`, and no shipped models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(names, "bundled_folder", lambda: tmp_path / "shipped")
    for age, name in enumerate(["new", "old"]):
        shutil.copytree(run, tmp_path / "runs" / name)
        rewrite(tmp_path / "runs" / name, figures={})
        os.utime(tmp_path / "runs" / name / "model.safetensors", (10_000 - age, 10_000 - age))
    return tmp_path


def rewrite(folder: Path, **changes: Any) -> None:
    """Give the model of a run another header: by default that of a training long enough to be used unasked."""
    path = folder / "model.safetensors"
    header = replace(read_header(path), **{"step": MIN_STEPS, **changes})
    save_tensors(path, load_tensors(path), header.to_metadata())


def unfinish(folder: Path) -> None:
    rewrite(folder, finished=False)


def ship(folder: Path, run: Path) -> str:
    (folder / "shipped").mkdir()
    shutil.copy(run / "model.safetensors", folder / "shipped" / "shapes.safetensors")
    digest = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    (folder / "shipped" / "MANIFEST.json").write_text(json.dumps({"weights": [{"name": "shapes", "sha256": digest}]}))
    return digest


def test_the_order_in_which_weights_are_looked_for(here: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_weights().path == Path("runs/new/model.safetensors")
    unfinish(here / "runs" / "new")
    assert open_weights().path == Path("runs/old/model.safetensors"), "an unfinished run is no default"
    monkeypatch.setenv("I2I_WEIGHTS", "new")
    assert open_weights().path == Path("runs/new/model.safetensors")
    assert find_weights("old") == find_weights("runs/old") == Path("runs/old/model.safetensors")
    assert find_weights(str(run / "best.safetensors")) == run / "best.safetensors"


def test_shipped_models_come_last(here: Path, run: Path) -> None:
    ship(here, run)
    assert find_weights("shapes") == here / "shipped" / "shapes.safetensors"
    assert open_weights().path == Path("runs/new/model.safetensors")
    assert [entry.name for entry in list_weights()] == ["new", "old", "shapes"]
    shutil.rmtree(here / "runs")
    assert open_weights().path == here / "shipped" / "shapes.safetensors"


def test_the_default_of_the_shipped_models_is_the_faces(here: Path, run: Path) -> None:
    digest = ship(here, run)
    shutil.copy(here / "shipped" / "shapes.safetensors", here / "shipped" / "faces.safetensors")
    both = [{"name": name, "sha256": digest} for name in ("shapes", "faces")]
    (here / "shipped" / "MANIFEST.json").write_text(json.dumps({"weights": both}))
    shutil.rmtree(here / "runs")
    assert open_weights().path == here / "shipped" / "faces.safetensors"


def test_what_is_not_there_is_said(here: Path) -> None:
    with pytest.raises(WeightsError, match="no weights are called 'nwe'") as caught:
        find_weights("nwe")
    assert caught.value.exit_code == 2 and "'new'" in caught.value.hint
    (here / "empty").mkdir()
    with pytest.raises(WeightsError, match="holds no model"):
        find_weights("empty")
    for name in ("old", "new"):
        unfinish(here / "runs" / name)
    with pytest.raises(WeightsError, match="is finished yet") as caught:
        open_weights()
    assert "-w " in caught.value.hint
    shutil.rmtree(here / "runs")
    with pytest.raises(WeightsError, match="there are no weights here"):
        open_weights()


def test_check_finds_a_wrong_hash_damage_and_nan(here: Path) -> None:
    path = here / "runs" / "new" / "model.safetensors"
    check_weights(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(WeightsError, match="has the hash"):
        check_weights(path, "0" * 64)
    tensors = load_tensors(path)
    tensors["decoder.image.weight"][0] = torch.nan
    save_tensors(path, tensors, read_header(path).to_metadata())
    with pytest.raises(WeightsError, match="NaN or infinity"):
        check_weights(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError):
        check_weights(path)


def test_a_broken_run_is_listed_as_such(here: Path) -> None:
    (here / "runs" / "bad").mkdir()
    (here / "runs" / "bad" / "model.safetensors").write_bytes(b"junk")
    entries = {entry.name: entry for entry in list_weights()}
    assert entries["bad"].header is None and "junk" not in str(entries["bad"].error)
    assert open_weights().path == Path("runs/new/model.safetensors")


def test_a_new_run_is_named_after_its_data(here: Path) -> None:
    assert new_run(None, "data/faces/64") == Path("runs/faces")
    assert new_run(None, "") == Path("runs/glyphs")
    assert new_run("mine", "data/faces") == Path("runs/mine")
    (here / "runs" / "faces").mkdir()
    (here / "runs" / "faces-2").mkdir()
    assert new_run(None, "data/faces/64") == Path("runs/faces-3")
