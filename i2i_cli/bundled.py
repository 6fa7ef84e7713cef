"""Where the weights that come with the package lie."""

from pathlib import Path


def bundled_folder() -> Path:
    """`weights/`, mapped into an installed package, or in the checkout beside an editable one."""
    package = Path(__file__).parent
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"
