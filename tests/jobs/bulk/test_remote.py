from pathlib import Path

import pytest

pytest.importorskip("fsspec")

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.jobs.bulk.remote import exists, fetch, find_sources, local_place, put, url_of


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("s3://bucket/a b.png", "s3://bucket/a b.png"),
        ("file:///tmp/x.png", "file:///tmp/x.png"),
        ("photos/x.png", None),
        ("/tmp/x.png", None),
        ("C:/photos/x.png", None),
        ("c:/photos/x.png", None),
    ],
)
def test_an_address_survives_being_a_path(written: str, wanted: str | None) -> None:
    assert url_of(Path(written)) == wanted


def test_files_come_and_go(tmp_path: Path) -> None:
    far = Path(f"file:/{tmp_path}/store/anime/x.png")
    assert not exists(far)
    with pytest.raises(DataError, match="no such file"):
        fetch(far, tmp_path / "here")
    (tmp_path / "x.png").write_bytes(b"image")
    put(tmp_path / "x.png", far)
    assert exists(far) and (tmp_path / "store" / "anime" / "x.png").read_bytes() == b"image"
    place = fetch(far, tmp_path / "here")
    assert place == local_place(far, tmp_path / "here") and place.read_bytes() == b"image"
    assert place.parent.name == "anime", "a folder's name may tell the domain"
    assert fetch(tmp_path / "x.png", tmp_path / "here") == tmp_path / "x.png"


def test_folders_are_searched(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/b/2.JPG", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    address = Path(f"file:/{tmp_path}/a")
    found = find_sources([address, tmp_path / "a" / "1.png"], True)
    assert [source.path for source in found] == [address / "1.png", address / "b" / "2.JPG", tmp_path / "a" / "1.png"]
    assert found[1].below == address
    with pytest.raises(ConfigError, match="is a folder"):
        find_sources([address], False)
    with pytest.raises(ConfigError, match="cannot reach"):
        find_sources([Path("nosuch:/x")], True)
