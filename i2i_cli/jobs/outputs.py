"""Where each result goes, settled before any work is done."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from i2i_cli.data.images import OUTPUT_FORMATS, SUFFIXES
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.files import check_written_as
from i2i_cli.jobs.sources import STREAM, Source

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def plan_outputs(
    sources: Sequence[Source], labels: Sequence[str], out: Path | None, suffix: str = ".png"
) -> list[tuple[Source, list[Path]]]:
    """Each source with one output path for each label.

    Without `out`: `STEM-LABEL.png` beside the input; stdin goes to stdout. With it: that file, or a
    folder (an existing one, or a name without an image's suffix) that mirrors a source folder.
    Images found in a folder that are outputs of others found there are results of an earlier run,
    and no sources.

    Raises:
        ConfigError: two results would have one name, or one would take its input's place.
    """
    num_results = len(sources) * len(labels)
    to_folder = out is not None and out != STREAM and _is_folder(out, num_results)
    planned = [(source, [_output(source, label, out, to_folder, suffix) for label in labels]) for source in sources]
    made = {path.absolute() for _, paths in planned for path in paths if path != STREAM}
    planned = [
        (source, paths) for source, paths in planned if source.below is None or source.path.absolute() not in made
    ]
    taken = Counter(path.resolve() for _, paths in planned for path in paths if path != STREAM)
    num_streams = sum(path == STREAM for _, paths in planned for path in paths)
    if num_streams and num_results > 1:
        raise ConfigError(f"stdout takes one image, not {num_results} results", "give a folder with -o")
    if clash := next((path for path, count in taken.items() if count > 1), None):
        raise ConfigError(
            f"two results would be called {clash.name} in {clash.parent}", "rename an input, or give them one at a time"
        )
    if own := next((s.path for s, _ in planned if s.path != STREAM and s.path.resolve() in taken), None):
        raise ConfigError(f"the result would take the place of its input {own}", "give another -o")
    return planned


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
        raise ConfigError(f"no image is written as {suffix!r}", f"use one of {', '.join(OUTPUT_FORMATS)}")
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
