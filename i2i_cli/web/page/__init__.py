"""The page, by Gradio: a tab for each thing that a visitor can do."""

from typing import Any

import gradio as gr

from i2i_cli.notes import Note, silent
from i2i_cli.web.page.translate import TranslateTab
from i2i_cli.web.service import Service


def page(service: Service, note: Note = silent) -> tuple[gr.Blocks, dict[str, Any]]:
    """The page, and how it looks, as Gradio wants to be told.

    Args:
        note: is told of faults of ours, with their traceback.
    """
    names = list(service.models.served())
    with gr.Blocks(title="i2i", analytics_enabled=False) as blocks:
        model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model")
        with gr.Tabs(), gr.Tab("Translate"):
            TranslateTab(service, model, note)
    blocks.queue(default_concurrency_limit=None)
    return blocks, {"theme": gr.themes.Default()}
