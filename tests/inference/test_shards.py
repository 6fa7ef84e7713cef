from pathlib import Path

import numpy as np
import pytest

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.inputs import WHOLE, Shard, parse_shard
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.retrieval.gallery import merge, open_gallery
from i2i_cli.jobs.retrieval.indexing import index_folder


def test_shards_cover_everything_once() -> None:
    things = list(range(10))
    parts = [list(parse_shard(f"{number}/4").of(things)) for number in (1, 2, 3, 4)]
    assert sorted(thing for part in parts for thing in part) == things and parts[0] == [0, 4, 8]
    assert parse_shard(None) == WHOLE and WHOLE.of(things) == things


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/2/3", "-1/4", ""])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not of the form"):
        parse_shard(text)


def test_merged_shards_are_the_index_of_the_whole(run: Path, domains: Path, tmp_path: Path) -> None:
    model, found = load(run, "cpu"), []
    for number in range(3):
        index_folder(model, domains, tmp_path / f"{number}.safetensors", shard=Shard(number, 3))
        found.append(open_gallery(tmp_path / f"{number}.safetensors"))
    index_folder(model, domains, tmp_path / "whole.safetensors")
    whole, joined = open_gallery(tmp_path / "whole.safetensors"), merge(found)
    assert list(joined.paths) == list(whole.paths) and joined.facts == whole.facts
    assert np.abs(joined.content.astype(float) - whole.content).max() < 2e-3
    with pytest.raises(DataError, match="this shard has none"):
        index_folder(model, domains, tmp_path / "none.safetensors", shard=Shard(40, 41))
