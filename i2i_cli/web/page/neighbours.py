"""The tab that finds the images of a gallery that are most like a picture; a click on one asks for its own."""

from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.notes import Note
from i2i_cli.web.orders import neighbours_command
from i2i_cli.web.page.parts import QUIET, command_box, picture, pictured, plain, thumbnails, upload_of, worded
from i2i_cli.web.service import MAX_NEIGHBOURS, Hit, Service

OTHERS = "all but its own"

_NOTHING: tuple[list[Any], list[Hit], str, str] = [], [], "", ""
"""What is shown before there is an answer, and where there is none."""


class NeighboursTab:
    """Builds the tab, and answers its events."""

    def __init__(self, service: Service, model: gr.Dropdown, note: Note) -> None:
        self.service, self.model = service, model
        weights = service.models.weights()
        names = list(service.galleries.served(weights))
        with gr.Row(equal_height=False):
            with gr.Column(scale=1):
                self.query = picture("Picture", elem_id="query")
                self.gallery = gr.Dropdown(names, value=names[0] if names else None, label="Search in")
                self.inside = gr.Dropdown([OTHERS, *weights.domains], value=OTHERS, label="Domain")
                self.count = gr.Slider(1, MAX_NEIGHBOURS, 12, step=1, label="How many")
            with gr.Column(scale=2):
                self.told = gr.Markdown(elem_id="neighbours-told")
                self.hits = thumbnails(
                    "Neighbours, the closest first: click one to ask for its own", columns=4, object_fit="contain",
                    elem_id="hits", elem_classes="hits",
                )  # fmt: skip
                self.command = command_box()
        self.upload, self.followed, self.found = upload_of(self.query), gr.State(None), gr.State([])
        self._connect(worded(note))

    def _connect(self, words: Any) -> None:
        ask = [self.model, self.upload, self.followed, self.gallery, self.inside, self.count]
        answer = [self.hits, self.found, self.told, self.command]
        self.hits.select(words(self.follow), [self.found], [self.followed, self.query], **QUIET)
        chosen = self.model.change(words(self.choose_model), [self.model], [self.gallery, self.inside], **QUIET)
        for control in (self.upload.change, chosen.success, self.gallery.input, self.inside.input, self.count.release):
            done = control(words(self.search), ask, answer, trigger_mode="always_last", **QUIET)
            done.failure(lambda: _NOTHING, None, answer, **QUIET)

    def choose_model(self, model: str | None) -> tuple[Any, Any]:
        """The galleries and domains of a model."""
        weights = self.service.models.weights(model)
        names = list(self.service.galleries.served(weights))
        return (
            gr.Dropdown(names, value=names[0] if names else None),
            gr.Dropdown([OTHERS, *weights.domains], value=OTHERS),
        )

    def follow(self, found: list[Hit], event: gr.SelectData) -> tuple[Any, Any]:
        """The hit that was clicked, as the next question: what it is shown by, and where it is itself."""
        hit = found[int(event.index)]
        image = pictured(hit.path)
        if image is None:
            return None, None
        path = self.service.workspace.folder() / "hit.png"
        image.save(path)
        return (path, hit.path), str(path)

    def search(
        self,
        model: str | None,
        upload: Path | None,
        followed: tuple[Path, Path] | None,
        gallery: str | None,
        inside: str,
        count: float,
    ) -> tuple[Any, ...]:
        """What is closest to the picture; see `follow`."""
        if upload is None:
            return _NOTHING
        asked = followed[1] if followed is not None and followed[0] == upload else upload
        within = None if inside == OTHERS else inside
        found = self.service.neighbours(model, asked, int(count), gallery=gallery, inside=within)
        seen = [(hit, pictured(hit.path)) for hit in found.hits]
        shown = [(image, f"{hit.label or ''} {hit.score:.2f}") for hit, image in seen if image is not None]
        hits = [hit for hit, image in seen if image is not None]
        gone = len(seen) - len(hits)
        told = f"The picture is taken for one of **{plain(found.domain)}**." if found.domain else ""
        told += f" {gone} of the images found are gone." if gone else ""
        weights = self.service.models.weights(model)
        path = self.service.galleries.path(weights, gallery)
        return shown, hits, told, neighbours_command(self._name(asked), weights.name, path, int(count), within)

    def _name(self, asked: Path) -> str:
        """How a command line would call the picture: an upload by its name, one of the gallery by its path."""
        return asked.name if self.service.workspace.holds(asked) else str(asked)
