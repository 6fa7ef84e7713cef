import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.checkpoints.names import DECODER, DESCRIPTOR, ENCODER, MODEL, TRANSLATION, export_folder
from i2i_cli.checkpoints.packing import pack
from i2i_cli.checkpoints.weights import open_weights
from i2i_cli.errors import ConfigError, DataError, DeviceError, WeightsError
from i2i_cli.inference.exported import ExportedTranslator, open_export
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.inference.runtime import load as i2i_load
from i2i_cli.jobs.export import export_onnx, sample_images
from i2i_cli.jobs.retrieval.gallery import open_gallery
from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch
from tests.conftest import draw_domains, draw_factor_domains

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import of it fails from here on
from i2i_cli.cli import main
main()
"""


PARTS = {"shapes": [ENCODER, DECODER, DESCRIPTOR, TRANSLATION], "factors": [ENCODER, DECODER, DESCRIPTOR]}


@pytest.fixture(scope="module")
def exported(run: Path, dual_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the tiny runs as `runs/shapes` and `runs/factors` with exports, and the images that these were compared
    on; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    for path, draw in ((run, draw_domains), (dual_run, draw_factor_domains)):
        images = draw(folder / path.name, 4)
        (images / "film.heic").touch()
        copy, notes = shutil.copytree(path, folder / "runs" / path.name), list[str]()
        whole = TRANSLATION in PARTS[path.name]
        result = export_onnx(load(copy, "cpu"), export_folder(copy / MODEL), images, note=notes.append, whole=whole)
        assert len(notes) == 1 and "skipped: 1 file with other endings (.heic)" in notes[0]
        assert result.num_images in (8, 16) and [file.name for file in result.files] == PARTS[path.name]
        assert result.largest_level <= 1 and result.largest_code < 1e-3 and result.differing < 0.01
    return folder


def opened(exported: Path, name: str, device: str = "auto") -> ExportedTranslator:
    return open_export(open_weights(exported / "runs" / name), device)


def i2i(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_it_translates_without_torch(exported: Path, run: Path, tmp_path: Path) -> None:
    image = exported / "shapes" / "disc" / "01.png"
    done = i2i(
        exported, "translate", str(image), "--to=square", "-o", str(tmp_path / "a.png"), "--weights=shapes",
        "--sheet", str(tmp_path / "sheet.png"), "--gif", str(tmp_path / "morph.gif"),
    )  # fmt: skip
    assert done.returncode == 0 and "runs/shapes, ONNX (srae, 32 px, disc, square, step 6)" in done.stderr, done.stderr
    wanted = np.asarray(load(run, "cpu").translate(image, to="square")).astype(int)
    assert wanted.shape == pixels(tmp_path / "a.png").shape
    assert np.abs(wanted - pixels(tmp_path / "a.png")).max() <= 1
    with Image.open(tmp_path / "morph.gif") as morph:
        assert morph.n_frames > 10 and morph.size == wanted.shape[1::-1]
    assert pixels(tmp_path / "sheet.png").shape[1] > 2 * 128


def test_any_number_of_images_and_targets(exported: Path, tmp_path: Path) -> None:
    options = ("--to=square", "--samples=2", "-o", str(tmp_path / "out"), "--weights=runs/shapes/onnx")
    done = i2i(exported, "translate", "shapes/disc", *options)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 8, done.stderr
    done = i2i(
        exported, "translate", "shapes/disc/00.png", "--like=shapes/square/01.png", "-o", str(tmp_path / "like.png"),
        "--strength=0.5", "--weights=shapes", "--runtime=onnx",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_other_command_that_needs_no_training_runs_without_torch(exported: Path, tmp_path: Path) -> None:
    """swap-domain, classify, index and neighbours: what torch gives, from the same files."""
    a, b = "shapes/disc/00.png", "shapes/square/02.png"
    done = i2i(exported, "swap-domain", a, b, "-o", str(tmp_path / "swap"), "--weights=shapes", "--sheet=swap.png")
    assert done.returncode == 0, done.stderr
    torch = load(exported / "runs" / "shapes", "cpu")
    for path, wanted in zip(("00~02.png", "02~00.png"), torch.swap_domain(exported / a, exported / b), strict=True):
        assert np.abs(pixels(tmp_path / "swap" / path) - np.asarray(wanted).astype(int)).max() <= 1
    done = i2i(exported, "classify", a, b, "--json", "--weights=shapes")
    told = [json.loads(line)["probabilities"] for line in done.stdout.splitlines()]
    for image, shares in zip((a, b), told, strict=True):
        assert shares == pytest.approx(torch.classify(exported / image), abs=1e-3)
    index = str(tmp_path / "index.safetensors")
    done = i2i(exported, "index", "shapes", "-o", index, "--weights=shapes")
    assert done.returncode == 0 and "8 encoded" in done.stderr, done.stderr
    done = i2i(exported, "neighbours", a, "--gallery", index, "--weights=shapes", "-k2", "--json", "--sheet=near.png")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["neighbours"]
    search = NeighbourSearch(translator=torch, gallery=open_gallery(index))
    (answer,) = search.run([exported / a], 2)
    assert [near["score"] for near in found] == pytest.approx([near.score for near in answer.neighbours], abs=2e-3)
    assert [near["domain"] for near in found] == ["square", "square"]


def test_codes_of_both_runtimes_are_of_one_model(exported: Path) -> None:
    for name in ("shapes", "factors"):
        here, there = opened(exported, name), load(exported / "runs" / name, "cpu")
        assert here.fingerprint == there.fingerprint and here.code_sizes == there.code_sizes
        assert here.content_code_shape == there.content_code_shape and here.rebuilds == there.rebuilds
        for domain in here.domains:
            assert here.comparable_with(domain) == there.comparable_with(domain)
            assert here.targets_of(domain) == there.targets_of(domain) and here.lender(domain) == there.lender(domain)


def test_a_model_that_needs_an_images_domain_is_told_it_or_finds_it(
    exported: Path, dual_run: Path, tmp_path: Path
) -> None:
    here, there = opened(exported, "factors"), load(dual_run, "cpu")
    squares = [pixels(exported / "factors" / name / "01.png")[2:34, 4:36].astype(np.uint8) for name in here.domains]
    assert here.sources_of(squares, [None] * 4) == there.sources_of(squares, [None] * 4)
    assert here.sources_of(squares[:1], ["red_disc"]) == ["red_disc"]
    assert here.targets_of("grey_disc") == there.targets_of("grey_disc") == ["red_disc"]
    done = i2i(
        exported, "translate", "factors/grey_disc/00.png", "--to=red_square", "-o", str(tmp_path / "a.png"),
        "--weights=factors", "--runtime=onnx",
    )  # fmt: skip
    assert done.returncode == 1 and "translates to red_disc, not red_square" in done.stderr


def test_a_dual_model_s_strength_goes_from_the_rebuilt_image(exported: Path, dual_run: Path) -> None:
    here, there = opened(exported, "factors"), load(dual_run, "cpu")
    squares = [pixels(exported / "factors" / name / "01.png")[2:34, 4:36].astype(np.uint8) for name in here.domains]
    sources = list(here.domains)
    ours, theirs = there.encode(squares, sources), here.encode(squares, sources)
    for strength in (0.0, 0.5, 1.0):
        wanted = there.decode(ours, there.target("red_disc"), strength, sources).astype(int)
        assert np.abs(wanted - here.decode(theirs, here.target("red_disc"), strength, sources)).max() <= 1
    with pytest.raises(ConfigError, match="a strength of 2"):
        here.decode(theirs, here.target("red_disc"), 2, sources)


def test_the_metadata_tells_domains_and_codes(exported: Path, run: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(exported / "runs" / "shapes" / "onnx" / TRANSLATION)
    facts = json.loads({entry.key: entry.value for entry in model.metadata_props}["i2i"])
    assert facts["header"]["domains"] == ["disc", "square"] and facts["routes"]["disc"] == ["disc", "square"]
    found = opened(exported, "shapes").kept_codes("square")
    assert np.allclose(found, load(run, "cpu").kept_codes("square").numpy())
    assert [entry.name for entry in model.graph.input] == ["images", "code", "strength"]
    parts = [onnx.load(exported / "runs" / "shapes" / "onnx" / name) for name in ("decoder.onnx", "descriptor.onnx")]
    told = [json.loads({entry.key: entry.value for entry in part.metadata_props}["i2i"]) for part in parts]
    assert [one.keys() for one in told] == [{"format", "weights"}] * 2, "the codes are told once to the commands"


def test_nothing_tells_where_an_export_was_made(exported: Path) -> None:
    for path in exported.glob("runs/*/onnx/*.onnx"):
        raw = path.read_bytes()
        assert b"jobs/export.py" not in raw and b"stack_trace" not in raw and str(exported).encode() not in raw, path


@pytest.mark.slow
def test_numbers_that_float16_holds_are_stored_in_it(run: Path, exported: Path, tmp_path: Path) -> None:
    pack(run / MODEL, tmp_path / "halves.safetensors")
    small = load(tmp_path / "halves.safetensors", "cpu")
    result = export_onnx(small, export_folder(small.path), exported / "shapes", whole=False)
    assert result.largest_level <= 1
    onnx = pytest.importorskip("onnx")
    for name in (ENCODER, DECODER):
        kinds = {
            folder: {kept.data_type for kept in onnx.load(folder / name).graph.initializer if len(kept.raw_data) > 2000}
            for folder in (export_folder(small.path), exported / "runs" / "shapes" / "onnx")
        }
        assert list(kinds.values()) == [{onnx.TensorProto.FLOAT16}, {onnx.TensorProto.FLOAT}]


def test_nothing_is_overwritten_and_other_files_are_refused(exported: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"encoder\.onnx exists already"):
        export_onnx(load(run, "cpu"), exported / "runs" / "shapes" / "onnx", exported / "shapes")
    weights = open_weights(run)
    with pytest.raises(WeightsError, match="there is no export of") as caught:
        open_export(weights)
    assert caught.value.exit_code == 2 and "i2i export -w" in caught.value.hint
    for name in (ENCODER, DECODER):
        (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(WeightsError, match="cannot read"):
        ExportedTranslator(tmp_path)


def test_an_export_of_other_weights_is_not_run(exported: Path, tmp_path: Path) -> None:
    """Training goes on, or a classifier is added: what was exported before is another model."""
    folder = shutil.copytree(exported / "runs" / "shapes", tmp_path / "shapes")
    (folder / MODEL).write_bytes((exported / "runs" / "factors" / MODEL).read_bytes())
    with pytest.raises(WeightsError, match="was exported from other weights"):
        open_export(open_weights(folder))
    notes: list[str] = []
    model = i2i_load(folder, "cpu", note=notes.append)
    assert isinstance(model, TorchTranslator) and "other weights" in notes[0]


def test_the_runtime_is_the_export_where_there_is_one(exported: Path, run: Path) -> None:
    assert isinstance(i2i_load(exported / "runs" / "shapes"), ExportedTranslator)
    assert isinstance(i2i_load(exported / "runs" / "shapes" / "onnx"), ExportedTranslator)
    assert isinstance(i2i_load(exported / "runs" / "shapes", runtime="torch"), TorchTranslator)
    assert isinstance(i2i_load(run), TorchTranslator), "there is none"
    with pytest.raises(ConfigError, match="which torch does not run"):
        i2i_load(exported / "runs" / "shapes" / "onnx", runtime="torch")
    with pytest.raises(ConfigError, match="no --runtime 'tflite'"):
        i2i_load(run, runtime="tflite")


def test_an_export_that_does_something_else_is_not_kept(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExportedTranslator, "pixels", lambda self, codes: np.zeros((8, 32, 32, 3), np.uint8))
    with pytest.raises(WeightsError, match="differs from torch by"):
        export_onnx(load(run, "cpu"), tmp_path / "onnx", exported / "shapes", whole=False)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_it_runs_where_it_is_told_to(exported: Path) -> None:
    assert opened(exported, "shapes", "cpu").domains == opened(exported, "shapes").domains == ("disc", "square")
    with pytest.raises(DeviceError, match="has no 'mps' here"):
        opened(exported, "shapes", "mps")


def test_the_built_in_images_serve_where_no_others_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    from i2i_cli.jobs import export
    from tests.conftest import draw_few_glyphs

    monkeypatch.setitem(export.SAMPLE_SETS, "styles", draw_few_glyphs)
    assert sorted(path.name for path in sample_images().iterdir()) == ["filled", "outline", "pixel", "serif"]
