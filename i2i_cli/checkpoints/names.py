"""Weights by name: finding and listing them. No torch."""

import json
import os
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


def find_weights(name: str | None) -> Path:
    """The weights file meant by `name`: a file, a run folder, a run's name or a shipped model's.

    None: `I2I_WEIGHTS`, then the newest finished run under `./runs`, then the shipped default.

    Raises:
        WeightsError: there are none (exit code 2 for a name that is not known).
    """
    name = name or os.environ.get(ENVIRONMENT) or None
    if name is None:
        return _default()
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


def _default() -> Path:
    runs = [entry for entry in _runs() if entry.header is not None]
    finished = [entry.path for entry in runs if entry.header and entry.header.finished]
    if finished:
        return max(finished, key=lambda path: path.stat().st_mtime_ns)
    shipped = {entry.name: entry.path for entry in _shipped()}
    if shipped:
        return shipped.get(DEFAULT, next(iter(shipped.values())))
    if runs:
        raise WeightsError("no run under ./runs is finished yet", f"name one to use it as it is: -w {runs[0].name}")
    raise WeightsError(
        "there are no weights here", "train a model with: i2i train FOLDER, or name one with -w", exit_code=2
    )


EXPORTS = Path("onnx")
"""Where exports go unless something else is asked for: a folder for each model."""


def export_folder(path: Path) -> Path:
    """Where the weights at `path` are exported to: a folder called like the run or the file."""
    return EXPORTS / (path.parent.name if path.name == MODEL else path.stem)


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
    """The runs under `./runs`, newest first, then the shipped models."""
    return [*_runs(), *_shipped()]


def _runs() -> list[WeightsEntry]:
    found = sorted(RUNS.glob(f"*/{MODEL}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [_entry(path.parent.name, path, shipped=False) for path in found]


def _shipped() -> Iterator[WeightsEntry]:
    for entry in _manifest().get("weights", []):
        path = bundled_folder() / f"{entry['name']}.safetensors"
        yield _entry(entry["name"], path, shipped=True, sha256=entry["sha256"])


def _manifest() -> dict[str, Any]:
    path = bundled_folder() / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def shipped_networks() -> Iterator[tuple[Path, str]]:
    """The package's networks that translate nothing, each with its hash."""
    for entry in _manifest().get("features", []):
        yield shipped_network(entry["file"]), entry["sha256"]


def shipped_network(file: str) -> Path:
    """Where a network of this file name lies, which came with the package."""
    return bundled_folder() / file


def _entry(name: str, path: Path, *, shipped: bool, sha256: str = "") -> WeightsEntry:
    try:
        return WeightsEntry(name=name, path=path, shipped=shipped, sha256=sha256, header=read_header(path))
    except WeightsError as error:
        return WeightsEntry(name=name, path=path, shipped=shipped, sha256=sha256, error=error)


def domains_of(name: str | None) -> tuple[str, ...]:
    """Domain names of the weights meant by `name`; none where there are no weights. For completion."""
    try:
        return read_header(find_weights(name)).domains
    except I2IError:
        return ()


def known_sha256(path: Path) -> str:
    """The hash that the manifest of the shipped models gives for `path`; "" for others."""
    return next((entry.sha256 for entry in _shipped() if entry.path.resolve() == path.resolve()), "")
