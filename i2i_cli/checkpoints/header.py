"""The header of a weights file, read without torch: what the weights are, as one JSON object.

A safetensors file opens with 8 bytes (the header's length, little-endian) and a JSON header. Ours
keeps a single metadata key, so that identical saves are identical bytes.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from i2i_cli.config import merged, updated
from i2i_cli.errors import ConfigError, WeightsError

KEY = "i2i"
_MAX_HEADER = 16 * 2**20

FORMAT = 2
"""Of weights and of a run's config. Raised whenever a default changes: files keep all settings of their time, so what
one lacks did not exist then, and means what `_MEANT_BEFORE` says, not today's default."""

_MEANT_BEFORE: dict[int, dict[str, dict[str, Any]]] = {
    1: {
        "srae": {
            "networks": {"modulate": False},
            "objective": {"swap_share": 1.0, "weights": {"content_ridge": 0.0}},
        },
        "dual": {},
    },
}
"""Format -> family -> what a setting meant that files of that format may lack, where it is not today's default."""

_RENAMED = {
    "networks.edges_only": ("networks.content_trunk", {True: "edges", False: "shared"}),
    "objective.entropy_ramp": ("objective.hiding_ramp", {}),
    "objective.adversarial_start": ("objective.swap_start", {}),
    "objective.perceptual_crop": ("objective.feature_crop", {}),
}
"""Settings of SRAE as files of format 1 may call them: their names now, and what their values are now."""


OF_PAIRS = frozenset({"judged", "frechet", "found", "apart", "content_kept", "sharpness"})
"""Held-out figures that every ordered pair of domains has."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a weights file says of itself; enough to rebuild the model without any flag.

    Args:
        config: the run's resolved config as nested tables.
        trained_on: {"data": name, "images": {domain: count}, "sample": hashes of some of them}.
        perceptual: what the perceptual loss came to: imagenet, random, none or a file's name.
        figures: held-out figures at this step; may be empty.
        classifiers: latent classifiers in the file: name -> {"classes": names, and their figures}.
        finished: the run reached its end, rather than being saved on the way.
        format: of what is written; a header that was read is brought to today's.
    """

    family: str
    image_size: int
    domains: tuple[str, ...]
    step: int
    config: dict[str, Any]
    trained_on: dict[str, Any] = field(default_factory=dict)
    perceptual: str = "none"
    figures: dict[str, Any] = field(default_factory=dict)
    classifiers: dict[str, dict[str, Any]] = field(default_factory=dict)
    finished: bool = False
    format: int = FORMAT

    @property
    def terms(self) -> str:
        """Under which terms the training images may be used: the config's `data.terms`, or ""."""
        data = self.config.get("data")
        return str(data.get("terms", "")) if isinstance(data, dict) else ""

    def to_metadata(self) -> dict[str, str]:
        """The safetensors metadata that holds this header."""
        return {KEY: json.dumps(asdict(self), sort_keys=True)}


def describe(header: Header) -> str:
    """One line: family, size, domains, step."""
    domains = ", ".join(header.domains)
    state = "" if header.finished else ", not finished"
    return f"{header.family}, {header.image_size} px, {domains}, step {header.step}{state}"


