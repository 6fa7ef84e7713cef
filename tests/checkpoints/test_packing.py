import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageChops

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.header import read_header
from i2i_cli.checkpoints.names import DEFAULT
from i2i_cli.checkpoints.packing import manifest, pack
from i2i_cli.checkpoints.tensors import load_tensors
from i2i_cli.checkpoints.weights import open_weights
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.exported import open_export
from i2i_cli.inference.loaded import load

MAX_SHIPPED = 64 * 2**20


def test_packed_weights_are_half_as_large_and_translate_alike(run: Path, photo: Path, tmp_path: Path) -> None:
    source, out = run / "model.safetensors", tmp_path / "small.safetensors"
    pack(source, out)
    assert read_header(out) == read_header(source)
    before, after = load_tensors(source), load_tensors(out)
    assert after["encoder.trunk.0.0.weight"].dtype == torch.float16
    whole = [name for name in before if name.startswith("kept_codes") or "classifier" in name]
    assert len(whole) > 1 and all(torch.equal(before[name], after[name]) for name in whole)
    images: list[Image.Image] = [load(path, "cpu").translate(photo, "disc") for path in (source, out)]
    assert max(high for _, high in ImageChops.difference(*images).getextrema()) <= 4


def test_nothing_is_overwritten_and_the_name_says_what_it_is(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "taken.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(DataError, match="exists already"):
        pack(run / "model.safetensors", out)
    assert out.read_bytes() == b"mine"
    pack(run / "model.safetensors", out, overwrite=True)
    assert read_header(out).step == 6
    with pytest.raises(ConfigError, match="the weights file as"):
        pack(run / "model.safetensors", tmp_path / "small.pt")


def test_a_manifest_says_what_each_file_is(run: Path, tmp_path: Path) -> None:
    pack(run / "model.safetensors", tmp_path / "shapes.safetensors")
    (tmp_path / "shapes.toml").write_text("# Trained by\n#     i2i train DATA --config weights/shapes.toml\nseed = 1\n")
    (entry,) = manifest(tmp_path)["weights"]
    assert entry["name"] == "shapes" and entry["domains"] == ["disc", "square"] and entry["steps"] == 6
    assert entry["commands"] == ["i2i train DATA --config weights/shapes.toml"]
    assert entry["size"] == (tmp_path / "shapes.safetensors").stat().st_size and entry["figures"]


def test_what_is_shipped_tells_no_path_of_the_machine_that_made_it() -> None:
    for path in bundled_folder().rglob("*"):
        raw = path.read_bytes() if path.is_file() else b""
        assert b"jobs/export.py" not in raw and b"stack_trace" not in raw and b"/home/" not in raw, path


def test_the_shipped_manifest_is_that_of_the_shipped_files() -> None:
    folder = bundled_folder()
    written = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(manifest(folder))), "run `make manifest`"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= MAX_SHIPPED
    for entry in written["weights"]:
        if entry["exports"] or entry["name"] == DEFAULT:
            assert set(entry["exports"]) == {"encoder.onnx", "decoder.onnx", "descriptor.onnx"}
            assert open_export(open_weights(entry["name"])).fingerprint == load(entry["name"], "cpu").fingerprint
        assert entry["terms"] and entry["commands"] and entry["figures"]["held_out"]
        assert (folder / f"{entry['name']}.toml").is_file()
    for entry in written["features"]:
        ours = "steps" in entry
        assert ours or (entry["terms"] and (folder / f"{entry['name']}.LICENSE").is_file()), "others' work"
