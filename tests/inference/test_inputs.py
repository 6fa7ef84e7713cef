import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.inputs import (
    BATCH,
    STREAM,
    Failure,
    Loaded,
    Source,
    find_sources,
    listed_paths,
    load_batches,
    load_source,
    parse_crop,
)


def test_sources_are_files_folders_and_stdin(tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.png").touch()
    assert find_sources([STREAM, tmp_path / "in"], recursive=True) == [
        Source(path=STREAM),
        Source(path=tmp_path / "in" / "sub" / "a.png", below=tmp_path / "in"),
    ]
    with pytest.raises(ConfigError, match="is a folder"):
        find_sources([tmp_path / "in"], recursive=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        find_sources([tmp_path / "empty"], recursive=True)


def test_lists_of_paths_hold_any_name(tmp_path: Path) -> None:
    assert listed_paths(b"a.png\nb c.png\n\n") == [Path("a.png"), Path("b c.png")]
    odd = [b"new\nline.png", b"-dash.png", b"\xff\xfe.png"]
    assert [os.fsencode(path) for path in listed_paths(b"\0".join(odd) + b"\0", b"\0")] == odd


@pytest.mark.parametrize(
    "data",
    [
        b"a b.png\r\nc.png\r\n",
        b"\xef\xbb\xbfa b.png\nc.png",
        "a b.png\r\nc.png\r\n".encode("utf-16"),
        b"\xfe\xff" + "a b.png\nc.png\n".encode("utf-16-be"),
        b"a b.png\n\nc.png\r",
    ],
    ids=["CRLF", "BOM", "UTF-16", "UTF-16, big-endian", "blank lines"],
)
def test_lists_may_come_from_windows(data: bytes) -> None:
    assert listed_paths(data) == [Path("a b.png"), Path("c.png")]


def test_other_names_than_latin_survive_every_encoding() -> None:
    for data in ("Bücher/日本.png\n".encode(), "Bücher/日本.png\r\n".encode("utf-16")):
        assert listed_paths(data) == [Path("Bücher/日本.png")]


def test_a_list_that_is_none_says_what_it_may_be() -> None:
    with pytest.raises(DataError, match="holds NUL bytes") as caught:
        listed_paths("a.png\n".encode("utf-16-le"))
    assert "-0" in caught.value.hint and "UTF-16" in caught.value.hint
    assert listed_paths(b"line\r\nbreak.png\0", b"\0") == [Path("line\r\nbreak.png")], "NUL-ended names are as they are"


def test_what_is_passed_over_in_folders_is_told(tmp_path: Path) -> None:
    for name in ("a.png", "b.heic", "c.jp2", "d.jfif"):
        (tmp_path / name).touch()
    told: list[str] = []
    found = find_sources([tmp_path], recursive=True, note=told.append)
    assert [source.path.name for source in found] == ["a.png", "d.jfif"]
    assert told == [f"{tmp_path}: skipped: 2 files with other endings (.heic, .jp2)"]
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "x.heic").touch()
    with pytest.raises(DataError, match="no images") as caught:
        find_sources([tmp_path / "none"], recursive=True)
    assert ".heic" in caught.value.hint


def test_batches_keep_the_order_and_hold_each_failure_in_its_place(tmp_path: Path) -> None:
    sources = []
    for number in range(BATCH + 3):
        path = tmp_path / f"{number}.png"
        if number % 5:
            Image.new("RGB", (20, 10), (number, 0, 0)).save(path)
        else:
            path.write_text("no image")
        sources.append(Source(path=path))
    batches = list(load_batches(sources, 16))
    assert [len(batch) for batch in batches] == [BATCH, 3]
    for number, item in enumerate(item for batch in batches for item in batch):
        assert item.source == sources[number]
        assert isinstance(item, Loaded if number % 5 else Failure)
        if isinstance(item, Loaded):
            assert item.square.shape == (16, 16, 3) and np.all(item.square[..., 0] == number)


def test_names_that_cannot_be_asked_for_are_failures(tmp_path: Path) -> None:
    (batch,) = load_batches([Source(path=tmp_path / ("x" * 300)), Source(path=Path("a\0b.png"))], 16)
    assert all(isinstance(item, Failure) for item in batch)


def test_stdin_is_read_through_what_is_given() -> None:
    (batch,) = load_batches([Source(path=STREAM)], 16, lambda: b"junk")
    assert isinstance(batch[0], Failure) and "stdin" in batch[0].error.message


@pytest.mark.parametrize(
    "text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "0,0,5,0", "1.5,0,5,5", "²,0,5,5", ""]
)
def test_what_is_no_crop_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form"):
        parse_crop(text)


def test_a_crop_counts_in_pixels_of_the_upright_file(tmp_path: Path) -> None:
    """A phone's photo: stored on its side, large, and decoded at a fraction of its size where there is no crop."""
    pixels = np.zeros((1200, 1600, 3), np.uint8)
    pixels[:, :200] = 255  # the left of what is stored is the top of what is meant
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "phone.jpg", exif=exif)
    crop = parse_crop("0, 0, 400, 200")
    (source,) = find_sources([tmp_path / "phone.jpg"], recursive=False, crop=crop)
    loaded = load_source(source, 32)
    assert isinstance(loaded, Loaded) and loaded.frame.size == (400, 200)
    assert loaded.square[loaded.frame.box[1] : loaded.frame.box[3]].min() > 240
    beyond = load_source(Source(path=tmp_path / "phone.jpg", crop=parse_crop("0,0,1600,1200")), 32)
    assert isinstance(beyond, Failure) and "is 1200x1600" in beyond.error.message
