"""The tab that watches trainings: read from their folders alone, wherever they were started."""

from typing import Any
from urllib.parse import quote

import gradio as gr

from i2i_cli.jobs.training.curves import live_page
from i2i_cli.jobs.training.watching import RunStatus, list_runs
from i2i_cli.notes import Note
from i2i_cli.web.page.parts import QUIET, plain, shown, worded
from i2i_cli.web.reports import CURVES, PREFIX, reports_in

SECONDS = 5.0
"""Between two looks at the folders."""

SHEET_SIDE = 1600

NONE = "There are no runs below `./runs` yet. Train one, here or in another terminal: `i2i train FOLDER`."


class TrainTab:
    """Builds the tab, and answers its events. A look that shows nothing new leaves the page as it is."""

    def __init__(self, tab: gr.Tab, note: Note) -> None:
        self.run = gr.Dropdown([], label="Run", elem_id="run")
        self.told = gr.Markdown(NONE, elem_id="run-told")
        self.live = gr.HTML(elem_id="run-live")
        self.sheet = gr.Image(
            label="Newest samples: images, rebuilt and translated", interactive=False, visible=False,
            buttons=["download", "fullscreen"], elem_id="run-sheet",
        )  # fmt: skip
        self.seen, timer = gr.State(None), gr.Timer(SECONDS, active=False)
        words, shown_things = worded(note), [self.run, self.told, self.live, self.sheet, self.seen]
        looking = [self.run, self.seen]
        tab.select(lambda: gr.Timer(active=True), None, [timer], **QUIET).then(
            words(self.look), looking, shown_things, **QUIET
        )
        timer.tick(words(self.look), looking, shown_things, **{**QUIET, "show_progress": "hidden"})
        self.run.input(words(self.look), looking, shown_things, **QUIET)

    def look(self, chosen: str | None, seen: tuple[Any, ...] | None) -> tuple[Any, ...]:
        """The run that was chosen, or else the newest, as it is now."""
        runs = {status.name: status for status in list_runs()}
        status = runs.get(chosen or "") or next(iter(runs.values()), None)
        if status is None:
            return gr.Dropdown([], value=None), NONE, "", gr.Image(None, visible=False), None
        now = (status.name, status.updated, status.state, tuple(runs), status.share)
        if now == seen:
            return (gr.skip(),) * 5
        choices = gr.Dropdown([(f"{name} ({one.state})", name) for name, one in runs.items()], value=status.name)
        sheet = gr.skip() if seen and seen[:2] == now[:2] else _sheet(status)
        return choices, _links(status), live_page(status), sheet, now


def _sheet(status: RunStatus) -> Any:
    if status.sheet is None:
        return gr.Image(None, visible=False)
    try:
        return gr.Image(shown(status.sheet, SHEET_SIDE), visible=True)
    except OSError:  # it is being replaced, or the run is gone
        return gr.skip()


def _links(status: RunStatus) -> str:
    pages = [CURVES, *(name for name in reports_in(status.folder) if name != CURVES)] if status.history else []
    links = [f"[{plain(name)}]({PREFIX}/{quote(status.name)}/{quote(name)})" for name in pages]
    return f"As pages of their own: {', '.join(links)}" if links else ""
