import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.errors import DataError


def test_rows_labels_and_items_stay_together(domains: Path) -> None:
    (domains / "disc" / "05.png").write_bytes(b"")
    dataset = decoded(scan(domains), 32)
    assert dataset.domains == ("disc", "square")
    assert len(dataset.items) == len(dataset.images) == len(dataset.labels) == 31
    for item, label in zip(dataset.items, dataset.labels.tolist(), strict=True):
        assert item.path.parent.name == dataset.domains[label]
    assert sorted(torch.cat([dataset.train, dataset.test]).tolist()) == list(range(31))


def test_rows_are_spread_and_limited(domains: Path) -> None:
    dataset = decoded(scan(domains), 32)
    rows = dataset.rows(dataset.train, 1, 5)
    assert len(rows) == 5 and (dataset.labels[rows] == 1).all()
    assert rows[-1] - rows[0] > 5


def test_pairs_share_their_key(domains: Path) -> None:
    dataset = decoded(scan(domains), 32)
    first, second = dataset.pairs(dataset.train, 0, 1)
    assert len(first) > 10
    assert all(
        dataset.items[a].key == dataset.items[b].key for a, b in zip(first.tolist(), second.tolist(), strict=True)
    )
    assert (dataset.labels[first] == 0).all() and (dataset.labels[second] == 1).all()


def test_a_domain_without_a_readable_image_is_an_error(domains: Path) -> None:
    for path in (domains / "disc").iterdir():
        path.write_bytes(b"junk")
    with pytest.raises(DataError, match="'disc'"):
        decoded(scan(domains), 32)


def test_the_fingerprint_knows_the_pixels_that_are_trained_on(domains: Path, tmp_path: Path) -> None:
    before = decoded(scan(domains), 32)
    moved = tmp_path / "moved"
    shutil.copytree(domains, moved)
    assert decoded(scan(moved), 32).fingerprint() == before.fingerprint(), "another folder, the same images"
    for path in (domains / "disc").iterdir():
        Image.new("RGB", (40, 36), "lime").save(path)
    after = decoded(scan(domains), 32).fingerprint()
    assert after["sha256"] == before.fingerprint()["sha256"] and after["pixels"] != before.fingerprint()["pixels"]


def test_a_sample_is_of_training_images_and_spread_over_them(domains: Path) -> None:
    dataset = decoded(scan(domains), 32)
    all_of_them = [dataset.images.digests[row] for row in dataset.train.tolist()]
    assert dataset.sample(999) == all_of_them
    some = dataset.sample(6)
    assert len(some) == 6 and some[0] == all_of_them[0] and all_of_them.index(some[-1]) > len(all_of_them) / 2
