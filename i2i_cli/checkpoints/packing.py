"""Weights made ready to be passed on: half the size, and listed with what they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.header import KEY, read_header, read_metadata
from i2i_cli.checkpoints.names import MANIFEST, export_folder
from i2i_cli.checkpoints.tensors import load_tensors, networks_among, save_tensors
from i2i_cli.files import check_new, check_written_as, write_text

FEATURES = "i2i-features"
"""Metadata key of bundled networks that translate nothing."""


def pack(path: Path, out: Path, overwrite: bool = False) -> None:
    """Write the weights at `path` to `out` with their networks in float16; the rest stays as it is.

    Raises:
        ConfigError, DataError: `out` is no name of weights, or is taken.
        WeightsError: `path` holds no weights of this tool.
    """
    check_written_as(out, {".safetensors"}, "weights file")
    check_new(out, overwrite)
    header, tensors = read_header(path), load_tensors(path)
    packed = {name: _halved(name, tensor) for name, tensor in networks_among(tensors).items()}
    save_tensors(out, tensors | packed, header.to_metadata())


def _halved(name: str, tensor: Tensor) -> Tensor:
    # Kept codes are few, and are compared with codes that are computed in full.
    return tensor.half() if tensor.is_floating_point() and "kept_codes" not in name else tensor


def manifest(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the weights in `folder` say that they are: models under "weights", other networks under "features"."""
    found: dict[str, list[dict[str, Any]]] = {"weights": [], "features": []}
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.onnx")]):
        facts = {
            "name": path.stem,
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        metadata = read_metadata(path) if path.suffix == ".safetensors" else _metadata_of_graph(path)
        if KEY not in metadata:
            found["features"].append(facts | {"file": path.name} | json.loads(metadata.get(FEATURES, "{}")))
            continue
        header = read_header(path)
        recipe = folder / f"{path.stem}.toml"
        found["weights"].append(
            facts
            | {
                "family": header.family,
                "domains": list(header.domains),
                "image_size": header.image_size,
                "steps": header.step,
                "data": header.trained_on,
                "terms": header.terms,
                "commands": _commands(recipe) if recipe.is_file() else [],
                "figures": header.figures,
                "classifiers": header.classifiers,
                "exports": {
                    export.name: hashlib.sha256(export.read_bytes()).hexdigest()
                    for export in sorted(export_folder(path).glob("*.onnx"))
                },
            }
        )
    return found


def _metadata_of_graph(path: Path) -> dict[str, str]:
    # Late: only the manifest needs it.
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).get_modelmeta().custom_metadata_map


def _commands(recipe: Path) -> list[str]:
    """The commands at the top of the TOML beside the weights: its comment lines that call i2i."""
    lines = (line.removeprefix("#").strip() for line in recipe.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.startswith("i2i ")]


def write_manifest() -> None:
    """Write the manifest of the bundled weights anew. `make manifest` calls this."""
    folder = bundled_folder()
    write_text(folder / MANIFEST, json.dumps(manifest(folder), indent=1, sort_keys=True) + "\n")
