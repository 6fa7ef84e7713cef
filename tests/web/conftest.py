"""What the tests of the page and the endpoint share: a service of tiny models, and the command in a process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from i2i_cli.web.desk import Desk
from i2i_cli.web.galleries import Galleries
from i2i_cli.web.models import Models
from i2i_cli.web.service import Service
from i2i_cli.web.workspace import Workspace


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace() as made:
        yield made


@pytest.fixture
def service(run: Path, dual_run: Path, domains: Path, workspace: Workspace) -> Service:
    """Of a model of discs and squares, and of a dual one; `shapes` may be searched too."""
    models = Models([str(run), str(dual_run)], device="cpu")
    return Service(models=models, galleries=Galleries([domains]), desk=Desk(4), workspace=workspace)


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """The process, the address that it printed, and the folder that it may write temporary files in."""
    scratch = folder / "tmp"
    scratch.mkdir()
    command = [sys.executable, "-m", "i2i_cli", "serve", "--port", "0", *words]
    environment = os.environ | {"TMPDIR": str(scratch), "HOME": str(folder), "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip(), scratch
    finally:
        process.kill()
        process.communicate()
