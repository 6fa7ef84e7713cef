import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from i2i_cli.cli import app


def test_everything_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    found = {line["check"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 0 and all(line["ok"] for line in found.values())
    assert {"torch", "torchvision imports", "device", "cache folder", "VGG-16 weights"} <= found.keys()
    assert list(tmp_path.iterdir()) in ([], [tmp_path / ".cache"])


def test_what_is_broken_is_shown_and_exits_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file" / "cache"))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    bad = [line.split()[1:3] for line in result.stdout.splitlines() if line.startswith("BAD")]
    assert bad == [["cache", "folder"]]
