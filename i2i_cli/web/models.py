"""The models that are served: found by name, opened when first asked for, kept open. No torch unless one needs it."""

import threading
from collections.abc import Sequence
from pathlib import Path

from i2i_cli.checkpoints.names import MODEL, RUNS, list_weights
from i2i_cli.checkpoints.weights import Weights, open_weights
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.inference.runtime import load
from i2i_cli.inference.translator import Translator
from i2i_cli.notes import Note, silent


class Models:
    """Models by name.

    Args:
        chosen: the weights to serve; none stands for the finished runs under ./runs, as they come, and the shipped
            models.
        device, runtime: see `inference/runtime.py`.
        note: is told what a person should know of a choice.

    Raises:
        WeightsError: one of `chosen` cannot be read, or there are none at all.
    """

    def __init__(
        self, chosen: Sequence[str] = (), device: str = "auto", runtime: str = "auto", note: Note = silent
    ) -> None:
        self._device, self._runtime, self._note = device, runtime, note
        self._chosen = [open_weights(name) for name in chosen]
        first = self._chosen[0] if self._chosen else open_weights(note=note)
        self._first = first.path
        self._served: tuple[object, dict[str, Weights]] | None = None
        self._opened: dict[Path, tuple[int, Translator]] = {}
        self._opening = threading.Lock()

    def served(self) -> dict[str, Weights]:
        """What is served now, by name, the default first."""
        runs = () if self._chosen else _runs_now()
        if self._served is None or self._served[0] != runs:  # names and headers are read from many files
            self._served = runs, self._read()
        return dict(self._served[1])

    def _read(self) -> dict[str, Weights]:
        if self._chosen:
            return {weights.name: weights for weights in self._chosen}
        finished = (entry for entry in list_weights() if entry.header is not None and entry.header.finished)
        found = [Weights(entry.path, entry.header) for entry in finished if entry.header is not None]
        found.sort(key=lambda weights: weights.path != self._first)  # stable: the others keep their order
        return {weights.name: weights for weights in found}

    def weights(self, name: str | None = None) -> Weights:
        """The weights called `name`, as far as their header tells; None is the default.

        Raises:
            ConfigError: they are not served.
            WeightsError: none are, any more.
        """
        served = self.served()
        if not served:
            raise WeightsError("there are no weights any more", "train a model, or start anew with -w")
        if name is None:
            return next(iter(served.values()))
        if name not in served:
            raise UnknownNameError(f"no model is called {name!r}", nearest(name, list(served)))
        return served[name]

    def open(self, name: str | None = None) -> Translator:
        """The model called `name`, ready to work; read again where its file has changed.

        Raises:
            ConfigError, WeightsError: see `weights`; or it cannot be opened.
        """
        weights = self.weights(name)
        with self._opening:
            try:
                written = weights.path.stat().st_mtime_ns
            except OSError as error:
                raise WeightsError(f"cannot read the model {weights.name}: {error.strerror}") from error
            known = self._opened.get(weights.path)
            if known is None or known[0] != written:
                known = written, load(weights.path, self._device, self._runtime, self._note)
                self._opened[weights.path] = known
            return known[1]


def _runs_now() -> tuple[tuple[Path, int], ...]:
    """The weights below ./runs, and when each was written."""
    return tuple((path, path.stat().st_mtime_ns) for path in sorted(RUNS.glob(f"*/{MODEL}")))


class UnknownNameError(ConfigError):
    """A name that nothing of what is served has."""
