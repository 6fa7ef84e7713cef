from pathlib import Path

import pytest
import torch
from torch import nn

from i2i_cli.engine.checkpoint import load_into, load_tensors, save_tensors
from i2i_cli.errors import WeightsError


def test_tensors_come_back_and_equal_saves_are_equal_bytes(tmp_path: Path) -> None:
    tensors = {"b": torch.randn(3, 4), "a": torch.arange(5), "t": torch.randn(4, 6).T}
    for name in ("one", "two"):
        save_tensors(tmp_path / name, tensors, {"k": "v"})
    found = load_tensors(tmp_path / "one")
    assert found.keys() == tensors.keys() and all(torch.equal(found[key], tensors[key]) for key in tensors)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_damaged_and_missing_files_are_said(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a", {"x": torch.zeros(1000)}, {})
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:-100])
    for name in ("a", "none"):
        with pytest.raises(WeightsError, match="cannot read the weights"):
            load_tensors(tmp_path / name)


def test_tensors_that_do_not_fit_are_said() -> None:
    layer = nn.Linear(2, 3)
    for tensors in ({"weight": torch.zeros(3, 2)}, {"weight": torch.zeros(9, 9), "bias": torch.zeros(3)}):
        with pytest.raises(WeightsError, match="does not fit its own header"):
            load_into(layer, tensors, Path("w.safetensors"))
