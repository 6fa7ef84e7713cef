"""Pages about runs: their curves, drawn when they are asked for, and the reports that lie in their folders."""

import tempfile
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from i2i_cli.checkpoints.names import RUNS
from i2i_cli.errors import ConfigError
from i2i_cli.jobs.training.curves import save_curves

PREFIX = "/runs"
CURVES = "curves.html"


def reports_router() -> APIRouter:
    """`/runs/NAME/curves.html`, and `/runs/NAME/FILE.html` of a report that lies in the run's folder."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    router.add_api_route("/{run}/{name}", report, response_class=HTMLResponse)
    return router


def report(run: str, name: str) -> HTMLResponse:
    """A page about a run.

    Raises:
        ConfigError: there is no such run or page.
    """
    folder = next((path for path in runs() if path.name == run), None)
    if folder is None:
        raise ConfigError(f"there is no run {run!r}", f"look into {RUNS}/")
    if name in reports_in(folder):
        return HTMLResponse((folder / name).read_text(encoding="utf-8"))
    if name != CURVES:
        raise ConfigError(f"the run {run!r} has no page {name!r}", f"open {PREFIX}/{run}/{CURVES}")
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / CURVES
        save_curves(made, folder)
        return HTMLResponse(made.read_text(encoding="utf-8"))


def runs() -> list[Path]:
    """The folders of runs below `./runs`."""
    return [path for path in sorted(RUNS.glob("*")) if path.is_dir()]


def reports_in(folder: Path) -> list[str]:
    """Names of the reports that lie in a run's folder."""
    return sorted(path.name for path in folder.glob("*.html") if path.is_file())
