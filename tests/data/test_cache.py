import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_cli.data.cache import cache_folder, fit_shorter_side, packed
from i2i_cli.data.domains import scan
from i2i_cli.errors import DataError


def items(root: Path):
    return scan(root).train


def test_the_second_time_nothing_is_decoded(domains: Path) -> None:
    calls: list[int] = []
    first = packed(items(domains), domains, 32, lambda done, total: calls.append(done))
    again = packed(items(domains), domains, 32, lambda done, total: calls.append(done))
    assert len(calls) == 1
    assert np.array_equal(first.pixels, again.pixels)
    assert isinstance(again.pixels, np.memmap)


@pytest.mark.parametrize("change", ["content", "time", "name"])
def test_any_change_is_noticed(domains: Path, change: str) -> None:
    packed(items(domains), domains, 32)
    path = items(domains)[0].path
    if change == "content":
        Image.new("RGB", (50, 50), "lime").save(path)
    elif change == "time":
        os.utime(path, ns=(1, 1))
    else:
        path.rename(path.with_name("zz.png"))
    calls: list[int] = []
    packed(items(domains), domains, 32, lambda done, total: calls.append(done))
    assert calls


def test_unreadable_images_are_named_and_rows_stay_aligned(domains: Path) -> None:
    listed = items(domains)
    listed[1].path.write_bytes(b"not an image")
    images = packed(listed, domains, 32)
    assert len(images) == len(listed) - 1
    assert str(listed[1].path) in images.bad[0]
    assert images.indices.tolist() == [i for i in range(len(listed)) if i != 1]
    wanted = np.asarray(fit_shorter_side(Image.open(listed[2].path), 32))
    left = (wanted.shape[1] - 32 + 1) // 2
    assert np.array_equal(images.crops(torch.tensor([1]))[0].numpy(), wanted[:32, left : left + 32])


def test_a_cache_that_cannot_be_written_leaves_the_pixels_in_memory(domains: Path, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file"))
    assert len(packed(items(domains), domains, 32)) == len(items(domains))


def test_a_damaged_cache_is_made_anew(domains: Path) -> None:
    before = packed(items(domains), domains, 32)
    wanted = before.pixels.copy()
    (path,) = (cache_folder() / "packed").iterdir()
    path.write_bytes(path.read_bytes()[: len(wanted) // 2])
    assert np.array_equal(packed(items(domains), domains, 32).pixels, wanted)


def test_without_a_readable_image_it_is_an_error(tmp_path: Path) -> None:
    for domain in "ab":
        (tmp_path / domain).mkdir()
        (tmp_path / domain / "x.png").write_text("text")
    with pytest.raises(DataError, match="not one image"):
        packed(items(tmp_path), tmp_path, 32)


@pytest.mark.parametrize(
    ("size", "wanted"), [((100, 50), (64, 32)), ((50, 300), (32, 64)), ((7, 7), (32, 32)), ((5000, 1), (64, 32))]
)
def test_the_shorter_side_fits_and_the_longer_is_cut(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert fit_shorter_side(Image.new("RGB", size), 32).size == wanted


def test_crops_lie_where_they_are_asked_to(tmp_path: Path) -> None:
    for domain in "ab":
        (tmp_path / domain).mkdir()
        ramp = np.repeat(np.arange(64, dtype=np.uint8)[None], 32, axis=0)
        Image.fromarray(ramp).convert("RGB").save(tmp_path / domain / "x.png")
    images = packed(items(tmp_path), tmp_path, 32)
    rows = torch.tensor([0, 0, 0])
    crops = images.crops(rows, torch.tensor([0.0, 0.5, 1.0]))
    assert crops[:, 0, 0, 0].tolist() == [0, 16, 32]
    assert torch.equal(images.crops(rows[:1])[0], crops[1])
