import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from i2i_cli.cli import app
from tests.conftest import draw_domains


def i2i(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for shift, split in enumerate(("train", "test")):
        draw_domains(tmp_path / "shapes" / split, shift=shift)
    return tmp_path / "shapes"


def test_a_table_a_report_and_json(run: Path, data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = i2i("evaluate", data, "-w", run, "--only", "leak", "--only", "classification", "-o", report)
    assert done.exit_code == 0, done.output
    head, *lines = done.stdout.splitlines()
    assert head.split()[:3] == ["section", "measure", "of"]
    assert {line.split("  ")[0] for line in lines} == {"domain leakage", "classification"}
    assert report.read_text().startswith("<!doctype html>") and f"report: {report}" in done.stderr
    again = i2i("evaluate", data, "-w", run, "--only", "leak", "--json")
    values = json.loads(again.stdout)
    assert values["held_out"] == {"disc": 16, "square": 16}
    assert values["sections"][0]["figures"][0]["count"] == 32


def test_mistakes_are_told_before_the_work(run: Path, data: Path, tmp_path: Path) -> None:
    taken = tmp_path / "report.html"
    taken.write_text("mine")
    refused = i2i("evaluate", data, "-w", run, "-o", taken)
    assert refused.exit_code == 1 and "exists already" in refused.stderr and taken.read_text() == "mine"
    assert i2i("evaluate", data, "-w", run, "-o", tmp_path / "report.pdf").exit_code == 2
    unknown = i2i("evaluate", data, "-w", run, "--only", "leek")
    assert unknown.exit_code == 2 and "retrieval" in unknown.stderr and unknown.stdout == ""
    assert i2i("evaluate", tmp_path / "nothing", "-w", run).exit_code == 1
