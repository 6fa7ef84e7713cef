import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.jobs.retrieval import indexing
from i2i_cli.jobs.retrieval.gallery import open_gallery
from i2i_cli.jobs.retrieval.indexing import gallery_of, index_folder, listed


@pytest.fixture(scope="module")
def translator(run: Path) -> TorchTranslator:
    return load(run, device="cpu")


def codes_by_path(path: Path) -> dict[str, bytes]:
    gallery = open_gallery(path)
    return {
        name: gallery.content[row].tobytes() + gallery.domain[row].tobytes() for row, name in enumerate(gallery.paths)
    }


def alike(codes: bytes, others: bytes) -> bool:
    """Whether two codes are equal but for rounding, which depends on the batch's size on some processors."""
    one, other = (np.frombuffer(raw, np.float16).astype(np.float32) for raw in (codes, others))
    return np.allclose(one, other, atol=5e-3)


def test_labels_are_the_first_folder_below_the_split(tmp_path: Path) -> None:
    for name in ("train/cat/a.png", "test/dog/deep/b.png", "c.png", "other/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {entry.path: entry.label for entry in listed(tmp_path)}
    assert found == {"train/cat/a.png": "cat", "test/dog/deep/b.png": "dog", "c.png": None, "other/d.png": "other"}
    with pytest.raises(DataError, match="no such folder"):
        listed(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        listed(tmp_path / "empty")


def test_only_what_has_changed_is_encoded(tmp_path: Path, domains: Path, translator: TorchTranslator) -> None:
    out = tmp_path / "g.safetensors"
    first = index_folder(translator, domains, out)
    before = codes_by_path(out)
    assert (first.encoded, first.kept, first.removed, first.finished) == (32, 0, 0, True)
    (domains / "disc" / "00.png").unlink()
    shutil.copy(domains / "square" / "03.png", domains / "square" / "02.png")
    shutil.copy(domains / "square" / "04.png", domains / "square" / "new.png")
    second = index_folder(translator, domains, out)
    after = codes_by_path(out)
    assert (second.encoded, second.kept, second.removed) == (2, 30, 1)
    assert alike(after["square/02.png"], before["square/03.png"]) and alike(
        after["square/new.png"], before["square/04.png"]
    )
    assert {name: after[name] for name in after if name in before and name != "square/02.png"} == {
        name: code for name, code in before.items() if name not in ("disc/00.png", "square/02.png")
    }


def test_an_unreadable_image_has_no_row_and_moves_no_other(
    tmp_path: Path, domains: Path, translator: TorchTranslator
) -> None:
    index_folder(translator, domains, tmp_path / "whole.safetensors")
    (domains / "disc" / "05.png").write_text("no image")
    os.mkfifo(domains / "disc" / "06a.png")
    result = index_folder(translator, domains, tmp_path / "g.safetensors")
    assert sorted(failure.source.path.name for failure in result.failures) == ["05.png", "06a.png"]
    whole, found = codes_by_path(tmp_path / "whole.safetensors"), codes_by_path(tmp_path / "g.safetensors")
    assert found.keys() == whole.keys() - {"disc/05.png"}
    assert all(alike(codes, whole[name]) for name, codes in found.items())


def test_a_stopped_index_goes_on(tmp_path: Path, domains: Path, translator: TorchTranslator, monkeypatch) -> None:
    monkeypatch.setattr("i2i_cli.inference.inputs.BATCH", 8)
    out = tmp_path / "g.safetensors"
    stopped = index_folder(translator, domains, out, should_stop=lambda: True)
    assert not stopped.finished and stopped.encoded == 8
    rest = index_folder(translator, domains, out)
    assert (rest.finished, rest.encoded, rest.kept) == (True, 24, 8)
    index_folder(translator, domains, tmp_path / "g.csv", should_stop=lambda: True)
    assert not (tmp_path / "g.csv").exists(), "half a table is no table"
    index_folder(translator, domains, tmp_path / "whole.safetensors")
    assert out.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_a_killed_index_has_kept_what_was_saved(
    tmp_path: Path, domains: Path, translator: TorchTranslator, monkeypatch
) -> None:
    monkeypatch.setattr("i2i_cli.inference.inputs.BATCH", 8)
    monkeypatch.setattr(indexing, "SAVE_SECONDS", 0.0)

    def die(done: int, total: int) -> None:
        if done == 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(translator, domains, tmp_path / "g.safetensors", report=die)
    assert len(open_gallery(tmp_path / "g.safetensors")) == 16


def test_what_is_there_is_not_overwritten_unasked(
    tmp_path: Path, domains: Path, run: Path, translator: TorchTranslator
) -> None:
    other = tmp_path / "mine.safetensors"
    shutil.copy(run / "model.safetensors", other)
    with pytest.raises(WeightsError, match="but not a gallery"):
        index_folder(translator, domains, other)
    index_folder(translator, domains, tmp_path / "g.npz")
    with pytest.raises(DataError, match="exists already"):
        index_folder(translator, domains, tmp_path / "g.npz")
    index_folder(translator, domains, tmp_path / "g.safetensors")
    with pytest.raises(WeightsError, match="is a gallery of"):
        index_folder(translator, domains / "disc", tmp_path / "g.safetensors")
    assert index_folder(translator, domains / "disc", tmp_path / "g.safetensors", overwrite=True).encoded == 16


def test_other_weights_make_another_gallery(
    tmp_path: Path, domains: Path, run: Path, translator: TorchTranslator
) -> None:
    out = tmp_path / "g.safetensors"
    index_folder(translator, domains, out)
    changed = load(run, device="cpu")
    next(changed.model.parameters()).add_(0.1)
    assert changed.fingerprint != translator.fingerprint
    with pytest.raises(WeightsError, match="other weights"):
        index_folder(changed, domains, out)
    with pytest.raises(WeightsError, match="other weights"):
        gallery_of(changed, out)


def test_a_folder_in_place_of_a_gallery_is_kept_in_the_cache(domains: Path, translator: TorchTranslator) -> None:
    seen: list[int] = []
    for _ in range(2):
        gallery, failures = gallery_of(translator, domains, lambda done, total: seen.append(done))
        assert len(gallery) == 32 and not failures
    assert seen == [32], "the second time there was nothing to encode"


def test_half_precision_codes_are_those_of_the_model(domains: Path, translator: TorchTranslator) -> None:
    gallery, _ = gallery_of(translator, domains)
    from i2i_cli.data.geometry import fit
    from i2i_cli.data.images import read_image

    codes = translator.encode([fit(read_image(gallery.path(5)), 32)[0]])
    assert np.allclose(gallery.content[5], codes.content.flatten().numpy(), atol=5e-3)
    assert np.allclose(gallery.domain[5], codes.domain.flatten().numpy(), atol=5e-3)


def test_a_place_that_cannot_be_written_is_found_out_before_any_work(tmp_path: Path, domains: Path, translator) -> None:
    (tmp_path / "file").touch()
    seen: list[int] = []
    with pytest.raises(DataError, match="cannot write"):
        index_folder(
            translator, domains, tmp_path / "file" / "g.safetensors", report=lambda done, total: seen.append(done)
        )
    assert not seen


def test_codes_that_need_a_source_take_the_folder_s_or_what_is_told(
    dual_run: Path, factors: Path, tmp_path: Path
) -> None:
    dual = load(dual_run, device="cpu")
    by_folder, _ = gallery_of(dual, factors)
    shutil.copytree(factors / "red_square", tmp_path / "plain")
    index_folder(dual, tmp_path / "plain", tmp_path / "told.safetensors", own="red_square")
    index_folder(dual, tmp_path / "plain", tmp_path / "other.safetensors", own="red_disc")
    told, other = (open_gallery(tmp_path / f"{name}.safetensors") for name in ("told", "other"))
    wanted = by_folder.content[[by_folder.label(row) == "red_square" for row in range(len(by_folder))]]
    assert np.allclose(told.content, wanted, atol=5e-3) and np.array_equal(told.content, told.domain)
    assert not np.allclose(other.content, wanted, atol=5e-3)
    with pytest.raises(ConfigError, match="no domain 'red_sqare'"):
        index_folder(dual, tmp_path / "plain", tmp_path / "x.safetensors", own="red_sqare")
