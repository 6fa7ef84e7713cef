"""Which device and which precision."""

import gc
import platform
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from i2i_cli.errors import ConfigError, DeviceError

PRECISIONS = ("auto", "fp32", "bf16")


def pick_device(name: str) -> torch.device:
    """The device called `name`: auto, cpu, cuda, cuda:1, mps.

    Raises:
        DeviceError: this machine has none of that name.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"no device is called {name!r}", "use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"there is no {name} here: {torch.cuda.device_count()} CUDA devices", "use --device auto or cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("there is no mps device here", "use --device auto or cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device {name!r} is not supported", "use auto, cpu, cuda, cuda:1 or mps")
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """ "fp32" or "bf16"; "auto" is bf16 where the device computes it natively."""
    if name not in PRECISIONS:
        raise ConfigError(f"no precision is called {name!r}", f"use {', '.join(PRECISIONS)}")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "fp32"
    return "bf16" if device.type == "cpu" and _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulated, it is slower than fp32."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def free_memory(device: torch.device) -> None:
    """Give back what a computation that failed was holding."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The context in which losses are computed at `precision`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def choose_kernels(deterministic: bool) -> None:
    """Which convolutions CUDA takes: those that give the same bits every time, or the fastest it finds."""
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
