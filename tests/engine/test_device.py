import pytest
import torch

from i2i_cli.engine.device import autocast, pick_device, pick_precision
from i2i_cli.errors import ConfigError, DeviceError, I2IError

CPU = torch.device("cpu")


def test_auto_is_something_that_works() -> None:
    torch.zeros(2, device=pick_device("auto"))
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize(("name", "kind"), [("cuda:99", DeviceError), ("gpu", ConfigError), ("meta", ConfigError)])
def test_what_is_not_there_is_said(name: str, kind: type[I2IError]) -> None:
    with pytest.raises(kind) as caught:
        pick_device(name)
    assert name in caught.value.message and "auto" in caught.value.hint


def test_precision_is_what_was_asked_for() -> None:
    assert pick_precision("fp32", CPU) == "fp32"
    assert pick_precision("auto", CPU) in ("fp32", "bf16")
    with pytest.raises(ConfigError, match="'fp16'"):
        pick_precision("fp16", CPU)
    layer = torch.nn.Linear(2, 2)
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        with autocast(CPU, name):
            assert layer(torch.zeros(1, 2)).dtype == dtype
