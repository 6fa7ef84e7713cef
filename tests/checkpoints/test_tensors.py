from pathlib import Path

import pytest
import torch
from torch import nn

from i2i_cli.checkpoints.tensors import check_shapes, load_into, load_tensors, save_tensors
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


def test_weights_that_are_no_numbers_are_refused() -> None:
    layer = nn.Linear(2, 3)
    for wild in (float("nan"), float("inf")):
        tensors = {"weight": torch.full((3, 2), wild), "bias": torch.zeros(3)}
        with pytest.raises(WeightsError, match="holds NaN or infinity in weight"):
            load_into(layer, tensors, Path("w.safetensors"))


@pytest.mark.parametrize(
    "changed",
    [
        {"weight": torch.zeros(2, 3)},
        {"weight": torch.zeros(3, 2, dtype=torch.int64)},
        {"other": torch.zeros(1)},
    ],
)
def test_a_file_is_compared_with_a_model_that_has_no_memory(tmp_path: Path, changed: dict) -> None:
    path = tmp_path / "w.safetensors"
    sound = {"weight": torch.zeros(3, 2).half(), "bias": torch.zeros(3), "classifier.x": torch.zeros(1)}
    with torch.device("meta"):
        model = nn.Linear(2, 3)
    save_tensors(path, sound, {})
    check_shapes(model, path)
    save_tensors(path, sound | changed, {})
    with pytest.raises(WeightsError, match="does not fit its own header"):
        check_shapes(model, path)
