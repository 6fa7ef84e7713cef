"""i2i: image-to-image translation between any number of domains, on the command line and in Python.

import i2i_cli as i2i
model = i2i.load("runs/faces")
image = model.translate(image, to="anime")
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Else onnxruntime, when it is imported, makes up an identifier of this machine and reports its use to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from i2i_cli.inference.runtime import load
    from i2i_cli.inference.translator import Translator
    from i2i_cli.jobs.evaluation.evaluate import evaluate
    from i2i_cli.jobs.retrieval.gallery import open_gallery
    from i2i_cli.jobs.retrieval.indexing import index_folder
    from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch
    from i2i_cli.jobs.training.config import run_config
    from i2i_cli.jobs.training.start import resume, train

_HOMES = {
    "NeighbourSearch": "i2i_cli.jobs.retrieval.neighbours",
    "Translator": "i2i_cli.inference.translator",
    "evaluate": "i2i_cli.jobs.evaluation.evaluate",
    "index_folder": "i2i_cli.jobs.retrieval.indexing",
    "load": "i2i_cli.inference.runtime",
    "open_gallery": "i2i_cli.jobs.retrieval.gallery",
    "resume": "i2i_cli.jobs.training.start",
    "run_config": "i2i_cli.jobs.training.config",
    "train": "i2i_cli.jobs.training.start",
}

__all__ = [
    "NeighbourSearch",
    "Translator",
    "__version__",
    "evaluate",
    "index_folder",
    "load",
    "open_gallery",
    "resume",
    "run_config",
    "train",
]


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562), so that `i2i --help` and completion import no torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
