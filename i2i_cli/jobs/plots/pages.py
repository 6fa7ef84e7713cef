"""Self-contained pages: one frame for all, pictures inside, nothing fetched."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JPEG_QUALITY = 90
SQUARE_SIDE = 256
"""Of a single square, pixels: large enough to be judged."""


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


def inline(image: Image.Image, kind: str = "PNG") -> str:
    """An address that holds the image itself, as PNG or JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"quality": JPEG_QUALITY} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def inline_enlarged(pixels: "NDArray[np.uint8]") -> str:
    """An address that holds a square (S, S, 3) itself, enlarged smoothly to `SQUARE_SIDE` if it is smaller, as JPEG."""
    image, side = Image.fromarray(pixels), max(SQUARE_SIDE, len(pixels))
    return inline(image.resize((side, side), Image.Resampling.BICUBIC), "JPEG")
