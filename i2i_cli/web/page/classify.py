"""The tab that names what a picture is, by its domain code."""

from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.notes import Note
from i2i_cli.web.orders import classify_command
from i2i_cli.web.page.parts import QUIET, command_box, picture, upload_of, worded
from i2i_cli.web.service import Service


class ClassifyTab:
    """Builds the tab, and answers its events."""

    def __init__(self, service: Service, model: gr.Dropdown, note: Note) -> None:
        self.service = service
        names = self._classifiers(None)
        with gr.Row(equal_height=False):
            with gr.Column():
                self.upload = upload_of(picture("Picture", elem_id="classified"))
                self.labels = gr.Dropdown(names, value=names[0] if names else None, label="Classifier")
            with gr.Column():
                self.bars = gr.Label(label="Probability", num_top_classes=20, elem_id="bars")
                self.command = command_box()
        words = worded(note)
        asked, answer = [model, self.upload, self.labels], [self.bars, self.command]
        chosen = model.change(words(self.choose_model), [model], [self.labels], **QUIET)
        for control in (self.upload.change, self.labels.input, chosen.success):
            done = control(words(self.classify), asked, answer, trigger_mode="always_last", **QUIET)
            done.failure(lambda: (None, ""), None, answer, **QUIET)

    def choose_model(self, model: str | None) -> Any:
        """The classifiers of a model."""
        names = self._classifiers(model)
        return gr.Dropdown(names, value=names[0] if names else None)

    def classify(self, model: str | None, image: Path | None, labels: str | None) -> tuple[Any, str]:
        """The probability of each class."""
        if image is None or labels is None:
            return None, ""
        shares = self.service.classify(model, image, labels)
        name = self.service.models.weights(model).name
        return shares, classify_command(image, name, None if labels == DOMAINS else labels)

    def _classifiers(self, model: str | None) -> list[str]:
        names = self.service.models.weights(model).header.classifiers
        return sorted(names, key=lambda name: name != DOMAINS)
