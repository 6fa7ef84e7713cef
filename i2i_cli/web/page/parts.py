"""What the tabs share: an upload that stays a file, and errors as sentences."""

import functools
import string
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from i2i_cli.data.images import read_image
from i2i_cli.errors import I2IError
from i2i_cli.notes import Note

SHOWN_SIDE = 768
"""Pixels of a side of what is shown; downloads have the input's size."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
"""Of every event: scripts have the endpoint."""

_PLAIN = {ord(mark): f"&#{ord(mark)};" for mark in string.punctuation}

SOURCES = ["upload", "clipboard", "webcam"]


def picture(label: str, **settings: Any) -> gr.Image:
    """An image that is dropped, pasted or taken; handlers get the path of the upload, which nobody has decoded."""
    settings = {"sources": SOURCES, "buttons": [], "height": 300, "elem_classes": "fill", **settings}
    made = gr.Image(label=label, type="filepath", image_mode=None, **settings)
    # Gradio would decode it without our limits; beside the module of a class derived from it, it writes a file.
    made.preprocess = _path_of  # type: ignore[method-assign]
    return made


def _path_of(payload: Any) -> Any:
    return None if payload is None or not payload.path else Path(payload.path)


def upload_of(image: gr.Image) -> gr.State:
    """The path of the upload that `image` holds; it changes once where the image itself tells of a change twice."""
    path = gr.State(None)
    # One after the other, or the second would not know of the first.
    alone = {"concurrency_limit": 1, "concurrency_id": "uploads", "show_progress": "hidden"}
    image.change(lambda path: path, [image], [path], **{**QUIET, **alone})
    return path


def thumbnails(label: str, **settings: Any) -> gr.Gallery:
    """Images to choose one of, with their label above them: Gradio's would lie on the first."""
    gr.Markdown(label, elem_classes="label")
    settings = {"height": "auto", "allow_preview": False, "buttons": [], "interactive": False, **settings}
    return gr.Gallery(label=label, show_label=False, **settings)


def command_box() -> gr.Code:
    """Where the command line stands that does the same; in one colour, for Gradio's of options is hard to read."""
    return gr.Code(
        label="The same in a shell", language=None, interactive=False, lines=1, wrap_lines=True, elem_classes="command",
    )  # fmt: skip


def worded(note: Note) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for handlers: what goes wrong becomes a sentence on the page.

    Args:
        note: is told of faults of ours, with their traceback.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def handling(*values: Any) -> Any:
            try:
                return handler(*values)
            except I2IError as error:
                hint = f"<br>Try: {plain(error.hint)}" if error.hint else ""
                raise gr.Error(f"{plain(error.message)}{hint}", duration=None, print_exception=False) from error
            except Exception as error:
                note("".join(traceback.format_exception(error)))
                told = "This is a bug in i2i: please report it, with the lines that the server printed."
                raise gr.Error(told, duration=None, print_exception=False) from error

        return handling

    return decorate


def shown(path: Path, side: int = SHOWN_SIDE) -> Image.Image:
    """A result of ours as it is shown, at most `side` pixels a side."""
    with Image.open(path) as image:
        image.load()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def plain(text: str) -> str:
    """Text that may hold anything, as what HTML and Markdown show letter by letter."""
    return text.translate(_PLAIN)


def pictured(path: Path, side: int = 256) -> Image.Image | None:
    """An image of a gallery as it is shown; None of one that is gone, or cannot be read any more."""
    try:
        image = read_image(path, side).rgb
    except (I2IError, OSError):
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image
