"""The tab of codes in two dimensions: pointing at one shows its image, a click on two exchanges their domain codes."""

from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.jobs.plots.pages import inline
from i2i_cli.jobs.plots.scatter import METHOD_NAMES, Embedding, colour_of, page_panel
from i2i_cli.jobs.retrieval.gallery import readable
from i2i_cli.notes import Note
from i2i_cli.web.page.parts import QUIET, pictured, shown, worded
from i2i_cli.web.service import Service

TEMPLATE = (
    '<div class="legend"></div><div class="panels"></div><div class="shown" hidden><img alt=""><span></span></div>'
)
"""Filled in by `codes.js`: no block of Gradio's shows an image beside a point, or tells which one was clicked."""

THUMBNAIL_SIDE = 96


class CodesTab:
    """Builds the tab, and answers its events."""

    def __init__(self, service: Service, model: gr.Dropdown, note: Note) -> None:
        self.service, here = service, Path(__file__).parent
        names = list(service.galleries.served(service.models.weights()))
        with gr.Row():
            self.gallery = gr.Dropdown(names, value=names[0] if names else None, label="Images of")
            self.method = gr.Radio([(told, name) for name, told in METHOD_NAMES.items()], value="tsne", label="By")
            self.draw = gr.Button("Draw", variant="primary", elem_id="draw-codes")
        gr.Markdown(
            "Each point is an image; images that lie close have similar codes. Click two to exchange their looks, "
            "which are shown below."
        )
        self.plot = gr.HTML(
            None, html_template=TEMPLATE, css_template=(here / "codes.css").read_text(encoding="utf-8"),
            js_on_load=(here / "codes.js").read_text(encoding="utf-8"), elem_id="code-points",
        )  # fmt: skip
        self.swapped = gr.Gallery(
            label="The two, and each in the look of the other", show_label=False, columns=4, visible=False,
            interactive=False, height="auto", object_fit="contain", buttons=[], elem_id="swapped", elem_classes="hits",
        )  # fmt: skip
        self.paths, words = gr.State([]), worded(note)
        chosen, points = [model, self.gallery, self.method], [self.plot, self.paths, self.swapped]
        self.draw.click(words(self.embed), chosen, points, **QUIET)
        self.plot.select(words(self.swap), [model, self.paths], [self.swapped], **QUIET)
        model.change(words(self.choose_model), [model], [self.gallery, *points], **QUIET)

    def choose_model(self, model: str | None) -> tuple[Any, ...]:
        """The galleries of a model, none of them drawn yet."""
        names = list(self.service.galleries.served(self.service.models.weights(model)))
        return gr.Dropdown(names, value=names[0] if names else None), None, [], gr.Gallery([], visible=False)

    def embed(self, model: str | None, gallery: str | None, method: str) -> tuple[Any, ...]:
        """The codes of a gallery, and where its images are."""
        found = self.service.embed(model, gallery, method)
        return _page_value(found), [found.gallery.path(row) for row in found.rows], gr.Gallery([], visible=False)

    def swap(self, model: str | None, paths: list[Path], event: gr.EventData) -> Any:
        """Two images that were clicked, and each in the look of the other."""
        first, second = (paths[int(event._data[name])] for name in ("first", "second"))
        with self.service.workspace.scratch() as folder:
            made = [shown(path) for path in self.service.swap(model, first, second, None, (None, None), folder)]
        titles = f"1: {first.name}", "1 in the look of 2", "2 in the look of 1", f"2: {second.name}"
        images = (pictured(first), *made, pictured(second))
        return gr.Gallery([pair for pair in zip(images, titles, strict=True) if pair[0]], visible=True)


def _page_value(found: Embedding) -> dict[str, Any]:
    """What `codes.js` draws."""
    images = [pictured(found.gallery.path(row), THUMBNAIL_SIDE) for row in found.rows]
    panels = [page_panel(panel) for panel in found.panels]
    return {
        "panels": [{"title": one.title, "meaning": one.meaning, "points": one.points} for one in panels],
        "legend": [(name or "no label", colour_of(found.names, name)) for name in found.names],
        "colours": [colour_of(found.names, label) for label in found.labels],
        "names": [readable(found.gallery.paths[row]) for row in found.rows],
        "images": ["" if image is None else inline(image, "JPEG") for image in images],
    }
