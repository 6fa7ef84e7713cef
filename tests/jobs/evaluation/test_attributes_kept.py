from pathlib import Path

import pytest
import torch

from i2i_cli.errors import DataError
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.evaluation.attribute_table import classes_among, read_table
from i2i_cli.jobs.evaluation.attributes_kept import _scores
from i2i_cli.jobs.evaluation.evaluate import evaluate
from tests.conftest import draw_domains


def test_balanced_accuracy_by_hand() -> None:
    nan = float("nan")
    truth = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [nan, nan]])
    perfect = truth == 1
    assert float(_scores(perfect, truth).mean()) == pytest.approx(1)
    never = torch.zeros(5, 2, dtype=torch.bool)
    assert float(_scores(never, truth).mean()) == pytest.approx(0.5), "saying no is right half of the time"
    half = torch.tensor([[True, False], [True, False], [False, False], [False, False], [True, True]])
    assert float(_scores(half, truth).mean()) == pytest.approx(((1 + 2 / 3) / 2 + 0.5) / 2)


def test_a_table_of_attributes(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    path.write_text("file,who,left,tall\nsome/where/a.png,17,1,-1\nb.png,4,0,1\n\n")
    known = read_table(path)
    assert known.names == ("left", "tall") and known.rows["a.png"] == (1.0, 0.0)
    for text in ("", "file\na.png\n", "file,age\na.png,33\n", "\xff\xfe"):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(DataError, match=r"known\.csv"):
            read_table(path)
    with pytest.raises(DataError, match="cannot read"):
        read_table(tmp_path / "none.csv")


def test_names_shared_by_many_are_classes() -> None:
    known = classes_among(["dog"] * 20 + ["cat"] * 30)
    assert known is not None and known.names == ("cat", "dog") and known.rows["dog"] == (0.0, 1.0)
    assert classes_among(["dog"] * 20 + ["cat"] * 3) is None
    assert classes_among(str(number // 30) for number in range(900)) is None


def test_attributes_that_are_read_from_real_images_are_sought_in_translations(run: Path, tmp_path: Path) -> None:
    for shift, split in enumerate(("train", "test")):
        draw_domains(tmp_path / "shapes" / split, count=48, shift=shift)
    table = tmp_path / "known.csv"
    lines = [f"{place:02d}.png,{int(place % 4 < 2)},{place % 2}" for place in range(48)]
    table.write_text("\n".join(["file,left,odd", *lines]))
    found, _ = evaluate(load(run), tmp_path / "shapes", only=("attributes",), attributes=table)
    (section,) = found.sections
    figures = {one.subject: one for one in section.figures}
    assert set(figures) == {"disc->square", "square->disc", "disc->square->disc", "square->disc->square", "mean"}
    assert "left" in section.text
    for one in figures.values():
        assert one.reference is not None and one.reference > 0.7 and 0 <= one.value <= 1


def test_what_is_not_known_is_said(run: Path, tmp_path: Path) -> None:
    for shift, split in enumerate(("train", "test")):
        draw_domains(tmp_path / "shapes" / split, shift=shift)
    found, _ = evaluate(load(run), tmp_path / "shapes", only=("attributes",))
    assert found.sections == () and any("--attributes" in note for note in found.notes)
    table = tmp_path / "known.csv"
    table.write_text("file,left\nother.png,1\n")
    with pytest.raises(DataError, match="names no training image"):
        evaluate(load(run), tmp_path / "shapes", attributes=table)
