"""Translate image files to image files, in batches; one bad file never stops the others."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.data.geometry import Frame, fit
from i2i_cli.data.images import encode_image, read_image, write_image
from i2i_cli.errors import DataError, I2IError
from i2i_cli.jobs.outputs import STREAM
from i2i_cli.jobs.translation import Target, Translator

BATCH = 32
"""Images a forward pass, and the most that are in memory at once."""


class Task(NamedTuple):
    """An image to translate, and an output path for each target; `STREAM` is stdin or stdout."""

    source: Path
    outputs: Sequence[Path]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one task: the files written, or the error that stopped it.

    Args:
        written: (target label, path) of every output.
        data: the encoded image, where the output is stdout.
        skipped: all outputs were there already, and were to be left alone.
        note: what a person should know of how the source was read.
    """

    source: Path
    written: tuple[tuple[str, Path], ...] = ()
    data: bytes = b""
    skipped: bool = False
    note: str = ""
    error: I2IError | None = None


class _Loaded(NamedTuple):
    task: Task
    square: NDArray[np.uint8]
    frame: Frame
    note: str


@dataclass(frozen=True, kw_only=True)
class FileTranslation:
    """How files are translated.

    Args:
        targets: the domain codes; every source is translated to each.
        strength: from the image's own domain code (0) to the target's (1).
        at_model_size: leave results at the model's resolution.
        overwrite: replace outputs that are there.
        skip_existing: leave sources alone whose outputs are all there.
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """

    translator: Translator
    targets: Sequence[Target]
    strength: float = 1.0
    at_model_size: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    read_stdin: Callable[[], bytes] = field(default=bytes)

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """One outcome a task, in order, as soon as its batch is written."""
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(tasks), BATCH):
                found = list(pool.map(self._load, tasks[start : start + BATCH]))
                loaded = [item for item in found if isinstance(item, _Loaded)]
                written = pool.map(self._write, loaded, self._translate(loaded))
                for item in found:
                    yield item if isinstance(item, Outcome) else next(written)

    def _load(self, task: Task) -> "_Loaded | Outcome":
        try:
            existing = [path for path in task.outputs if path != STREAM and path.exists()]
            if self.skip_existing and len(existing) == len(task.outputs):
                return Outcome(source=task.source, skipped=True)
            if existing and not (self.overwrite or self.skip_existing):
                raise DataError(f"{existing[0]} exists already", "add --force or --skip-existing")
            side = self.translator.image_size
            picture = read_image(self.read_stdin() if task.source == STREAM else task.source, 2 * side)
            return _Loaded(task, *fit(picture, side), picture.note)
        except I2IError as error:
            return Outcome(source=task.source, error=error)
        except OSError as error:  # a name that is too long, a folder that may not be entered
            return Outcome(source=task.source, error=DataError(f"{task.source}: {error.strerror}"))

    def _translate(self, loaded: Sequence[_Loaded]) -> list[list[NDArray[np.uint8]]]:
        """For each loaded image, its square in every target."""
        if not loaded:
            return []
        codes = self.translator.encode([item.square for item in loaded])
        by_target = [self.translator.decode(codes, target, self.strength) for target in self.targets]
        return [list(squares) for squares in zip(*by_target, strict=True)]

    def _write(self, item: _Loaded, squares: Sequence[NDArray[np.uint8]]) -> Outcome:
        written, data = [], b""
        try:
            for target, path, square in zip(self.targets, item.task.outputs, squares, strict=True):
                image = item.frame.restore(square, self.at_model_size)
                if path == STREAM:
                    data = encode_image(image)
                elif path.exists() and not self.overwrite:
                    continue
                else:
                    write_image(path, image)
                written.append((target.label, path))
        except I2IError as error:
            return Outcome(source=item.task.source, written=tuple(written), error=error)
        return Outcome(source=item.task.source, written=tuple(written), data=data, note=item.note)
