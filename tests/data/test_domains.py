from collections import Counter
from pathlib import Path

import pytest

from i2i_cli.data.domains import is_held_out, scan
from i2i_cli.errors import DataError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_pairs_share_a_key_whatever_their_suffix_and_stay_on_one_side(tmp_path: Path) -> None:
    names = [f"sub/{i:03d}" for i in range(200)]
    touch(tmp_path, *(f"photo/{name}.jpg" for name in names), *(f"sketch/{name}.png" for name in names))
    found = scan(tmp_path)
    assert found.domains == ("photo", "sketch")
    train, test = ({item.key for item in split} for split in (found.train, found.test))
    assert not train & test and train | test == set(names)
    assert 5 <= len(test) <= 40
    assert len(found.train) == 2 * len(train)


def test_the_split_does_not_depend_on_what_else_is_there(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{domain}/{i}.png" for domain in "ab" for i in range(100)))
    before = {item.key for item in scan(tmp_path).test}
    touch(tmp_path, "a/new.png", "b/new.png")
    assert before == {item.key for item in scan(tmp_path).test} - {"new"}
    assert before == {str(i) for i in range(100) if is_held_out(str(i))}


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_folders_above_the_domains_decide_the_split(tmp_path: Path, test_name: str) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "train/b/2.png", f"{test_name}/a/3.png", f"{test_name}/b/4.png")
    found = scan(tmp_path)
    assert found.domains == ("a", "b")
    assert [(item.label, item.key) for item in found.train] == [(0, "1"), (1, "1"), (1, "2")]
    assert [(item.label, item.key) for item in found.test] == [(0, "3"), (1, "4")]


def test_a_pair_is_never_split_even_in_tiny_domains(tmp_path: Path) -> None:
    for a, b in ((8, 9), (3, 30), (1, 60)):
        root = tmp_path / f"{a}-{b}"
        touch(root, *(f"a/{i}.png" for i in range(a)), *(f"b/{i}.png" for i in range(b)))
        found = scan(root)
        assert not {item.key for item in found.train} & {item.key for item in found.test}


def test_a_tiny_domain_keeps_an_image_for_training(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "b/2.png", "b/3.png")
    found = scan(tmp_path)
    assert Counter(item.label for item in found.train)[0] == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "has no folders"),
        (("a/1.png",), "only the folder 'a'"),
        (("a/1.png", "b/readme.txt"), "'b' has no training"),
    ],
)
def test_what_cannot_be_trained_on_is_said(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=said):
        scan(touch(tmp_path, *names))
    with pytest.raises(DataError, match="no such folder"):
        scan(tmp_path / "none")


def test_domains_of_very_different_size_are_warned_of(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a/{i}.png" for i in range(20)), *(f"b/{i}.png" for i in range(400)))
    assert any("domain 'a' has" in text for text in scan(tmp_path).warnings)


def test_some_of_the_domains_can_be_chosen(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{i}.png" for name in "abc" for i in range(3)))
    found = scan(tmp_path, lambda names: tuple(name for name in names if name != "b"))
    assert found.domains == ("a", "c") and {item.path.parent.name for item in found.train} == {"a", "c"}
    assert Counter(item.label for item in found.train) == {0: 3, 1: 3}


def test_what_systems_leave_behind_is_no_domain_and_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "b/1.heic", "__MACOSX/a/._1.png", "@eaDir/a.png", "lost+found/x")
    found = scan(tmp_path)
    assert found.domains == ("a", "b")
    assert found.passed_over == "skipped: 1 file with other endings (.heic), @eaDir, __MACOSX, lost+found"
    with pytest.raises(DataError, match="only the folder 'a'"):
        scan(touch(tmp_path / "one", "a/1.png", "__MACOSX/a/._1.png"))


def test_a_domain_without_a_known_ending_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'b' has no training images") as caught:
        scan(touch(tmp_path, "a/1.png", "b/1.heic"))
    assert "1 file with other endings (.heic)" in caught.value.hint and ".jfif" in caught.value.hint


def test_links_to_the_data_itself_are_no_domains(tmp_path: Path) -> None:
    touch(tmp_path, "data/a/1.png", "data/b/1.png")
    (tmp_path / "data" / "self").symlink_to(".")
    (tmp_path / "data" / "above").symlink_to("..")
    (tmp_path / "data" / "a" / "up").symlink_to("..")
    found = scan(tmp_path / "data")
    assert found.domains == ("a", "b")
    assert [item.path.name for item in (*found.train, *found.test)] == ["1.png", "1.png"]


def test_a_domain_may_be_a_link_to_images_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "store/cats/1.png", "data/b/1.png")
    (tmp_path / "data" / "a").symlink_to("../store/cats")
    assert scan(tmp_path / "data").domains == ("a", "b")


def test_whether_folders_or_names_split_is_told(tmp_path: Path) -> None:
    assert not scan(touch(tmp_path / "x", "a/1.png", "b/1.png")).is_split
    assert not scan(touch(tmp_path / "y", "train/a/1.png", "train/b/1.png")).is_split
    assert scan(touch(tmp_path / "z", "train/a/1.png", "train/b/1.png", "test/a/2.png", "test/b/2.png")).is_split
