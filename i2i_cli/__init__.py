"""i2i: image-to-image translation between any number of domains, on the command line and in Python.

import i2i_cli as i2i
model = i2i.load("runs/faces")
image = model.translate(image, to="anime")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from i2i_cli.jobs.run_config import run_config
    from i2i_cli.jobs.training import resume, train
    from i2i_cli.jobs.translation import Translator, load

_HOMES = {
    "Translator": "i2i_cli.jobs.translation",
    "load": "i2i_cli.jobs.translation",
    "resume": "i2i_cli.jobs.training",
    "run_config": "i2i_cli.jobs.run_config",
    "train": "i2i_cli.jobs.training",
}

__all__ = ["Translator", "__version__", "load", "resume", "run_config", "train"]


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562), so that `i2i --help` and completion import no torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
