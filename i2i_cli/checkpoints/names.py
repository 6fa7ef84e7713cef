"""Weights by name: finding and listing them. No torch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.header import Header, read_header
from i2i_cli.config import nearest
from i2i_cli.errors import I2IError, WeightsError

RUNS = Path("runs")
ENVIRONMENT = "I2I_WEIGHTS"
MANIFEST = "MANIFEST.json"
DEFAULT = "faces"
"""The shipped model that is meant where none is named and the user has no run."""

CLASSIFIERS = "classifier."
"""What the names of a latent classifier's tensors begin with, in a weights file beside a model's."""

MODEL = "model.safetensors"
GALLERY = "gallery.safetensors"
LOCK = ".lock"
"""Held by whoever changes weights in place."""


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """Weights that can be used by name, and their header; or the error that reading them gave."""

    name: str
    path: Path
    shipped: bool
    header: Header | None = None
    error: I2IError | None = None
    sha256: str = ""


def find_weights(name: str) -> Path:
    """The weights file meant by `name`: a file, a run folder, a run's name or a shipped model's.

    Raises:
        WeightsError: there are none (exit code 2 for a name that is not known).
    """
    path = Path(name)
    for candidate in (path, path / MODEL, RUNS / name / MODEL):
        if candidate.is_file():
            return candidate
    shipped = {entry.name: entry.path for entry in _shipped()}
    if name in shipped:
        return shipped[name]
    if path.is_dir():
        raise WeightsError(f"{path} holds no {MODEL}", "a run writes it at its first checkpoint")
    known = [entry.name for entry in list_weights()]
    hint = nearest(name, known) if known else "train a model first: i2i train FOLDER"
    raise WeightsError(f"no weights are called {name!r}", hint, exit_code=2)


EXPORTS = "onnx"
"""Folder of exports, beside the weights."""


def export_folder(path: Path) -> Path:
    """Where the ONNX files of the weights at `path` lie: in the run's folder, or beside a file under its name."""
    return path.parent / EXPORTS if path.name == MODEL else path.parent / EXPORTS / path.stem


ENCODER, DECODER, DESCRIPTOR, TRANSLATION = "encoder.onnx", "decoder.onnx", "descriptor.onnx", "translation.onnx"
"""What is in such a folder: see `jobs/export.py`."""


def is_export(folder: Path) -> bool:
    """Whether there is an export in `folder`."""
    return (folder / ENCODER).is_file()


def new_run(name: str | None, data: str) -> Path:
    """The folder of a new run under `./runs`: `name`, or one after the data that is still free."""
    if name is not None:
        return RUNS / name
    stem = data_name(data) if data else "glyphs"
    taken = {path.name for path in RUNS.glob("*")}
    free = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return RUNS / (stem if stem not in taken else next(name for name in free if name not in taken))


def data_name(data: str) -> str:
    """The last part of a data folder's path that says something: "faces" of .../faces/64."""
    parts = [part for part in Path(data).absolute().parts if any(letter.isalpha() for letter in part)]
    return parts[-1] if parts else "data"


def list_weights() -> list[WeightsEntry]:
    """The runs under `./runs`, newest first, then the shipped models, the default one first."""
    return [*_runs(), *_shipped()]


def _runs() -> list[WeightsEntry]:
    found = sorted(RUNS.glob(f"*/{MODEL}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [_entry(path.parent.name, path, shipped=False) for path in found]


def _shipped() -> Iterator[WeightsEntry]:
    for entry in sorted(_manifest().get("weights", []), key=lambda entry: entry["name"] != DEFAULT):
        path = bundled_folder() / f"{entry['name']}.safetensors"
        yield _entry(entry["name"], path, shipped=True, sha256=entry["sha256"])


def _manifest() -> dict[str, Any]:
    path = bundled_folder() / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def shipped_networks() -> Iterator[tuple[Path, str]]:
    """The package's networks beside its weights, each with its hash: those that translate nothing, and exports."""
    manifest = _manifest()
    for entry in manifest.get("features", []):
        yield shipped_network(entry["file"]), entry["sha256"]
    for entry in manifest.get("weights", []):
        folder = export_folder(bundled_folder() / f"{entry['name']}.safetensors")
        for name, sha256 in entry.get("exports", {}).items():
            yield folder / name, sha256


def shipped_network(file: str) -> Path:
    """Where a network of this file name lies, which came with the package."""
    return bundled_folder() / file


def _entry(name: str, path: Path, *, shipped: bool, sha256: str = "") -> WeightsEntry:
    try:
        return WeightsEntry(name=name, path=path, shipped=shipped, sha256=sha256, header=read_header(path))
    except WeightsError as error:
        return WeightsEntry(name=name, path=path, shipped=shipped, sha256=sha256, error=error)


def known_sha256(path: Path) -> str:
    """The hash that the manifest of the shipped models gives for `path`; "" for others."""
    return next((entry.sha256 for entry in _shipped() if entry.path.resolve() == path.resolve()), "")
