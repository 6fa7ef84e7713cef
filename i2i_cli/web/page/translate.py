"""The tab that translates: a picture, its target as a row of codes, a slider between before and after."""

from pathlib import Path
from typing import Any

import gradio as gr

from i2i_cli.data.geometry import Crop
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.notes import Note
from i2i_cli.web.orders import MAX_SAMPLES, TranslationOrder
from i2i_cli.web.page.framing import LARGEST, OWN, WHOLE, Seen, choices, crop_of, framed, frames, middle, placed
from i2i_cli.web.page.parts import (
    QUIET,
    SHOWN_SIDE,
    command_box,
    picture,
    plain,
    shown,
    thumbnails,
    upload_of,
    worded,
)
from i2i_cli.web.service import Look, Service

PREDICTED = "predicted"
DEFAULT = 0
"""The place of the code that is used unasked: the medoid."""


class TranslateTab:
    """Builds the tab, and answers its events. The values of the controls are all that it remembers of a visitor."""

    def __init__(self, service: Service, model: gr.Dropdown, note: Note) -> None:
        self.service, self.model = service, model
        self._worded = worded(note)
        with gr.Row(equal_height=False):
            with gr.Column():
                self._build_picture()
                self._build_more()
            with gr.Column():
                self._build_target()
                self._build_result()
        self._connect()

    def _build_picture(self) -> None:
        with gr.Row(equal_height=True):
            self.picture = picture("Picture", elem_id="picture")
            self.upload = upload_of(self.picture)
            self.view = gr.Image(
                label="The part: click to move it", interactive=False, height=300, buttons=[], elem_id="part-view",
                elem_classes="fill",
            )  # fmt: skip
        self.part = gr.Radio([WHOLE], value=WHOLE, label="Part of the picture", elem_id="part")
        self.share = gr.Slider(
            0.05, 1, 0.6, step=0.05, label="Size of a part of my own, of the shorter side", visible=False,
            elem_id="share",
        )  # fmt: skip
        self.seen, self.own_part = gr.State(None), gr.State(None)

    def _build_more(self) -> None:
        with gr.Accordion("More", open=False):
            self.paste = gr.Checkbox(False, label="Put the result back into the photo", elem_id="paste")
            self.like = upload_of(picture("Or take the look of this picture", height=200, elem_id="like"))
            self.samples = gr.Slider(
                0, MAX_SAMPLES, 0, step=1, label="Samples: results by codes drawn at random", elem_id="samples"
            )  # fmt: skip
            self.seed = gr.Number(0, precision=0, label="Seed of the draw")
            domains = self.service.models.weights().domains
            self.own = gr.Dropdown([PREDICTED, *domains], value=PREDICTED, label="The picture's own domain")

    def _build_target(self) -> None:
        domains = self.service.models.weights().domains
        self.to = gr.Radio(list(domains), value=domains[0], label="Translate to", elem_id="to")

    def _build_result(self) -> None:
        self.result = gr.ImageSlider(
            label="Before and after", type="filepath", interactive=False, buttons=["fullscreen"], max_height=480,
            elem_id="result",
        )  # fmt: skip
        self.notes = gr.Markdown(elem_id="notes")
        self.codes = thumbnails(
            "Your picture by each of the kept codes: click one", columns=6, object_fit="cover", elem_id="codes",
            elem_classes="codes",
        )  # fmt: skip
        self.code = gr.State(DEFAULT)
        self.strength = gr.Slider(0, 1, 1, step=0.05, label="Strength: 0 is the picture's own look", elem_id="strength")
        self.sampled = gr.Gallery(label="Samples", columns=4, visible=False, interactive=False, object_fit="contain",
                                      elem_id="sampled")  # fmt: skip
        with gr.Row():
            self.download = gr.DownloadButton("Download", elem_id="download", interactive=False)
            self.make_morph = gr.Button("Morph as GIF", elem_id="make-morph")
        self.morph = gr.Image(label="Morph", visible=False, interactive=False, buttons=["download"], elem_id="morph")
        self.command = command_box()

    def _connect(self) -> None:
        wish = [self.model, self.upload, self.to, self.code, self.like, self.samples, self.seed, self.strength,
                self.own, self.part, self.paste, self.seen, self.own_part]  # fmt: skip
        result = [self.result, self.notes, self.sampled, self.download, self.command, self.morph]
        codes = [self.codes, self.code]

        def translating(event: Any, with_codes: bool = False) -> None:
            done = event(self._worded(self.translate), wish, result, trigger_mode="always_last", **QUIET)
            done.failure(self._no_result, None, result, **QUIET)
            if with_codes:
                done.success(self._worded(self.show_codes), wish, codes, **QUIET)

        def looking(event: Any) -> None:
            looked = [self.seen, self.part, self.view, self.own_part, self.to]
            look = event(self._worded(self.look), [self.model, self.upload, self.to], looked, **QUIET)
            look.failure(self._nothing, None, [*looked, *result, *codes], **QUIET)
            translating(look.success, with_codes=True)

        looking(self.upload.change)
        domains = [self.to, self.own, self.code]
        looking(self.model.change(self._worded(self.choose_model), [self.model], domains, **QUIET).success)
        translating(self.to.input, with_codes=True)
        chosen = self.codes.select(self._worded(self.choose_code), None, [self.code, self.samples], **QUIET)
        translating(chosen.success)
        for control in (self.strength.release, self.samples.release, self.seed.input, self.own.input,
                        self.paste.input, self.like.change):  # fmt: skip
            translating(control)
        drawn = [self.own_part, self.view, self.share]
        framing = [self.upload, self.part, self.seen, self.own_part]
        translating(self.part.input(self._worded(self.frame), framing, drawn, **QUIET).success, with_codes=True)
        moving = [self.upload, self.seen, self.share]
        for moved in (
            self.view.select(self._worded(self.move), moving, [self.part, *drawn], **QUIET),
            self.share.release(self._worded(self.resize), [*moving, self.own_part], [self.part, *drawn], **QUIET),
        ):
            translating(moved.success, with_codes=True)
        self.make_morph.click(self._worded(self.draw_morph), wish, [self.morph], **QUIET)

    def choose_model(self, model: str | None) -> tuple[Any, ...]:
        """The domains of a model."""
        domains = list(self.service.models.weights(model).domains)
        return gr.Radio(domains, value=domains[0]), gr.Dropdown([PREDICTED, *domains], value=PREDICTED), DEFAULT

    def look(self, model: str | None, picture: Path | None, to: str | None) -> tuple[Any, ...]:
        """What the picture shows, which part of it the model is made for, and a domain that it is not of itself."""
        if picture is None:
            return self._nothing_seen()
        is_face = self.service.models.weights(model).framing == "face"
        look = self.service.look(picture, find_faces=is_face)
        seen = Seen(look.size, look.faces)
        part = LARGEST if is_face and look.faces else WHOLE
        shown_parts = framed(look, frames(part, seen, None))
        return seen, gr.Radio(choices(seen), value=part), shown_parts, None, self._elsewhere(model, picture, to)

    def _elsewhere(self, model: str | None, picture: Path, to: str | None) -> Any:
        """The choice of a domain, moved on where the picture is of that one itself, or does not become one of it."""
        if DOMAINS not in self.service.models.weights(model).header.classifiers:
            return gr.Radio()
        own = next(iter(self.service.classify(model, picture)))
        others = [name for name in self.service.models.open(model).targets_of(own) if name != own]
        return gr.Radio(value=others[0]) if others and to not in others else gr.Radio()

    def frame(self, picture: Path | None, part: str, seen: Seen | None, own: Crop | None) -> tuple[Any, ...]:
        """The part that was chosen by name, drawn."""
        if picture is None or seen is None:
            return None, None, gr.Slider(visible=False)
        look = self.service.look(picture, find_faces=False)
        return own, framed(look, frames(part, seen, own)), gr.Slider(visible=part == OWN)

    def move(self, picture: Path | None, seen: Seen | None, share: float, event: gr.SelectData) -> tuple[Any, ...]:
        """A part of the visitor's own, around what was clicked in the preview."""
        if picture is None or seen is None:
            return gr.Radio(), None, None, gr.Slider(visible=False)
        look = self.service.look(picture, find_faces=False)
        scale = seen.size[0] / look.preview.width
        return _own_part(look, placed(seen, share, (event.index[0] * scale, event.index[1] * scale)))

    def resize(self, picture: Path | None, seen: Seen | None, share: float, own: Crop | None) -> tuple[Any, ...]:
        """A part of the visitor's own, of another size around the same middle."""
        if picture is None or seen is None:
            return gr.Radio(), None, None, gr.Slider(visible=False)
        look = self.service.look(picture, find_faces=False)
        return _own_part(look, placed(seen, share, _middle_of(own or middle(seen.size))))

    def choose_code(self, event: gr.SelectData) -> tuple[int, int]:
        """A code that was clicked; it takes the place of samples."""
        return int(event.index), 0

    def translate(self, *wish: Any) -> tuple[Any, ...]:
        """Everything that the controls ask for, done."""
        order = self._order(*wish)
        if order is None:
            return self._no_result()
        made = self.service.translate(order, self.service.workspace.folder())
        part = None if order.paste else made.crop
        pair = (self.service.before(order.image, part, SHOWN_SIDE), shown(made.results[0]).convert("RGB"))
        several = [(shown(path, 256), label) for path, label in zip(made.results, made.labels, strict=True)]
        name = self.service.models.weights(order.model).name
        return (
            pair,
            "\n\n".join(map(plain, made.notes)),
            gr.Gallery(several if order.samples else [], visible=order.samples > 0),
            gr.DownloadButton("Download", value=str(made.results[0]), interactive=True),
            order.command(name),
            _hidden(),
        )

    def show_codes(self, *wish: Any) -> tuple[Any, int]:
        """The picture by each of the kept codes."""
        order = self._order(*wish)
        if order is None or order.to is None:
            return [], DEFAULT
        crop = "auto" if order.crop == "all" else order.crop
        return self.service.codes(order.model, order.image, order.to, crop, order.own), DEFAULT

    def draw_morph(self, *wish: Any) -> Any:
        """The way from the picture to its translation and back."""
        order = self._order(*wish)
        if order is None:
            return _hidden()
        path = self.service.morph(order, self.service.workspace.folder())
        return gr.Image(str(path), visible=True)

    def _nothing_seen(self) -> tuple[Any, ...]:
        return None, gr.Radio([WHOLE], value=WHOLE), None, None, gr.Radio()

    def _no_result(self) -> tuple[Any, ...]:
        """Of a picture that is gone, or could not be translated: what came of another would be taken for its own."""
        return None, "", gr.Gallery([], visible=False), gr.DownloadButton(interactive=False), "", _hidden()

    def _nothing(self) -> tuple[Any, ...]:
        return *self._nothing_seen(), *self._no_result(), [], DEFAULT

    def _order(
        self, model: str | None, picture: Path | None, to: str | None, code: int, like: Path | None, samples: float,
        seed: float | None, strength: float, own: str, part: str, paste: bool, seen: Seen | None, own_part: Crop | None,
    ) -> TranslationOrder | None:  # fmt: skip
        """The controls as an order; None where there is nothing to translate yet."""
        if picture is None or (to is None and like is None):
            return None
        crop = None if seen is None else crop_of(part, seen, own_part)
        is_face = self.service.models.weights(model).framing == "face"
        usual = "auto" if is_face else "none"
        drawn = int(samples) if like is None else 0
        return TranslationOrder(
            image=picture, model=model, to=to, like=like,
            code=code + 1 if code != DEFAULT and like is None and not drawn else None,
            samples=drawn, seed=int(seed or 0), strength=float(strength), own=None if own == PREDICTED else own,
            crop=None if crop == usual else crop, paste=bool(paste) or crop == "all",
        )  # fmt: skip


def _middle_of(crop: Crop) -> tuple[float, float]:
    return crop.left + crop.width / 2, crop.top + crop.height / 2


def _own_part(look: Look, crop: Crop) -> tuple[Any, ...]:
    return gr.Radio(value=OWN), crop, framed(look, [crop]), gr.Slider(visible=True)


def _hidden() -> Any:
    return gr.Image(None, visible=False)
