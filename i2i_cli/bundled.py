"""Where the weights and the photo that come with the package lie, and whether others may be fetched."""

import os
from pathlib import Path

OFFLINE = "I2I_OFFLINE"
"""Environment variable, set by `i2i --offline`: nothing is downloaded."""


def is_offline() -> bool:
    """Whether downloads are forbidden."""
    return os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


def bundled_folder() -> Path:
    """`weights/`, mapped into an installed package, or in the checkout beside an editable one."""
    package = Path(__file__).parent
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"


PORTRAIT = "astronaut.jpg"
"""A photo by NASA, in the public domain; it comes with the package."""


def portrait_file() -> Path:
    """The photo: mapped into an installed package, or in the checkout beside an editable one."""
    package = Path(__file__).parent
    inside = package / "docs" / PORTRAIT
    return inside if inside.is_file() else package.parent / "docs" / PORTRAIT
