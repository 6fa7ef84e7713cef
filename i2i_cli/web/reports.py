"""Pages about runs: their curves, drawn when they are asked for, and the reports that lie in their folders."""

import tempfile
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from i2i_cli.checkpoints.names import RUNS
from i2i_cli.errors import DataError
from i2i_cli.jobs.training.curves import save_curves
from i2i_cli.web.models import UnknownNameError

PREFIX = "/runs"
CURVES = "curves.html"

MAX_REPORT = 128 * 2**20
"""Bytes of a report: it is read whole."""

POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Anyone may have written what lies in a run's folder: its scripts run, but as those of no site, and reach nothing."""


def reports_router() -> APIRouter:
    """`/runs/NAME/curves.html`, and `/runs/NAME/FILE.html` of a report that lies in the run's folder."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)
    router.add_api_route("/{run}/{name}", report, response_class=HTMLResponse)
    return router


def report(run: str, name: str) -> HTMLResponse:
    """A page about a run.

    Raises:
        UnknownNameError: there is no such run or page.
        DataError: it is too large, or gone before it was read.
    """
    folder = next((path for path in runs() if path.name == run), None)
    if folder is None:
        raise UnknownNameError(f"there is no run {run!r}", f"look into {RUNS}/")
    try:
        return HTMLResponse(_page(folder, name), headers={"Content-Security-Policy": POLICY})
    except OSError as error:
        raise DataError(f"the page {name} of the run {run!r} cannot be read: {error.strerror}") from error


def runs() -> list[Path]:
    """The folders of runs below `./runs`."""
    return [path for path in sorted(RUNS.glob("*")) if path.is_dir()]


def reports_in(folder: Path) -> list[str]:
    """Names of the reports that lie in a run's folder; a link that leads out of it is none."""
    inside = folder.resolve()
    return sorted(
        path.name for path in folder.glob("*.html") if path.is_file() and path.resolve().is_relative_to(inside)
    )


def _page(folder: Path, name: str) -> bytes:
    if name in reports_in(folder):
        path = folder / name
        if path.stat().st_size > MAX_REPORT:
            raise DataError(f"{name} has more than {MAX_REPORT // 2**20} MiB", "open the file itself in the browser")
        return path.read_bytes()
    if name != CURVES:
        raise UnknownNameError(f"the run {folder.name!r} has no page {name!r}", f"open {PREFIX}/{folder.name}/{CURVES}")
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / CURVES
        save_curves(made, folder)
        return made.read_bytes()
