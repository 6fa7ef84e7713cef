"""Who watches a training. No torch at import: the command line's view of it inherits from here."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from i2i_cli.jobs.training.figures import HeldOutFigures


class Observer:
    """Is told what a training does; this one keeps silent."""

    def note(self, text: str) -> None:
        """Something a person should know once."""

    def decoding(self, done: int, total: int) -> None:
        """Images are being decoded into the cache."""

    def encoding(self, done: int, total: int) -> None:
        """Images are being encoded for a gallery."""

    def started(self, folder: Path, step: int) -> None:
        """The run in `folder` trains from `step` on."""

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        """Training stands at `step`, at `share` (0..1) of its length."""

    def sampled(self, step: int, sheet: "Image.Image") -> None:
        """A sheet of samples was drawn; it lies in the run's folder too."""

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        """The model was scored on held-out images."""


class Observers(Observer):
    """Several observers, each told everything."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def note(self, text: str) -> None:
        for observer in self._observers:
            observer.note(text)

    def decoding(self, done: int, total: int) -> None:
        for observer in self._observers:
            observer.decoding(done, total)

    def encoding(self, done: int, total: int) -> None:
        for observer in self._observers:
            observer.encoding(done, total)

    def started(self, folder: Path, step: int) -> None:
        for observer in self._observers:
            observer.started(folder, step)

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        for observer in self._observers:
            observer.training(step, share, images_per_second, terms)

    def sampled(self, step: int, sheet: "Image.Image") -> None:
        for observer in self._observers:
            observer.sampled(step, sheet)

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        for observer in self._observers:
            observer.scored(step, figures)