def read_metadata(path: Path, kind: str = "weights file") -> dict[str, str]:
    """The metadata of the safetensors file at `path`, which should be a `kind`.

    Raises:
        WeightsError: the file cannot be read, or is something else; the sentence says what.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not 2 <= length <= _MAX_HEADER:
                raise WeightsError(f"{path} is {_kind_of(path)}, not a {kind}")
            raw = file.read(length)
        metadata = json.loads(raw).get("__metadata__", {})
    except OSError as error:
        raise WeightsError(f"cannot read the {kind} {path}: {error.strerror or error}") from error
    except (ValueError, AttributeError, RecursionError):
        raise WeightsError(f"{path} is {_kind_of(path)}, not a {kind}") from None
    return metadata if isinstance(metadata, dict) else {}


def read_header(path: Path) -> Header:
    """The header of the weights file at `path`.

    Raises:
        WeightsError: not a weights file of this tool, or one of a later version.
    """
    metadata = read_metadata(path)
    if KEY not in metadata:
        raise WeightsError(f"{path} is a safetensors file, but not one that i2i wrote")
    try:
        values = json.loads(metadata[KEY])
        if values["format"] > FORMAT:
            raise WeightsError(
                f"{path} has format {values['format']}; this i2i reads up to {FORMAT}", "install a newer i2i-cli"
            )
        missing = {"family", "image_size", "domains", "step", "config"} - values.keys()
        if missing:
            raise ValueError(f"it has no {min(missing)}")
        if not isinstance(values["config"], dict):
            raise ValueError("its config")
        header = updated(EMPTY, values | {"config": upgraded(values["config"], values["format"]), "format": FORMAT})
        _check(header)
        return header
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
        raise WeightsError(f"the header of {path} is damaged ({error})") from error


EMPTY = Header(family="", image_size=0, domains=(), step=0, config={})


def _check(header: Header) -> None:
    """Refuse what no training writes, beyond values of a wrong type.

    Raises:
        ValueError: says what.
    """
    tables = [name for name in ("data", "networks", "objective", "training") if name in header.config]
    if not all(isinstance(header.config[name], dict) for name in tables):
        raise ValueError("its config")
    names = [*header.domains]
    for facts in header.classifiers.values():
        if not isinstance(facts, dict) or not isinstance(facts.get("classes"), list):
            raise ValueError("a classifier without classes")
        if not _are_figures(facts.get("held_out") or {}):
            raise ValueError("a classifier's figures")
        names += facts["classes"]
    odd = [name for name in names if not _is_folder_name(name)]
    if odd or not header.domains or len(set(header.domains)) < len(header.domains):
        raise ValueError(f"the name {str(odd[0])[:40]!r} of a domain or class" if odd else "its domains")
    if header.step < 0 or not 1 <= header.image_size <= 4096:
        raise ValueError(f"step {header.step}, image size {header.image_size}")
    flat = {key: value for key, value in header.figures.items() if not isinstance(value, dict)}
    nested = [value for value in header.figures.values() if isinstance(value, dict)]
    if not all(_are_figures(figures) for figures in (flat, *nested)) or not OF_PAIRS.isdisjoint(flat):
        raise ValueError("its held-out figures")
    if not _are_figures(header.trained_on.get("images", {})) or not isinstance(header.trained_on.get("data", ""), str):
        raise ValueError("what it was trained on")
    sample = header.trained_on.get("sample", [])
    if not isinstance(sample, list) or not all(isinstance(digest, str) for digest in sample):
        raise ValueError("what it was trained on")


def _are_figures(value: Any) -> bool:
    return isinstance(value, dict) and all(item is None or isinstance(item, (int, float)) for item in value.values())


def _is_folder_name(name: Any) -> bool:
    """Whether `name` can be that of a folder: domains and classes are, and name output files."""
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not {"/", "\0"} & set(name)
        and len(os.fsencode(name)) < 256
    )


def upgraded(config: dict[str, Any], written_as: int) -> dict[str, Any]:
    """The nested tables of a whole config that was written in an earlier format, as they are written today."""
    tables = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    family = str(tables.get("family", "srae"))
    if written_as == 1 and family == "srae":
        _rename(tables)
    if written_as == 1 and family == "dual":
        _weigh_r1_as_today(tables)
    for earlier in range(written_as, FORMAT):
        tables = merged(_MEANT_BEFORE[earlier].get(family, {}), tables)
    return tables


def _rename(tables: dict[str, Any]) -> None:
    for old, (new, values) in _RENAMED.items():
        table, key = old.split(".")
        if isinstance(tables.get(table), dict) and key in tables[table]:
            value = tables[table].pop(key)
            tables[table].setdefault(new.partition(".")[2], values.get(value, value) if values else value)
    if isinstance(weights := _weights_in(tables), dict) and "r1" in weights:  # of a critic that is there no more
        tables["objective"]["weights"] = {name: weight for name, weight in weights.items() if name != "r1"}


def _weigh_r1_as_today(tables: dict[str, Any]) -> None:
    """Format 1 did not multiply R1's weight by `r1_every`, so every use was that much weaker."""
    weights, objective = _weights_in(tables), tables.get("objective")
    if isinstance(objective, dict) and isinstance(weights, dict) and isinstance(weights.get("r1"), (int, float)):
        every = objective.get("r1_every", 16)
        if isinstance(every, int) and every > 0:
            tables["objective"]["weights"] = {**weights, "r1": weights["r1"] / every}


def _weights_in(tables: dict[str, Any]) -> Any:
    objective = tables.get("objective")
    return objective.get("weights") if isinstance(objective, dict) else None


def _kind_of(path: Path) -> str:
    """What a file that is no weights file seems to be, by its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return "unreadable"
    if not start:
        return "an empty file"
    if start.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer (run `git lfs pull`)"
    if start.startswith(b"PK"):
        return "a zip archive (perhaps a torch .pt file, which i2i never loads: it can run code)"
    if start[:1] == b"\x80":
        return "a pickle (which i2i never loads: it can run code)"
    if start.lstrip()[:1] == b"<":
        return "an HTML or XML page"
    return "damaged or of another kind"
