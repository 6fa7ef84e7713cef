"""Check weights: load them whole, and compare their hashes with those of the package."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from i2i_cli.checkpoints.names import list_weights, shipped_networks
from i2i_cli.errors import I2IError, WeightsError
from i2i_cli.inference.loaded import load


def check_weights(path: Path, sha256: str = "") -> None:
    """Load the weights at `path` whole, and compare their hash where one is known.

    Raises:
        WeightsError: the file is damaged, does not fit its header, or holds NaN.
    """
    _check_hash(path, sha256)
    load(path, device="cpu")


def check_all() -> Iterator[tuple[Path, I2IError | None]]:
    """Every weights file that `list_weights` names and the other networks of the package, with what is wrong."""
    checks = [(entry.path, partial(check_weights, entry.path, entry.sha256)) for entry in list_weights()]
    checks += [(path, partial(_check_hash, path, sha256)) for path, sha256 in shipped_networks()]
    for path, check in checks:
        try:
            check()
            yield path, None
        except I2IError as error:
            yield path, error


def _check_hash(path: Path, sha256: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest() if sha256 else ""
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}", "install i2i-cli again") from error
    if found != sha256:
        raise WeightsError(f"{path} has the hash {found[:12]}…, not {sha256[:12]}…", "install i2i-cli again")
