import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from i2i_cli.checkpoints.header import FORMAT, KEY, Header, read_header, upgraded
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.training.config import run_config

HEADER = Header(family="srae", image_size=32, domains=("a", "b"), step=5, config={"seed": 0})


def test_a_header_comes_back(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "w", HEADER.to_metadata())
    assert read_header(tmp_path / "w") == HEADER


def test_it_is_read_without_torch(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "w", HEADER.to_metadata())
    code = (
        "import sys, pathlib; from i2i_cli.checkpoints.header import read_header;"
        f"print(read_header(pathlib.Path({str(tmp_path / 'w')!r})).domains, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "('a', 'b') False"


def kinds(folder: Path) -> dict[str, Path]:
    """Files that are no weights, by what the error should call them."""
    contents = {
        "an empty file": b"",
        "a git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "an HTML or XML page": b"<!DOCTYPE html><html>" + b" " * 100,
        "a pickle": b"\x80\x04}\x94\x8c\x01x\x94K\x01s.",
        "damaged or of another kind": b"\x10\0\0\0\0\0\0\0not json at all!",
    }
    paths = {}
    for number, (kind, data) in enumerate(contents.items()):
        paths[kind] = folder / str(number)
        paths[kind].write_bytes(data)
    paths["a zip archive"] = folder / "zip"
    with zipfile.ZipFile(paths["a zip archive"], "w") as archive:
        archive.writestr("data.pkl", b"x")
    return paths


def test_other_files_are_called_what_they_are(tmp_path: Path) -> None:
    for kind, path in kinds(tmp_path).items():
        with pytest.raises(WeightsError) as caught:
            read_header(path)
        assert kind in caught.value.message and str(path) in caught.value.message


def test_strange_headers_are_said(tmp_path: Path) -> None:
    path = tmp_path / "w"
    cases = {
        "not one that i2i wrote": {},
        f"reads up to {FORMAT}": {KEY: json.dumps({"format": 99})},
        "is damaged": {KEY: json.dumps({"format": 1, "domains": ["a"], "surprise": 1})},
        "header of": {KEY: "not json"},
    }
    for said, metadata in cases.items():
        save_file({"x": torch.zeros(1)}, path, metadata)
        with pytest.raises(WeightsError, match=said):
            read_header(path)
    with pytest.raises(WeightsError, match="cannot read"):
        read_header(tmp_path / "none")


@pytest.mark.parametrize(
    "changed",
    [
        {"domains": ["a", "../b"]},
        {"domains": ["a", ""]},
        {"domains": ["a", "a"]},
        {"domains": []},
        {"domains": ["a", 7]},
        {"domains": ["a", "x" * 300]},
        {"image_size": 10**9},
        {"image_size": 32.5},
        {"step": -1},
        {"step": "5"},
        {"family": None},
        {"finished": "yes"},
        {"config": {"networks": None}},
        {"figures": {"judged": 1}},
        {"figures": {"judged": {"a->b": 1.0}, "apart": 1}},
        {"figures": {"judged": {"a->b": 1.0}, "found": {"a->b": "all"}}},
        {"figures": {"judge_accuracy": "high"}},
        {"classifiers": {"shape": {"classes": "ab"}}},
        {"classifiers": {"shape": {"classes": ["a", ".."]}}},
        {"trained_on": {"images": ["a"]}},
        {"trained_on": {"sample": "ab"}},
        {"trained_on": {"sample": [1]}},
        {"format": 0},
        {"config": [1]},
    ],
)
def test_what_no_training_writes_is_refused(tmp_path: Path, changed: dict) -> None:
    values = json.loads(HEADER.to_metadata()[KEY]) | changed
    save_file({"x": torch.zeros(1)}, tmp_path / "w", {KEY: json.dumps(values)})
    with pytest.raises(WeightsError, match=r"the header of .* is damaged"):
        read_header(tmp_path / "w")


def test_settings_that_earlier_versions_called_otherwise_are_understood() -> None:
    old = {
        "networks": {"edges_only": True, "width": 8},
        "objective": {
            "entropy_ramp": 7,
            "adversarial_start": 3,
            "perceptual_crop": 1.0,
            "weights": {"r1": 1.0, "kl": 0.5},
        },
    }
    found = upgraded(old, 1)
    assert found == {
        "networks": {"content_trunk": "edges", "width": 8, "modulate": False},
        "objective": {
            "hiding_ramp": 7,
            "swap_start": 3,
            "feature_crop": 1.0,
            "swap_share": 1.0,
            "weights": {"kl": 0.5, "content_ridge": 0.0},
        },
    }
    assert "edges_only" in old["networks"], "what was read is left as it was"
    with pytest.raises(ConfigError, match="r1"):
        run_config({"objective": {"weights": {"r1": 1.0}}})  # what is typed today goes by today's names
    assert upgraded(found, FORMAT) == found, "what is of today stays as it is"


def test_r1_of_format_1_keeps_its_strength() -> None:
    old = {"family": "dual", "objective": {"r1_every": 8, "weights": {"r1": 2.0, "cycle": 1.0}}}
    assert upgraded(old, 1)["objective"] == {"r1_every": 8, "weights": {"r1": 0.25, "cycle": 1.0}}
    assert upgraded({**old, "objective": {"weights": {"r1": 2.0}}}, 1)["objective"]["weights"]["r1"] == 0.125
    assert upgraded(old, 2) == old
    for odd in ({}, {"objective": 3}, {"objective": {"weights": []}}, {"objective": {"weights": {"r1": "much"}}}):
        upgraded({"family": "dual", **odd}, 1)  # whoever reads it says what is wrong
