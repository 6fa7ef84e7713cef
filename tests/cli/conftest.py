"""What the tests of commands share: a working folder, and a command in it."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from i2i_cli.cli import app
from tests.conftest import trusted


@pytest.fixture
def here(tmp_path: Path, run: Path, domains: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a finished run, its data as `shapes/`, and `query.png`."""
    trusted(shutil.copytree(run, tmp_path / "runs" / "faces"))
    shutil.copy(domains / "disc" / "03.png", tmp_path / "query.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def i2i(*words: str, code: int = 0, stdin: bytes | None = None) -> Result:
    """What `i2i WORDS` gave; its exit code has to be `code`."""
    result = CliRunner().invoke(app, list(words), input=stdin)
    assert result.exit_code == code, result.stderr
    return result
