"""What the tests of the page and the endpoint share: a service of tiny models."""

from collections.abc import Iterator
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
