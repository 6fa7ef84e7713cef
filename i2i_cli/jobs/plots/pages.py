"""Self-contained pages: one frame for all, pictures inside, nothing fetched."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render(template: str, **values: Any) -> str:
    """The page that `template`, a file in `templates/`, makes of `values`; text in them is escaped."""
    # Late: jinja2, which only pages need.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def inline_figure(figure: "Figure") -> str:
    """An address that holds a figure of matplotlib's itself, as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return _address("png", buffer)


def inline(image: Image.Image, kind: str = "PNG") -> str:
    """An address that holds the image itself, as PNG or JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return _address(kind, buffer)


def _address(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
