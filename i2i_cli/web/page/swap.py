"""The tab that exchanges the domain codes of two pictures."""

from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.notes import Note
from i2i_cli.web.orders import swap_command
from i2i_cli.web.page.parts import QUIET, command_box, picture, upload_of, worded
from i2i_cli.web.service import Service


class SwapTab:
    """Builds the tab, and answers its events."""

    def __init__(self, service: Service, model: gr.Dropdown, note: Note) -> None:
        self.service = service
        with gr.Row():
            self.a, self.b = (upload_of(picture(name, elem_id=f"swap-{name.lower()}")) for name in "AB")
        with gr.Row():
            self.a_as_b = _result("A in the look of B", elem_id="a-as-b")
            self.b_as_a = _result("B in the look of A", elem_id="b-as-a")
        self.command = command_box()
        asked, answer = [model, self.a, self.b], [self.a_as_b, self.b_as_a, self.command]
        for control in (self.a.change, self.b.change, model.change):
            done = control(worded(note)(self.swap), asked, answer, trigger_mode="always_last", **QUIET)
            done.failure(lambda: (None, None, ""), None, answer, **QUIET)

    def swap(self, model: str | None, a: Path | None, b: Path | None) -> tuple[Any, ...]:
        """Both results, once both pictures are there."""
        if a is None or b is None:
            return None, None, ""
        folder = self.service.workspace.folder()
        first, second = self.service.swap(model, a, b, None, (None, None), folder)
        return str(first), str(second), swap_command(a, b, self.service.models.weights(model).name)


def _result(label: str, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label, interactive=False, buttons=["download"], height=300, elem_classes="fill", elem_id=elem_id
    )
