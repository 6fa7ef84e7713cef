"""Put a fitted classifier into a weights file."""

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.names import LOCK, known_sha256
from i2i_cli.checkpoints.tensors import load_tensors, save_tensors
from i2i_cli.errors import ConfigError
from i2i_cli.files import check_new, locked
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.loaded import TorchTranslator
from i2i_cli.jobs.classification.fitting import FittedClassifier


def check_target(translator: TorchTranslator, name: str, out: Path | None, overwrite: bool) -> Path:
    """The weights file that the classifier `name` goes to, before any work is done.

    Raises:
        ConfigError, DataError: a name that is taken, a file that is there, or weights that came with the package.
    """
    if name == DOMAINS:
        raise ConfigError(
            f"{DOMAINS!r} is the name of the classifier of the model's own domains", "give another name: --labels NAME"
        )
    if out is not None:
        check_new(out, overwrite)
        return out
    if name in translator.classifiers and not overwrite:
        hint = "add --force, or give another name: --labels NAME"
        raise ConfigError(f"{translator.path} holds a classifier called {name!r} already", hint)
    if known_sha256(translator.path):
        raise ConfigError(
            f"{translator.path} is shipped with i2i and cannot be changed", "write a copy: -o FILE.safetensors"
        )
    return translator.path


def add_classifier(weights: Path, fitted: FittedClassifier, out: Path) -> None:
    """Write the weights file `weights` to `out` with a classifier more, or another one under its name.

    Its time stays as it was: the newest run is the one that was trained last.

    Raises:
        DataError: the weights are to be changed in place, and another process is at them.
    """
    in_place = out.exists() and out.samefile(weights)
    with locked(out.parent / LOCK, str(out)) if in_place else nullcontext():
        header, stat = read_header(weights), weights.stat()
        tensors = load_tensors(weights) | {name: torch.from_numpy(rows) for name, rows in fitted.to_arrays().items()}
        header = replace(header, classifiers=header.classifiers | {fitted.name: fitted.facts()})
        save_tensors(out, tensors, header.to_metadata())
        os.utime(out, ns=(stat.st_atime_ns, stat.st_mtime_ns))
