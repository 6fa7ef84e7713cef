import os
import shutil
from pathlib import Path

import pytest

from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.web.galleries import OWN, Galleries
from i2i_cli.web.models import Models, UnknownNameError


def test_runs_come_as_they_finish_and_the_default_first(here: Path, run: Path) -> None:
    models = Models(device="cpu")
    assert next(iter(models.served())) == "runs/faces" and {"faces", "emoji", "xray"} < set(models.served())
    shutil.copytree(run, here / "runs" / "later")
    assert list(models.served())[:2] == ["runs/faces", "runs/later"]
    assert models.open("runs/later").domains == ("disc", "square")


def test_only_what_was_chosen_is_served(here: Path) -> None:
    models = Models(["faces", "emoji"], device="cpu")
    assert list(models.served()) == ["runs/faces", "emoji"]  # the run in ./runs has the name
    with pytest.raises(UnknownNameError, match="'xray'"):
        models.weights("xray")
    with pytest.raises(WeightsError):
        Models(["nothing"])


def test_a_model_is_opened_once_and_again_when_its_file_changes(here: Path) -> None:
    models = Models(["runs/faces"], device="cpu")
    first = models.open()
    assert models.open("runs/faces") is first
    path = here / "runs" / "faces" / "model.safetensors"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert models.open() is not first
    path.unlink()
    with pytest.raises(WeightsError, match="cannot read the model"):
        models.open()


def test_galleries_are_a_run_s_own_and_those_that_were_named(here: Path) -> None:
    models, galleries = Models(["runs/faces", "emoji"], device="cpu"), Galleries([here / "shapes"])
    model = models.open()
    assert list(galleries.served(model)) == [OWN, "shapes"]
    assert list(galleries.served(models.weights("emoji"))) == ["shapes"]
    own, shapes = galleries.open(model), galleries.open(model, "shapes")
    assert len(shapes) == 32 and galleries.open(model, "shapes") is shapes and own is not shapes
    with pytest.raises(ConfigError, match="no gallery is called 'x'"):
        galleries.path(model, "x")


def test_what_is_not_there_is_told(here: Path) -> None:
    with pytest.raises(DataError, match="there is no gallery nowhere"):
        Galleries([Path("nowhere")])
    with pytest.raises(ConfigError, match="no gallery to search"):
        Galleries().path(Models(["emoji"]).weights())
