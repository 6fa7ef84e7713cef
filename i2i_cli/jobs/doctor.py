"""What works in this installation. What may be broken is imported inside the check that finds out."""

import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import i2i_cli
from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.names import RUNS, list_weights

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "safetensors", "typer", "rich", "matplotlib", "platformdirs")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check: what was found, and whether it will do."""

    name: str
    ok: bool
    found: str


def diagnose() -> list[Finding]:
    """Every check, in the order in which a person would make them. Never raises."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("i2i", lambda: f"{i2i_cli.__version__} in {Path(i2i_cli.__file__).parent}"),
        ("python", lambda: f"{platform.python_version()} on {platform.platform()}"),
        *((name, lambda name=name: version(name)) for name in PACKAGES),
        ("torchvision imports", _import_torchvision),
        ("device", _device),
        ("VGG-16 weights", _vgg),
        ("cache folder", _cache),
        ("runs folder", lambda: _writable(RUNS.absolute())),
        ("weights", lambda: f"{len(list_weights())} found; shipped ones lie in {bundled_folder()}"),
    ]
    return [_finding(name, check) for name, check in checks]


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, ok=True, found=check())
    except Exception as error:  # a broken installation breaks in any way
        return Finding(name=name, ok=False, found=f"{type(error).__name__}: {error}".splitlines()[0])


def _import_torchvision() -> str:
    # Here, so that a torchvision that does not fit its torch is a finding and not a crash.
    import torchvision

    return f"yes, {torchvision.__version__}"


def _device() -> str:
    import torch

    from i2i_cli.engine.device import pick_device, pick_precision

    device = pick_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{device} ({name}), {pick_precision('auto', device)}, {cores}"


def _vgg() -> str:
    from i2i_cli.models.perceptual import DOWNLOAD, is_cached

    if is_cached():
        return "ImageNet weights are cached: --perceptual auto uses them"
    return f"not cached: --perceptual auto uses L1 alone (imagenet would download {DOWNLOAD})"


def _cache() -> str:
    from i2i_cli.data.cache import cache_folder

    return _writable(cache_folder())


def _writable(folder: Path) -> str:
    """`folder`, if it or the nearest parent that exists can be written to."""
    place = folder
    while not place.exists():
        place = place.parent
    with tempfile.TemporaryFile(dir=place):
        pass
    return f"{folder}, writable"
