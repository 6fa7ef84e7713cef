"""Who watches a training. No torch at import: the command line's view of it inherits from here."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2i_cli.jobs.training.held_out import HeldOutFigures


class Observer:
    """Is told what a training does; this one keeps silent."""

    def note(self, text: str) -> None:
        """Something a person should know once."""

    def decoding(self, done: int, total: int) -> None:
        """Images are being decoded into the cache."""

    def encoding(self, done: int, total: int) -> None:
        """Images are being encoded for a gallery."""

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        """Training stands at `step`, at `share` (0..1) of its length."""

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        """The model was scored on held-out images."""
