import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_cli.data.cache import cache_folder, usable_cache
from i2i_cli.data.domains import scan
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.data.packed import packed
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
    wanted, _ = fit(read_image(listed[2].path), 32)
    assert np.array_equal(images.squares(torch.tensor([1]))[0].numpy(), wanted)


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
    with pytest.raises(DataError, match="no image could"):
        packed(items(tmp_path), tmp_path, 32)


@pytest.mark.parametrize("size", [(100, 50), (50, 300), (7, 7), (5000, 1)])
def test_what_is_trained_on_is_what_the_commands_see(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    for domain in "ab":
        (tmp_path / domain).mkdir()
        Image.fromarray(ramp).convert("RGB").save(tmp_path / domain / "x.png")
    images = packed(items(tmp_path), tmp_path, 32)
    square, _ = fit(read_image(tmp_path / "a" / "x.png"), 32)
    assert np.array_equal(images.squares(torch.tensor([0, 1, 0])).numpy(), np.stack([square] * 3))


def test_a_digest_tells_pixels_apart_and_outlives_the_cache(domains: Path) -> None:
    first = packed(items(domains), domains, 32)
    assert packed(items(domains), domains, 32).digests == first.digests
    os.utime(items(domains)[0].path, ns=(1, 1))
    assert packed(items(domains), domains, 32).digests == first.digests, "another time, the same pixels"
    Image.new("RGB", (50, 50), "lime").save(items(domains)[0].path)
    changed = packed(items(domains), domains, 32).digests
    assert [a != b for a, b in zip(first.digests, changed, strict=True)] == [True] + [False] * (len(changed) - 1)


def test_without_a_home_what_is_kept_goes_with_the_process(domains: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "import i2i_cli.data.cache as cache\n"
        "def homeless(name): raise RuntimeError('Could not determine home directory.')\n"
        "cache.user_cache_path = homeless; told = []\n"
        "folder = cache.usable_cache(told.append); (folder / 'x').write_text('')\n"
        "assert cache.cache_folder() == folder and len(told) == 1 and 'I2I_CACHE' in told[0], told\n"
        "print(folder)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "I2I_CACHE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_absolute() and not Path(done.stdout.strip()).exists()


def test_a_cache_that_cannot_be_used_is_told_once_and_done_without(monkeypatch, tmp_path: Path) -> None:
    told: list[str] = []
    assert usable_cache(told.append) == cache_folder() and not told
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file" / "below"))
    folder = usable_cache(told.append)
    assert folder != cache_folder() and folder.is_dir()
    assert len(told) == 1 and "file/below cannot be written" in told[0] and "I2I_CACHE" in told[0]
