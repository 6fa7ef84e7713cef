from pathlib import Path, PureWindowsPath

import pytest

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.files import check_new
from i2i_cli.inference.inputs import Source
from i2i_cli.jobs.translation.planning import plan_outputs


def source(path: str, below: str | None = None) -> Source:
    return Source(path=Path(path), below=Path(below) if below else None)


@pytest.mark.parametrize(
    ("sources", "labels", "out", "wanted"),
    [
        ([source("d/a.jpg")], ["x"], None, [["d/a-x.png"]]),
        ([source("d/a.jpg")], ["x-1", "x-2"], None, [["d/a-x-1.png", "d/a-x-2.png"]]),
        ([source("a.jpg")], ["x"], "b.webp", [["b.webp"]]),
        ([source("a.jpg")], ["x"], "out", [["out/a-x.png"]]),
        ([source("a.jpg")], ["x", "y"], "out", [["out/a-x.png", "out/a-y.png"]]),
        (
            [source("in/s/a.jpg", "in"), source("in/t/a.jpg", "in")],
            ["x"],
            "out",
            [["out/s/a-x.png"], ["out/t/a-x.png"]],
        ),
        ([source("-")], ["x"], None, [["-"]]),
        ([source("-")], ["x"], "f.png", [["f.png"]]),
        ([source("a.jpg")], ["x"], "-", [["-"]]),
    ],
)
def test_results_go_where_a_person_expects_them(sources, labels, out, wanted) -> None:
    planned = plan_outputs(sources, labels, Path(out) if out else None)
    assert [task.source for task in planned] == sources and not any(task.error for task in planned)
    assert [[str(path) for path in task.outputs] for task in planned] == wanted


def test_a_label_cannot_leave_the_folder() -> None:
    ((_, (path,), _),) = plan_outputs([source("d/a.jpg")], ["../up"], None)
    assert path.parent == Path("d")


@pytest.mark.parametrize("label", ["a:b", "a?", 'say "x"', "<a>", "a|b", "tab\there", "a/b", "a\\b", "...", "con. "])
def test_a_label_makes_a_name_that_windows_can_have(label: str) -> None:
    ((_, (path,), _),) = plan_outputs([source("a.jpg")], [label], None)
    name = PureWindowsPath(path.name)
    assert name.name == path.name and not set(path.name) & set('<>:"/\\|?*') and path.name.isprintable()
    assert not name.stem.endswith((".", " "))


def test_results_of_an_earlier_run_are_no_sources() -> None:
    found = [source("in/a-x.png", "in"), source("in/a.png", "in"), source("in/b.png", "in")]
    planned = plan_outputs(found, ["x"], Path("in"))
    assert [(task.source.path.name, task.outputs[0].name) for task in planned] == [
        ("a.png", "a-x.png"),
        ("b.png", "b-x.png"),
    ]


@pytest.mark.parametrize(
    ("sources", "labels", "out", "said"),
    [
        ([source("a.png"), source("a-x.png")], ["x"], None, "overwrite its input a-x.png"),
        ([source("a.png")], ["x"], "a.png", "overwrite its input"),
        ([source("a.png"), source("b.png")], ["x"], "-", "stdout holds one image"),
        ([source("-"), source("b.png")], ["x"], "-", "stdout holds one image"),
        ([source("-"), source("b.png")], ["x"], None, "stdout holds one image"),
        ([source("-")], ["x", "y"], None, "stdout holds one image"),
        ([source("a.png"), source("b.png")], ["x"], "o.png", "is one file"),
        ([source("a.png")], ["x"], "o.gif", "cannot write an image as '.gif'"),
        ([source("a.png")], ["x"], str(Path("a.png").absolute()), "overwrite its input"),
        ([source("in/a.png", "in")], ["x"], None, "results of the folder in need a place of their own"),
        ([source("a.png")], ["a:b", "a?b"], None, "would be named after a:b and a\\?b"),
        ([source("a.png")], ["x", "y", "x"], None, "would be named after x"),
    ],
)
def test_clashes_are_refused_before_any_work(sources, labels, out, said) -> None:
    with pytest.raises(ConfigError, match=said):
        plan_outputs(sources, labels, Path(out) if out else None)


@pytest.mark.parametrize(
    ("paths", "out"), [(["d/a.png", "d/a.jpg", "d/b.png"], None), (["p/a.png", "q/a.png", "p/b.png"], "out")]
)
def test_two_images_that_would_become_one_file_are_named_and_the_rest_is_done(
    paths: list[str], out: str | None
) -> None:
    planned = plan_outputs([source(path) for path in paths], ["x", "y"], Path(out) if out else None)
    first, second, third = (task.error for task in planned)
    assert first is not None and first.message == f"{paths[0]} and {paths[1]} would both become a-x.png"
    assert second is not None and second.message == f"{paths[1]} and {paths[0]} would both become a-x.png"
    assert third is None


def test_an_image_that_is_named_twice_is_done_once() -> None:
    planned = plan_outputs([source("a.png"), source("b.png"), source("a.png")], ["x"], None)
    assert [(task.source.path.name, task.error) for task in planned] == [("a.png", None), ("b.png", None)]
    both = [source("f/a.png"), source("f/a.png", "f"), source("f/b.png", "f")]
    assert [task.source.path.name for task in plan_outputs(both, ["x"], Path("out"))] == ["a.png", "b.png"]


def test_an_existing_folder_is_a_folder_and_a_file_no_folder(tmp_path: Path) -> None:
    (tmp_path / "o.png").mkdir()
    ((_, paths, _),) = plan_outputs([source("a.jpg")], ["x"], tmp_path / "o.png")
    assert paths == [tmp_path / "o.png" / "a-x.png"]
    (tmp_path / "f").touch()
    with pytest.raises(ConfigError, match="is one file"):
        plan_outputs([source("a.jpg"), source("b.jpg")], ["x"], tmp_path / "f")


def test_what_is_there_is_overwritten_only_if_asked(tmp_path: Path) -> None:
    check_new(tmp_path / "new.png", overwrite=False)
    with pytest.raises(DataError, match="exists already"):
        check_new(tmp_path, overwrite=False)
    check_new(tmp_path, overwrite=True)
