"""The galleries that are served: those named at the start, and a run's own. No torch."""

import threading
from collections.abc import Sequence
from pathlib import Path

from i2i_cli.checkpoints.names import GALLERY
from i2i_cli.checkpoints.weights import Weights
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.files import shown_path
from i2i_cli.inference.translator import Translator
from i2i_cli.jobs.retrieval.gallery import Gallery
from i2i_cli.jobs.retrieval.indexing import gallery_of
from i2i_cli.notes import Note, silent

OWN = "training images"
"""The name of a run's own gallery."""


class Galleries:
    """Galleries by name, opened when first asked for.

    Args:
        paths: folders of images, or indexes.
        note: is told what a person should know of one.

    Raises:
        DataError: there is nothing at a path.
    """

    def __init__(self, paths: Sequence[Path] = (), note: Note = silent) -> None:
        for path in paths:
            if not path.exists():
                raise DataError(f"there is no gallery {path}", "give a folder of images, or an index")
        self._given = {shown_path(path): path for path in paths}
        self._note = note
        self._opened: dict[tuple[str, Path], tuple[int, Gallery]] = {}
        self._opening = threading.Lock()

    def served(self, weights: Weights) -> dict[str, Path]:
        """Name and place of each gallery that may be searched with a model."""
        own = weights.path.parent / GALLERY
        return ({OWN: own} if own.is_file() else {}) | self._given

    def path(self, weights: Weights, name: str | None = None) -> Path:
        """Where the gallery called `name` is; None is the first one.

        Raises:
            ConfigError: there is none, or none of that name.
        """
        served = self.served(weights)
        if not served:
            raise ConfigError(
                f"there is no gallery to search with {weights.name}", "start with `i2i serve --gallery FOLDER`"
            )
        if name is not None and name not in served:
            raise ConfigError(f"no gallery is called {name!r}", nearest(name, list(served)))
        return served[name] if name is not None else next(iter(served.values()))

    def open(self, translator: Translator, name: str | None = None) -> Gallery:
        """The gallery called `name`, in codes of `translator`; a folder is encoded once, then brought up to date.

        Raises:
            ConfigError: see `path`.
            DataError, WeightsError: it cannot be read, or was made with other weights.
        """
        path = self.path(translator, name)
        with self._opening:
            key = translator.fingerprint, path
            written = path.stat().st_mtime_ns
            known = self._opened.get(key)
            if known is None or known[0] != written:
                known = written, gallery_of(translator, path, note=self._note)[0]
                self._opened[key] = known
            return known[1]
