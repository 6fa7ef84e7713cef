"""Self-contained pages: one frame for all, pictures inside, nothing fetched."""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image


def render(template: str, **values: Any) -> str:
    """The page that `template`, a path below this folder, makes of `values`; text in them is escaped."""
    # Late: jinja2, which only pages need.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def inline(image: Image.Image, kind: str = "PNG") -> str:
    """An address that holds the image itself, as PNG or JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()
