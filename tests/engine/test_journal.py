from pathlib import Path

import pytest

from i2i_cli.engine.journal import Journal, JournalReader
from i2i_cli.errors import DataError


def test_lines_come_back_rounded_and_rewound(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for step in (10, 20, 30):
        journal.write("training", step, pixel=1 / 3, nested={"a": 2 / 3})
    assert journal.lines()[0] == {"kind": "training", "step": 10, "pixel": 0.333333, "nested": {"a": 0.666667}}
    journal.rewind(20)
    assert [line["step"] for line in journal.lines()] == [10, 20]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("training", 1)
    with journal.path.open("a") as file:
        file.write('{"kind": "trai')
    assert len(journal.lines()) == 1
    journal.rewind(5)
    journal.write("training", 2)
    assert [line["step"] for line in journal.lines()] == [1, 2]


def test_a_line_cut_by_a_full_disk_takes_no_other_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write("training", 1)
    with journal.path.open("a") as file:
        file.write('{"kind": "trai')
    journal.write("training", 2)
    assert [line["step"] for line in journal.lines()] == [1, 2]


def test_a_journal_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        Journal(tmp_path / "journal.jsonl").write("training", 1)


def test_a_reader_takes_what_has_been_added_and_notes_a_rewind(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    reader = JournalReader(journal.path)
    with pytest.raises(FileNotFoundError):
        reader.news()
    for step in (1, 2):
        journal.write("training", step)
    assert [line["step"] for line in reader.news()[0]] == [1, 2] and reader.news() == ([], False)
    with journal.path.open("a") as file:
        file.write('{"kind": "trai')  # a writer is at it, or was cut off
    assert reader.news() == ([], False)
    journal.write("training", 3)
    journal.write("training", 4)
    assert [line["step"] for line in reader.news()[0]] == [3, 4]
    journal.rewind(3)
    journal.write("held-out", 3)
    lines, anew = reader.news()
    assert [line["step"] for line in lines] == [1, 2, 3, 3] and anew
    journal.write("training", 4)
    assert [line["step"] for line in reader.news()[0]] == [4]
