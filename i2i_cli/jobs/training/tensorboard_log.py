"""A log of a run for TensorBoard: the journal's numbers under plain names, and the sheets of samples. Torch is late."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.words import TERMS, readable

if TYPE_CHECKING:
    from PIL import Image

    from i2i_cli.jobs.training.figures import HeldOutFigures

LOG = "tensorboard"
"""The log's name, its folder's in a run and its package's."""

FLUSH_SECONDS = 20
"""The longest time that a number waits to be seen."""


def refuse_unknown_logs(names: Iterable[str]) -> None:
    """Refuse logs that there are none of, or none here.

    Raises:
        ConfigError: another name than "tensorboard", or its package is not installed.
    """
    for name in names:
        if name != LOG:
            raise ConfigError(f"no log is called {name!r}", nearest(name, [LOG]))
        if not is_installed():
            raise ConfigError("--log tensorboard needs the package tensorboard", "pip install 'i2i-cli[tensorboard]'")


def is_installed() -> bool:
    """Whether TensorBoard's package is here."""
    return find_spec(LOG) is not None


def keeps_log(folder: Path | None) -> bool:
    """Whether the run in `folder` has a log that can be gone on with."""
    return folder is not None and (folder / LOG).is_dir() and is_installed()


class TensorBoardLog(Observer):
    """Writes into `tensorboard/` of the run's folder; a run that is resumed goes on in the same.

    Where it cannot write, the training goes on without, and `tell` is told so once.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._writer: Any = None

    def started(self, folder: Path, step: int) -> None:
        # Late: torch. Its writer needs no more than TensorBoard's own, and is the documented one.
        from torch.utils.tensorboard import SummaryWriter

        def open_writer() -> None:
            # What an earlier sitting wrote of steps that are now done again is left out by whoever reads.
            purged = step + 1 if step else None
            self._writer = SummaryWriter(str(folder / LOG), purge_step=purged, flush_secs=FLUSH_SECONDS)

        self._spare(open_writer)

    def training(self, step: int, share: float, images_per_second: float, terms: dict[str, float]) -> None:
        values = {f"training/{name}": value for name, value in readable(terms).items()}
        values |= {f"losses/{name}": value for name, value in terms.items() if name not in TERMS}
        self._write(step, values | {"training/images a second": images_per_second})

    def sampled(self, step: int, sheet: "Image.Image") -> None:
        # Late: only a picture needs it.
        import numpy as np

        pixels = np.asarray(sheet.convert("RGB"))
        self._spare(lambda: self._writer and self._writer.add_image("samples", pixels, step, dataformats="HWC"))

    def scored(self, step: int, figures: "HeldOutFigures") -> None:
        means: dict[str, float | None] = {
            "rebuild error": figures.reconstruction_l1,
            "classified as the target": figures.mean_judged,
            "worst pair classified as the target": min(figures.judged.values()),
            "real images classified rightly": figures.judge_accuracy,
            "Frechet": figures.mean_frechet,
            "Frechet of rebuilt images": figures.frechet_reconstruction,
            "domain leakage": figures.leak_means,
            "domain leakage with noise": figures.leak_noisy,
        }
        values = {f"held out/{name}": value for name, value in means.items() if value is not None}
        for group, pairs in (
            ("classified as the target", figures.judged),
            ("Frechet", figures.frechet),
            ("own input found again", figures.found),
            ("nearest other output", figures.apart),
            ("content kept", figures.content_kept),
            ("sharpness", figures.sharpness),
            ("error against the counterpart", figures.pair_l1),
        ):
            values |= {f"{group}/{pair.replace('->', ' to ')}": value for pair, value in pairs.items()}
        self._write(step, values)

    def close(self) -> None:
        """Write what waits."""
        self._spare(lambda: self._writer and self._writer.close())

    def _write(self, step: int, values: dict[str, float]) -> None:
        def write() -> None:
            for name, value in values.items():
                self._writer.add_scalar(_tag(name), value, step)

        if self._writer is not None:
            self._spare(write)

    def _spare(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except OSError as error:
            self._tell(f"warning: training continues without the log for TensorBoard: {error.strerror or error}")
            writer, self._writer = self._writer, None
            with suppress(OSError):
                if writer is not None:
                    writer.close()


def _tag(name: str) -> str:
    """A name as TensorBoard takes it: its letters, and one slash between group and name."""
    group, _, rest = name.partition("/")
    return "/".join("".join(c if c.isalnum() or c in "-." else "_" for c in part) for part in (group, rest))
