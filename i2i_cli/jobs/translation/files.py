"""Translate image files to image files: first where each result goes, then the work, in batches.

One bad file never stops the others.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from i2i_cli.data.geometry import Crop
from i2i_cli.data.images import OUTPUT_FORMATS, SUFFIXES, encode_image, write_image
from i2i_cli.errors import ConfigError, DataError, I2IError
from i2i_cli.inference.inputs import STREAM, Failure, Loaded, Source, load_batches
from i2i_cli.inference.translator import BaseTranslator, Target, Translated

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


class Task(NamedTuple):
    """An image to translate, and an output path for each target; `STREAM` is stdin or stdout.

    `error`: why it cannot be done, whatever is in it.
    """

    source: Source
    outputs: Sequence[Path]
    error: I2IError | None = None


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


def plan_outputs(
    sources: Sequence[Source], labels: Sequence[str], out: Path | None, suffix: str = ".png"
) -> list[Task]:
    """A task for each source, with one output path for each label.

    Without `out`: `STEM-LABEL.png` beside the input; stdin goes to stdout. With it: that file, or a
    folder (an existing one, or a name without an image's suffix) that mirrors a source folder.
    Images found in a folder that are outputs of others found there are results of an earlier run,
    and no sources. Sources whose results would have one name are tasks with an error.

    Raises:
        ConfigError: several results for one stream or file, or one that would take its input's place.
    """
    once: dict[tuple[Path, Crop | None], Source] = {}  # an image that is named twice is done once
    for source in sources:
        once.setdefault((source.path.absolute(), source.crop), source)
    sources = list(once.values())
    if twins := [label for label in labels if sum(_safe(label) == _safe(other) for other in labels) > 1]:
        names = " and ".join(dict.fromkeys(twins))
        raise ConfigError(f"several results of each image would be named after {names}", "give each in its own call")
    num_results = len(sources) * len(labels)
    to_folder = out is not None and out != STREAM and _is_folder(out, num_results)
    planned = [Task(source, [_output(source, label, out, to_folder, suffix) for label in labels]) for source in sources]
    made = {path.absolute() for task in planned for path in task.outputs if path != STREAM}
    planned = [task for task in planned if task.source.below is None or task.source.path.absolute() not in made]
    if any(path == STREAM for task in planned for path in task.outputs) and num_results > 1:
        raise ConfigError(f"stdout holds one image, not {num_results} results", "give a folder with -o")
    makers: dict[Path, list[Path]] = {}
    for task in planned:
        for path in {path.resolve() for path in task.outputs if path != STREAM}:
            makers.setdefault(path, []).append(task.source.path)
    if own := next(
        (t.source.path for t in planned if t.source.path != STREAM and t.source.path.resolve() in makers), None
    ):
        raise ConfigError(f"the result would overwrite its input {own}", "give another -o")
    return [task._replace(error=_clash(task, makers)) for task in planned]


def _clash(task: Task, makers: Mapping[Path, Sequence[Path]]) -> DataError | None:
    """What to say where a result of `task` would have the name of another source's."""
    for path in task.outputs:
        others = [other for other in makers.get(path.resolve(), ()) if other != task.source.path]
        if path != STREAM and others:
            return DataError(
                f"{task.source.path} and {others[0]} would both become {path.name}",
                "rename one, or give them one at a time with another -o",
            )
    return None


def _is_folder(out: Path, num_results: int) -> bool:
    if out.is_dir():
        return True
    suffix = out.suffix.lower()
    if suffix in SUFFIXES - OUTPUT_FORMATS.keys():
        raise ConfigError(f"cannot write an image as {suffix!r}", f"use one of {', '.join(OUTPUT_FORMATS)}")
    if suffix not in OUTPUT_FORMATS and not out.is_file():
        return True
    if num_results > 1:
        raise ConfigError(f"-o {out} is one file, but there are {num_results} results", "give a folder")
    return False


def _output(source: Source, label: str, out: Path | None, to_folder: bool, suffix: str) -> Path:
    if source.path == STREAM and (out is None or out == STREAM):
        return STREAM
    if out is not None and not to_folder:
        return out
    stem = "stdin" if source.path == STREAM else source.path.stem
    name = f"{stem}-{_safe(label)}{suffix}"
    if out is None:
        return source.path.parent / name
    mirrored = source.path.parent.relative_to(source.below) if source.below else Path()
    return out / mirrored / name


def _safe(label: str) -> str:
    """A label as part of a file name that every system can have."""
    return _UNSAFE.sub("_", label).strip(". ") or "_"


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
                items = [item for _, item in loaded]
                made = self.translator.translated(items, self.targets, self.own, self.strength)
                written = pool.map(self._write, *zip(*loaded, strict=True), made) if loaded else iter(())
                yield from _in_order(*before)  # while this batch is written, the next one is translated
                before = (batch, written)
            yield from _in_order(*before)

    def _write(self, task: Task, item: Loaded, made: Translated) -> Outcome:
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
