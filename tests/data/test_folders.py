"""What a walk finds, what it passes over, and that it ends."""

from pathlib import Path

from i2i_cli.data.folders import find_images, passed_over, walk
from i2i_cli.notes import silent


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_images(root)]


def test_images_are_found_below_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a/c.jpeg", "a/.hidden.png", ".git/d.png", "notes.txt", "a/e.webp")
    assert found(tmp_path) == ["a/c.jpeg", "a/e.webp", "b.PNG"]


def test_every_ending_of_the_formats_that_are_read_counts(tmp_path: Path) -> None:
    names = ("a.jfif", "b.jpe", "c.avif", "d.apng", "e.pbm", "f.pnm", "g.JPG")
    assert found(touch(tmp_path, *names)) == sorted(names)


def test_files_with_other_endings_are_counted_by_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.heic", "deep/c.HEIC", "d.jp2", "README", "Thumbs.db", ".DS_Store", "desktop.ini")
    assert passed_over([walk(tmp_path)]) == "skipped: 4 files with other endings (.heic, .jp2, none)"
    assert passed_over([walk(touch(tmp_path / "one", "x.heic"))]) == "skipped: 1 file with other endings (.heic)"
    assert passed_over([walk(touch(tmp_path / "fine", "a.png"))]) == ""
    silent("nobody hears this")
    many = touch(tmp_path / "many", *(f"scan.{number:04}" for number in range(300)), "a.txt", "b.txt")
    told = passed_over([walk(many)])
    assert told.startswith("skipped: 302 files") and ".txt" in told and told.endswith(", 296 more)")


def test_folders_that_systems_leave_are_passed_over_and_named(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a.png",
        "__MACOSX/a/._a.png",
        "sub/@eaDir/a.png/SYNO_THUMB.jpg",
        "lost+found/x.png",
        "$RECYCLE.BIN/y.png",
    )
    assert found(tmp_path) == ["a.png"]
    assert passed_over([walk(tmp_path)]) == "skipped: $RECYCLE.BIN, @eaDir, __MACOSX, lost+found"


def test_links_to_folders_above_end_where_they_begin(tmp_path: Path) -> None:
    touch(tmp_path, "t/pic.png", "t/deep/in.png")
    (tmp_path / "t" / "deep" / "up").symlink_to("..")
    (tmp_path / "t" / "self").symlink_to(".")
    (tmp_path / "t" / "deep" / "far").symlink_to("../..")
    assert found(tmp_path / "t") == ["deep/in.png", "pic.png"]


def test_two_folders_that_lead_to_each_other_are_each_entered_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    assert found(tmp_path) == ["a/1.png", "b/2.png"]


def test_a_folder_elsewhere_is_reached_by_a_link_and_one_inside_by_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/1.png", "root/zoo/2.png")
    (tmp_path / "root" / "far").symlink_to("../elsewhere")
    (tmp_path / "root" / "a-link").symlink_to("zoo")
    assert found(tmp_path / "root") == ["far/1.png", "zoo/2.png"]


def test_links_to_nowhere_and_to_themselves_stop_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / "loop").symlink_to("loop")
    assert found(tmp_path) == ["a.png", "gone.png"], "reading it will say that it is gone"


def test_images_themselves_may_be_links(tmp_path: Path) -> None:
    touch(tmp_path, "store/1.png")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "x.png").symlink_to("../store/1.png")
    assert found(tmp_path / "own") == ["x.png"]
