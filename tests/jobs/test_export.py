import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.errors import ConfigError, DataError, DeviceError, WeightsError
from i2i_cli.inference.exported import DECODER, ENCODER, TRANSLATION, load_exported
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.export import export_onnx, sample_images
from tests.conftest import draw_domains, draw_factor_domains

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # an import of it fails from here on
from i2i_cli.cli import main
main()
"""


@pytest.fixture(scope="module")
def exported(run: Path, dual_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`onnx/shapes` and `onnx/factors`, of the tiny runs, and the images they were compared on; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    for path, draw in ((run, draw_domains), (dual_run, draw_factor_domains)):
        images = draw(folder / path.name, 4)
        (images / "film.heic").touch()
        notes: list[str] = []
        result = export_onnx(load(path, "cpu"), folder / "onnx" / path.name, images, note=notes.append)
        assert len(notes) == 1 and "skipped: 1 file with other endings (.heic)" in notes[0]
        assert result.num_images in (8, 16) and [file.name for file in result.files] == [ENCODER, DECODER, TRANSLATION]
        assert result.largest_level <= 1 and result.largest_code < 1e-3 and result.differing < 0.01
    return folder


def i2i(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def test_it_translates_without_torch(exported: Path, run: Path, tmp_path: Path) -> None:
    image = exported / "shapes" / "disc" / "01.png"
    done = i2i(
        exported,
        "translate",
        str(image),
        "--to=square",
        "-o",
        str(tmp_path / "a.png"),
        "--weights=shapes",
        "--runtime=onnx",
    )
    assert done.returncode == 0 and "ONNX (srae, 32 px, disc, square, step 6)" in done.stderr, done.stderr
    wanted = np.asarray(load(run, "cpu").translate(image, to="square")).astype(int)
    assert wanted.shape == pixels(tmp_path / "a.png").shape
    assert np.abs(wanted - pixels(tmp_path / "a.png")).max() <= 1


def test_any_number_of_images_and_targets(exported: Path, tmp_path: Path) -> None:
    options = ("--to=square", "--samples=2", "-o", str(tmp_path / "out"), "--weights=onnx/shapes", "--runtime=onnx")
    done = i2i(exported, "translate", "-r", "shapes/disc", *options)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 8, done.stderr
    done = i2i(
        exported, "translate", "shapes/disc/00.png", "--like=shapes/square/01.png", "-o", str(tmp_path / "like.png"),
        "--strength=0.5", "--weights=shapes", "--runtime=onnx",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_model_that_needs_an_images_domain_is_told_it_or_finds_it(
    exported: Path, dual_run: Path, tmp_path: Path
) -> None:
    here, there = load_exported(str(exported / "onnx" / "factors")), load(dual_run, "cpu")
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
    here, there = load_exported(str(exported / "onnx" / "factors")), load(dual_run, "cpu")
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
    model = onnx.load(exported / "onnx" / "shapes" / TRANSLATION)
    facts = json.loads({entry.key: entry.value for entry in model.metadata_props}["i2i"])
    assert facts["header"]["domains"] == ["disc", "square"] and facts["routes"]["disc"] == ["disc", "square"]
    found = load_exported(str(exported / "onnx" / "shapes")).kept_codes("square")
    assert np.allclose(found, load(run, "cpu").kept_codes("square").numpy())
    assert [entry.name for entry in model.graph.input] == ["images", "code", "strength"]


def test_nothing_is_overwritten_and_other_files_are_refused(exported: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"encoder\.onnx exists already"):
        export_onnx(load(run, "cpu"), exported / "onnx" / "shapes", exported / "shapes")
    with pytest.raises(WeightsError, match="there is no export of other") as caught:
        load_exported("other")
    assert caught.value.exit_code == 2 and "i2i export -w other --to onnx" in caught.value.hint
    (tmp_path / ENCODER).write_bytes(b"no model")
    (tmp_path / DECODER).write_bytes(b"no model")
    with pytest.raises(WeightsError, match="cannot read"):
        load_exported(str(tmp_path))


def test_an_export_that_does_something_else_is_not_kept(
    run: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from i2i_cli.inference.exported import ExportedTranslator

    monkeypatch.setattr(ExportedTranslator, "pixels", lambda self, codes: np.zeros((8, 32, 32, 3), np.uint8))
    with pytest.raises(WeightsError, match="differs from torch by"):
        export_onnx(load(run, "cpu"), tmp_path / "onnx", exported / "shapes")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_it_runs_where_it_is_told_to(exported: Path) -> None:
    where = str(exported / "onnx" / "shapes")
    assert load_exported(where, "cpu").domains == load_exported(where).domains == ("disc", "square")
    with pytest.raises(DeviceError, match="has no 'mps' here"):
        load_exported(where, "mps")


def test_the_built_in_images_serve_where_no_others_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    from i2i_cli.jobs import export
    from tests.conftest import draw_few_glyphs

    monkeypatch.setitem(export.SAMPLE_SETS, "styles", draw_few_glyphs)
    assert sorted(path.name for path in sample_images().iterdir()) == ["filled", "outline", "pixel", "serif"]
