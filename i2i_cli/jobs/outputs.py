"""Where each result goes, settled before any work is done."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from i2i_cli.data.geometry import Crop
from i2i_cli.data.images import OUTPUT_FORMATS, SUFFIXES
from i2i_cli.errors import ConfigError, DataError, I2IError
from i2i_cli.files import check_written_as
from i2i_cli.jobs.sources import STREAM, Source

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


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


def check_new(path: Path, overwrite: bool) -> None:
    """Nothing is overwritten unasked.

    Raises:
        DataError: something is there.
    """
    if path.exists() and not overwrite:
        raise DataError(f"{path} exists already", "add --force, or give another name")


def check_picture(path: Path) -> None:
    """Refuse names that no picture is written under.

    Raises:
        ConfigError: the suffix is not one of an image's.
    """
    check_written_as(path, OUTPUT_FORMATS, "image")


def check_page(path: Path) -> None:
    """Refuse names that no report is written under.

    Raises:
        ConfigError: the suffix is not .html.
    """
    check_written_as(path, (".html",), "report")


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
