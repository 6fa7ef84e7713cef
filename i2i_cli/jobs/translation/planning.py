"""What is to be translated to what, and where each result goes: decided before any model is loaded. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from i2i_cli.data.geometry import Crop
from i2i_cli.data.images import SUFFIXES, check_file, upright_size
from i2i_cli.data.writing import OUTPUT_FORMATS
from i2i_cli.errors import ConfigError, DataError, I2IError
from i2i_cli.files import safe_name
from i2i_cli.inference.inputs import STREAM, Loaded, Source, url_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from i2i_cli.inference.translator import Target, Translator


@dataclass(frozen=True, kw_only=True)
class TargetChoice:
    """The domain codes that are asked for.

    Args:
        domains: the model's names of the domains to translate to.
        like: an image whose domain code is taken; `domains` names its domain, where it is told.
        code: the number of the kept code of each domain, from 1; None takes the default one.
        samples: kept codes drawn of each domain, in the place of one that is named.
    """

    domains: Sequence[str] = ()
    like: Path | None = None
    code: int | None = None
    samples: int = 0
    seed: int = 0

    def labels(self) -> list[str]:
        """What names the results of each image."""
        if self.like is not None:
            return [*self.domains[:1], self.like.stem][:1]
        if self.samples:
            return [f"{domain}-{place}" for domain in self.domains for place in range(1, self.samples + 1)]
        return [domain if self.code is None else f"{domain}-code{self.code}" for domain in self.domains]

    def targets(self, translator: "Translator") -> "list[Target]":
        """The codes, labelled as `labels` says.

        Raises:
            ConfigError, DataError: a code or more samples than are kept, or an image that lends none.
        """
        if self.like is not None:
            return [translator.like(self.like, *self.domains[:1])]
        if self.samples:
            found = (translator.samples(domain, self.samples, self.seed) for domain in self.domains)
            return [target for targets in found for target in targets]
        return [translator.target(domain, code=self.code) for domain in self.domains]


class Task(NamedTuple):
    """An image to translate, and an output path for each target; `STREAM` is stdin or stdout.

    `error`: why it cannot be done, whatever is in it.
    """

    source: Source
    outputs: Sequence[Path]
    error: I2IError | None = None


def plan_outputs(
    sources: Sequence[Source], labels: Sequence[str], out: Path | None, suffix: str = ".png"
) -> list[Task]:
    """A task for each source, with one output path for each label.

    Without `out`: `STEM-LABEL.png` beside the input; stdin goes to stdout. With it: that file, or a
    folder (an existing one, or a name without an image's suffix) that mirrors a source folder. What was found in a
    folder needs one: results never land among the images of a folder unasked.
    Images found in a folder that are outputs of others found there are results of an earlier run,
    and no sources. Sources whose results would have one name are tasks with an error.

    Raises:
        ConfigError: several results for one stream or file, one that would take its input's place, or no place given
            for the results of a folder.
    """
    if out is None and (folder := next((source.below for source in sources if source.below is not None), None)):
        raise ConfigError(
            f"results of the folder {folder} need a place of their own",
            f"add -o {folder.absolute().name}-{safe_name(labels[0])}/, or -o {folder} to have them among its images",
        )
    once: dict[tuple[Path, Crop | None], Source] = {}  # an image that is named twice is done once
    for source in sources:
        once.setdefault((source.path.absolute(), source.crop), source)
    sources = list(once.values())
    if twins := [label for label in labels if sum(safe_name(label) == safe_name(other) for other in labels) > 1]:
        names = " and ".join(dict.fromkeys(twins))
        raise ConfigError(f"several results of each image would be named after {names}", "give each in its own call")
    num_results = len(sources) * len(labels)
    to_folder = out is not None and out != STREAM and is_folder(out, num_results)
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


def is_folder(out: Path, num_results: int = 1) -> bool:
    """Whether `out` names a folder to write into, rather than one image file.

    Raises:
        ConfigError: a name that no image is written under, or one file for several results.
    """
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
    stem += f"-{source.number}" if source.number else ""
    name = f"{stem}-{safe_name(label)}{suffix}"
    if out is None:
        return source.path.parent / name
    mirrored = source.path.parent.relative_to(source.below) if source.below else Path()
    return out / mirrored / name


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one task: the files written, or the error that stopped it.

    Args:
        written: (target label, path) of every output.
        data: the encoded image, where the output is stdout.
        skipped: all outputs were there already, and were to be left alone.
        note: what a person should know of how the source was read.
        crop, faceless: the part where a face was found and translated, or that none was: see `inputs.Loaded`.
        unlike: the image is unlike what the model was trained on: see `Coder.unlike`.
        loaded, squares: the image as the model saw it, and its translations, where they were asked for.
    """

    source: Path
    written: tuple[tuple[str, Path], ...] = ()
    data: bytes = b""
    skipped: bool = False
    note: str = ""
    crop: Crop | None = None
    faceless: bool = False
    unlike: bool = False
    loaded: Loaded | None = None
    squares: "Sequence[NDArray[np.uint8]]" = ()
    error: I2IError | None = None


def settled(task: Task, overwrite: bool, skip_existing: bool) -> Outcome | None:
    """The outcome of a task that cannot be done, or whose outputs are there already, where that ends it.

    No image is decoded for it, and no model is needed.
    """
    source = task.source
    if task.error is not None:
        return Outcome(source=source.path, error=task.error)
    try:
        existing = [path for path in task.outputs if path != STREAM and path.exists()]
        if skip_existing and len(existing) == len(task.outputs):
            return Outcome(source=source.path, skipped=True)
        if existing and not (overwrite or skip_existing):
            raise DataError(f"{existing[0]} exists already", "add --force or --skip-existing")
        if source.path != STREAM and url_of(source.path) is None:
            check_file(source.path)
            if source.crop is not None and (size := upright_size(source.path)) is not None:
                source.crop.check(size, str(source.path))
    except I2IError as error:
        return Outcome(source=source.path, error=error)
    except OSError as error:  # a name that is too long, a folder that may not be entered
        return Outcome(source=source.path, error=DataError(f"{source.path}: {error.strerror}"))
    return None
