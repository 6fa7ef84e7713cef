import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from i2i_cli.checkpoints.header import read_metadata
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.retrieval.gallery import KEY, UNKNOWN, Gallery, GalleryFacts, merge, open_gallery, save_gallery

ODD = os.fsdecode(b"b/new\nline \xff,.png")


def gallery(root: str = "/photos", names: tuple[str, ...] = ("a/1.png", ODD, "2.png")) -> Gallery:
    count = len(names)
    facts = GalleryFacts(model="m", root=root, labels=("a", "b"), content_shape=(2, 1, 1))
    codes = np.arange(count * 2, dtype=np.float16).reshape(count, 2)
    labels = [("a", "b").index(name[0]) if name[0] in "ab" else UNKNOWN for name in names]
    numbers = np.arange(count, dtype=np.int64)
    return Gallery(
        facts=facts, paths=list(names), labels=np.array(labels, np.int32), splits=np.zeros(count, np.int8),
        sizes=numbers, times=numbers,
        content=codes, domain=codes[:, :1], descriptor=codes[:, :0],
    )  # fmt: skip


def test_what_is_written_is_read_back_from_the_disk(tmp_path: Path) -> None:
    save_gallery(tmp_path / "g.safetensors", gallery())
    found = open_gallery(tmp_path / "g.safetensors")
    assert found.facts == gallery().facts and list(found.paths) == list(gallery().paths)
    assert isinstance(found.content, np.memmap) and np.array_equal(found.content, gallery().content)
    assert np.array_equal(found.domain, gallery().domain)
    assert [found.label(row) for row in range(3)] == ["a", "b", None]
    assert found.path(0) == Path("/photos/a/1.png") and found.rows_by_path[ODD] == 1


def test_a_gallery_of_before_has_no_descriptors(tmp_path: Path) -> None:
    save_gallery(tmp_path / "g.safetensors", gallery())
    tensors = load_file(tmp_path / "g.safetensors")
    del tensors["descriptor"]
    save_file(tensors, tmp_path / "g.safetensors", read_metadata(tmp_path / "g.safetensors"))
    assert open_gallery(tmp_path / "g.safetensors").code_sizes == (2, 1, 0)


def test_identical_galleries_are_identical_files(tmp_path: Path) -> None:
    for name in ("x.safetensors", "y.safetensors"):
        save_gallery(tmp_path / name, gallery())
    assert (tmp_path / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_other_tools_read_the_exports_without_pickle(tmp_path: Path) -> None:
    save_gallery(tmp_path / "g.npz", gallery())
    with np.load(tmp_path / "g.npz", allow_pickle=False) as arrays:
        assert arrays["paths"][0] == "a/1.png" and list(arrays["label_names"]) == ["a", "b"]
        assert np.array_equal(arrays["content"], gallery().content)
    save_gallery(tmp_path / "g.csv", gallery())
    with (tmp_path / "g.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["a", "b", ""]
    assert rows[1]["path"] == "b/new\nline \\xff,.png" and float(rows[2]["content_1"]) == 5
    with pytest.raises(ConfigError, match=r"'\.txt'"):
        save_gallery(tmp_path / "g.txt", gallery())


def broken(tmp_path: Path, **changes: np.ndarray) -> Path:
    """A gallery whose tensors do not agree."""
    from i2i_cli.jobs.retrieval import gallery as module

    tensors = module._tensors(gallery()) | changes
    path = tmp_path / "broken.safetensors"
    whole = tmp_path / "whole.safetensors"
    save_gallery(whole, gallery())
    save_file(tensors, path, module.read_metadata(whole))
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 1, 7], np.int32)},
        {"labels": np.array([0], np.int32)},
        {"path_ends": np.array([3, 2, 9], np.int64)},
        {"path_ends": np.array([3, 6, 10**9], np.int64)},
        {"content": np.zeros((3, 5), np.float16)},
        {"content": np.zeros((3, 2), np.float32)},
        {"domain": np.zeros((2, 1), np.float16)},
    ],
    ids=["label", "fewer labels", "ends go back", "ends too far", "other shape", "other type", "fewer codes"],
)
def test_a_damaged_gallery_is_refused(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    with pytest.raises(WeightsError, match="damaged"):
        open_gallery(broken(tmp_path, **changes))


def test_other_files_are_told_for_what_they_are(tmp_path: Path, run: Path) -> None:
    with pytest.raises(WeightsError, match="but not a gallery"):
        open_gallery(run / "model.safetensors")
    (tmp_path / "page.safetensors").write_text("<html></html>")
    with pytest.raises(WeightsError, match="HTML or XML page, not a gallery"):
        open_gallery(tmp_path / "page.safetensors")


@pytest.mark.parametrize(
    "changed",
    [
        {"content_shape": [float("inf"), 1, 1]},
        {"content_shape": [-2, 1, 1]},
        {"root": "photos"},
        {"labels": [1, 2]},
        {"labels": "ab"},
        {"model": None},
    ],
)
def test_a_header_that_no_index_writes_is_refused(tmp_path: Path, changed: dict) -> None:
    path = tmp_path / "g.safetensors"
    save_gallery(path, gallery())
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        facts = json.loads(file.metadata()[KEY]) | changed
    save_file(tensors, path, {KEY: json.dumps(facts)})
    with pytest.raises(WeightsError, match="damaged"):
        open_gallery(path)


def test_a_merge_holds_every_image_once() -> None:
    first = gallery("/photos/x", ("a/1.png", "a/2.png"))
    second = replace(gallery("/photos", ("x/a/2.png", "b/3.png")), content=np.full((2, 2), 9, np.float16))
    joined = merge([first, second])
    assert joined.facts.root == "/photos"
    assert list(joined.paths) == ["b/3.png", "x/a/1.png", "x/a/2.png"]
    assert joined.content[2].tolist() == [9, 9], "the later gallery's row counts"
    assert [joined.label(row) for row in range(3)] == ["b", "a", None]
    with pytest.raises(WeightsError, match="different weights"):
        merge([first, replace(second, facts=replace(second.facts, model="other"))])
    with pytest.raises(ConfigError, match="two"):
        merge([first])
