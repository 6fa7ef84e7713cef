"""The tab that tells scripts how to have the same done."""

import gradio as gr

from i2i_cli.web.orders import MAX_SAMPLES
from i2i_cli.web.service import MAX_NEIGHBOURS

ADDRESS = "http://127.0.0.1:7860"

CURL = """curl -F image=@photo.jpg -F to=anime ADDRESS/api/translate -o photo-anime.png
curl -F a=@one.png -F b=@two.png ADDRESS/api/swap-domain -o both.zip
curl -F image=@photo.jpg -F k=5 ADDRESS/api/neighbours
curl -F image=@photo.jpg ADDRESS/api/classify
curl ADDRESS/api/models"""

PYTHON = """import httpx
answer = httpx.post("ADDRESS/api/translate", files={"image": open("photo.jpg", "rb")}, data={"to": "anime"})
open("photo-anime.png", "wb").write(answer.raise_for_status().content)"""

FIELDS = f"""
| path | fields of the form | answer |
|---|---|---|
| `/api/translate` | `image`, `to` or `like` (an image); `code`, `samples` (up to {MAX_SAMPLES}), `seed`, `strength`, `crop`, \
`paste`, `size`, `format` (png, jpg, webp) | the image; with `samples` a zip |
| `/api/morph` | `image`, `to` or `like`; `code`, `samples`, `seed`, `crop` | a GIF |
| `/api/swap-domain` | `a`, `b`; `from_a`, `from_b`, `crop` | a zip of two images |
| `/api/neighbours` | `image`; `k` (up to {MAX_NEIGHBOURS}), `gallery`, `in`, `crop` | JSON |
| `/api/classify` | `image`; `labels`, `crop` | JSON |
| `/api/models` (GET) | | JSON |

All take `model`, and `from` where the model needs the image's own domain. The fields mean what the options of the same
name mean on the command line. An error is JSON, `{{"error": …, "hint": …}}`, with the status 400 (a field), 404 (no such
model), 413 (too large), 422 (the image), 503 (too many are waiting: come again) or 500 (a fault of the server). What
should be known of a result stands in the header `I2I-Note`. The schema is at `/api/openapi.json`.
"""


def endpoint_tab() -> None:
    """Build the tab."""
    gr.Markdown("Every tab but Train and Codes is there for scripts too. Images go in and come out as files.")
    curl = gr.Code(CURL.replace("ADDRESS", ADDRESS), label="In a shell", language="shell", interactive=False)
    python = gr.Code(PYTHON.replace("ADDRESS", ADDRESS), label="In Python", language="python", interactive=False)
    gr.Markdown(FIELDS)
    return curl, python
