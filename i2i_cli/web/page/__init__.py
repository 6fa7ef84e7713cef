"""The page, by Gradio: a tab for each thing that a visitor can do."""

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.bundled import portrait_file
from i2i_cli.notes import Note, silent
from i2i_cli.web.page.classify import ClassifyTab
from i2i_cli.web.page.codes import CodesTab
from i2i_cli.web.page.neighbours import NeighboursTab
from i2i_cli.web.page.swap import SwapTab
from i2i_cli.web.page.train import TrainTab
from i2i_cli.web.page.translate import TranslateTab
from i2i_cli.web.service import Service

IDLE_SECONDS = 0.02
"""Between two looks for work. Gradio looks a thousand times a second, which keeps a core busy for 8 % of the time."""


def page(service: Service, address: str, note: Note = silent) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page, and how it looks, as Gradio wants to be told.

    Args:
        address: of the server, as scripts have to name it.
        note: is told of faults of ours, with their traceback.
    """
    names = list(service.models.served())
    endpoint = (Path(__file__).parent / "endpoint.md").read_text(encoding="utf-8")
    with gr.Blocks(title="i2i", analytics_enabled=False) as blocks:
        model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
        with gr.Tabs():
            with gr.Tab("Translate"):
                translating = TranslateTab(service, model, note)
            with gr.Tab("Swap"):
                SwapTab(service, model, note)
            with gr.Tab("Neighbours"):
                NeighboursTab(service, model, note)
            with gr.Tab("Classify"):
                ClassifyTab(service, model, note)
            with gr.Tab("Codes"):
                CodesTab(service, model, note)
            with gr.Tab("Train") as tab:
                TrainTab(tab, note)
            with gr.Tab("Endpoint"):
                gr.Markdown(endpoint.replace("ADDRESS", address), elem_id="endpoint")
        if service.models.weights().framing == "face":
            blocks.load(lambda: _portrait(service), None, [translating.picture], api_visibility="private")
        blocks.load(lambda: gr.Dropdown(list(service.models.served())), None, [model], api_visibility="private")
    blocks.queue(default_concurrency_limit=None)
    blocks._queue.sleep_when_free = blocks._queue.progress_update_sleep_when_free = IDLE_SECONDS
    return blocks, {"theme": gr.themes.Default(), "css_paths": [Path(__file__).parent / "page.css"]}


def _portrait(service: Service) -> str:
    """A photo of a face, so that there is something to see before anything is dropped."""
    return str(shutil.copy(portrait_file(), service.workspace.folder()))
