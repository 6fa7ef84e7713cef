import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i_cli.data.geometry import Crop
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.inputs import (
    BATCH,
    STREAM,
    Failure,
    Loaded,
    Part,
    Source,
    every_face,
    find_sources,
    listed_paths,
    load_batches,
    load_source,
    parse_part,
)

PORTRAIT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


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
        parse_part(text)


def test_a_crop_counts_in_pixels_of_the_upright_file(tmp_path: Path) -> None:
    """A phone's photo: stored on its side, large, and decoded at a fraction of its size where there is no crop."""
    pixels = np.zeros((1200, 1600, 3), np.uint8)
    pixels[:, :200] = 255  # the left of what is stored is the top of what is meant
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "phone.jpg", exif=exif)
    (source,) = find_sources([tmp_path / "phone.jpg"], recursive=False, part=parse_part("0, 0, 400, 200"))
    loaded = load_source(source, 32)
    assert isinstance(loaded, Loaded) and loaded.frame.size == (400, 200)
    assert loaded.square[loaded.frame.box[1] : loaded.frame.box[3]].min() > 240
    beyond = load_source(Source(path=tmp_path / "phone.jpg", crop=parse_part("0,0,1600,1200").crop), 32)
    assert isinstance(beyond, Failure) and "is 1200x1600" in beyond.error.message


def test_what_part_is_meant() -> None:
    """A model of faces looks for one; any other takes the whole, unless it is told."""
    assert parse_part(None, "face") == parse_part("auto") == Part(face=True)
    assert parse_part("all") == Part(face=True, every=True)
    assert parse_part(None) == parse_part("none", "face") == Part()
    assert parse_part("1,2,3,4", "face") == Part(crop=Crop(1, 2, 3, 4))


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """The portrait twice in one picture, the second half as large."""
    with Image.open(PORTRAIT) as portrait:
        portrait.load()
    whole = Image.new("RGB", (2 * portrait.width, portrait.height), (90, 140, 90))
    whole.paste(portrait, (0, 0))
    whole.paste(portrait.resize((portrait.width // 2, portrait.height // 2)), (portrait.width + 20, 120))
    whole.save(tmp_path / "party.png")
    return tmp_path / "party.png"


def test_the_largest_face_is_taken_where_one_is_looked_for(party: Path, tmp_path: Path) -> None:
    loaded = load_source(Source(path=party, face=True), 64)
    assert isinstance(loaded, Loaded) and loaded.crop is not None and not loaded.faceless
    assert loaded.crop.width == loaded.crop.height == loaded.frame.size[0]
    assert 120 < loaded.crop.left < 180 and 130 < loaded.crop.width < 180, "the larger of the two"
    whole = load_source(Source(path=party), 64)
    assert isinstance(whole, Loaded) and whole.crop is None and whole.frame.size == (1024, 512)
    with Image.open(party) as image:
        image.crop((146, 30, 300, 184)).save(tmp_path / "framed.png")
        image.resize((60, 30)).save(tmp_path / "small.png")
    for name in ("framed.png", "small.png"):
        again = load_source(Source(path=tmp_path / name, face=True), 64)
        assert isinstance(again, Loaded) and again.crop is None and not again.faceless, "nothing is left to be cut"
    Image.new("RGB", (300, 200), (200, 30, 30)).save(tmp_path / "red.png")
    none = load_source(Source(path=tmp_path / "red.png", face=True), 64)
    assert isinstance(none, Loaded) and none.faceless and none.frame.size == (300, 200)


def test_a_face_in_a_large_photo_is_cut_from_all_of_its_pixels(tmp_path: Path) -> None:
    with Image.open(PORTRAIT) as portrait:
        large = Image.new("RGB", (6000, 4000), (90, 140, 90))
        large.paste(portrait, (3000, 2000))
    large.save(tmp_path / "large.jpg", quality=95)
    found = load_source(Source(path=tmp_path / "large.jpg", face=True), 64)
    assert isinstance(found, Loaded) and found.crop is not None
    told = load_source(Source(path=tmp_path / "large.jpg", crop=found.crop), 64)
    assert isinstance(told, Loaded)
    assert np.abs(found.square.astype(int) - told.square).mean() < 1, "not from a reduced image"


def test_every_face_is_a_source_of_its_own(party: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.png").write_bytes(b"junk")
    found = every_face([Source(path=party, face=True), Source(path=tmp_path / "junk.png", face=True)])
    assert [(source.path.name, source.number) for source in found] == [
        ("party.png", 1),
        ("party.png", 2),
        ("junk.png", 0),
    ]
    assert found[0].crop is not None and found[1].crop is not None and found[0].crop.width > 1.7 * found[1].crop.width
