import os
import shutil
import time
from pathlib import Path

import pytest

from i2i_cli.errors import DataError
from i2i_cli.web.workspace import MAX_NAME, Workspace, stored


def test_nothing_stays_when_it_ends() -> None:
    with Workspace() as workspace:
        root = workspace.root
        stored(workspace.folder(), "a.png", b"1")
        with workspace.scratch() as folder:
            stored(folder, "b.png", b"2")
        assert not folder.exists() and root.is_dir()
    assert not root.exists()


def test_old_files_go_and_new_ones_stay(workspace: Workspace) -> None:
    old, new = workspace.folder(), workspace.folder()
    stored(old, "a.png", b"1")
    os.utime(old, (time.time() - 100,) * 2)
    workspace.sweep(older_than=50)
    assert not old.exists() and new.exists()


def test_it_comes_back_where_the_system_tidied_it_away(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root)
    with workspace.scratch() as folder:
        assert folder.is_dir() and folder.parent == workspace.root


def test_only_files_inside_are_held(workspace: Workspace, tmp_path: Path) -> None:
    link = workspace.root / "link"
    link.symlink_to(tmp_path)
    assert workspace.holds(workspace.root / "x" / "a.png")
    for path in ("/etc/passwd", f"{workspace.root}/../x", f"{link}/x", "relative.png", "http://example.org/a", "a\0b"):
        assert not workspace.holds(path), path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("a:b?.png", "a_b_.png"),
        ("", "image"),
        (None, "image"),
    ],
)
def test_an_upload_gets_a_safe_name(workspace: Workspace, name: str | None, expected: str) -> None:
    path = stored(workspace.root, name, b"data")
    assert path == workspace.root / expected and path.read_bytes() == b"data"


@pytest.mark.parametrize("name", ["x" * 5000 + ".png", "ä画😀" * 100 + ".png", "😀" * 99])
def test_a_long_name_keeps_its_end_and_room_for_more(workspace: Workspace, name: str) -> None:
    path = stored(workspace.root, name, b"data")
    assert len(path.name.encode()) <= MAX_NAME and name.endswith(path.name)


def test_an_upload_with_nothing_in_it_is_told(workspace: Workspace) -> None:
    with pytest.raises(DataError, match=r"a\.png is empty"):
        stored(workspace.root, "a.png", b"")


def test_sentences_lose_the_folders_of_uploads(workspace: Workspace) -> None:
    path = stored(workspace.folder(), "my photo.png", b"1")
    assert (
        workspace.without_folders(f"{path}: not an image; see {path}") == "my photo.png: not an image; see my photo.png"
    )
    assert workspace.without_folders("runs/faces is gone") == "runs/faces is gone"
