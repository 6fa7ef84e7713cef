"""Translate image files to image files, in batches; one bad file never stops the others."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.data.images import encode_image, write_image
from i2i_cli.errors import DataError, I2IError
from i2i_cli.inference.translator import BaseTranslator, Target, sources_of
from i2i_cli.jobs.outputs import Task
from i2i_cli.inference.inputs import STREAM, Failure, Loaded, load_batches


class Made(NamedTuple):
    """An image's square in every target, and its own domain where codes need it."""

    squares: Sequence[NDArray[np.uint8]]
    source: str | None


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


@dataclass(frozen=True, kw_only=True)
class FileTranslation:
    """How files are translated.

    Args:
        targets: the domain codes; every source is translated to each.
        own: the domain of all sources, where codes need it; else their folder's, else predicted.
        strength: from the domain code that rebuilds an image (0) to the target's (1).
        at_model_size: leave results at the model's resolution.
        overwrite: replace outputs that are there.
        skip_existing: leave sources alone whose outputs are all there.
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """

    translator: BaseTranslator
    targets: Sequence[Target]
    own: str | None = None
    strength: float = 1.0
    at_model_size: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    read_stdin: Callable[[], bytes] = field(default=bytes)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """One outcome a task, in order, as soon as its batch is written and the next one translated."""
        settled = [self._settled(task) for task in tasks]
        waiting = [task for task, outcome in zip(tasks, settled, strict=True) if outcome is None]
        with closing(self._translated(waiting)) as done:
            for outcome in settled:
                yield next(done) if outcome is None else outcome

    def _settled(self, task: Task) -> Outcome | None:
        """The outcome of a task that cannot be done, or whose outputs are there already, where that ends it."""
        source = task.source.path
        if task.error is not None:
            return Outcome(source=source, error=task.error)
        try:
            existing = [path for path in task.outputs if path != STREAM and path.exists()]
        except OSError as error:  # a name that is too long, a folder that may not be entered
            return Outcome(source=source, error=DataError(f"{source}: {error.strerror}"))
        if self.skip_existing and len(existing) == len(task.outputs):
            return Outcome(source=source, skipped=True)
        if existing and not (self.overwrite or self.skip_existing):
            taken = DataError(f"{existing[0]} exists already", "add --force or --skip-existing")
            return Outcome(source=source, error=taken)
        return None

    def _translated(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        waiting = iter(tasks)
        batches = load_batches([task.source for task in tasks], self.translator.image_size, self.read_stdin)
        before: tuple[Sequence[Loaded | Failure], Iterator[Outcome]] = ((), iter(()))
        with ThreadPoolExecutor() as pool:
            for batch in batches:
                owners = [next(waiting) for _ in batch]
                loaded = [(task, item) for task, item in zip(owners, batch, strict=True) if isinstance(item, Loaded)]
                made = self._translate([item for _, item in loaded])
                written = pool.map(self._write, *zip(*loaded, strict=True), made) if loaded else iter(())
                yield from _in_order(*before)  # while this batch is written, the next one is translated
                before = (batch, written)
            yield from _in_order(*before)

    def _translate(self, loaded: Sequence[Loaded]) -> list[Made]:
        """Each loaded image in every target."""
        if not loaded:
            return []
        sources = sources_of(self.translator, loaded, self.own)
        codes = self.translator.encode([item.square for item in loaded], sources)
        by_target = [self.translator.decode(codes, target, self.strength, sources) for target in self.targets]
        own: Sequence[str | None] = sources or [None] * len(loaded)
        return [Made(squares, source) for *squares, source in zip(*by_target, own, strict=True)]

    def _write(self, task: Task, item: Loaded, made: Made) -> Outcome:
        source, written, data = task.source.path, [], b""
        try:
            for target, path, square in zip(self.targets, task.outputs, made.squares, strict=True):
                self.translator.check_route(made.source, target.domain, str(source))
                image = item.frame.restore(square, self.at_model_size)
                if path == STREAM:
                    data = encode_image(image)
                elif path.exists() and not self.overwrite:
                    continue
                else:
                    write_image(path, image)
                written.append((target.label, path))
        except I2IError as error:
            return Outcome(source=source, written=tuple(written), error=error)
        return Outcome(source=source, written=tuple(written), data=data, note=item.note)


def _in_order(batch: Sequence[Loaded | Failure], written: Iterator[Outcome]) -> Iterator[Outcome]:
    """An outcome for each image of a batch: that of its reading where it failed, else the next of `written`."""
    for item in batch:
        yield Outcome(source=item.source.path, error=item.error) if isinstance(item, Failure) else next(written)
