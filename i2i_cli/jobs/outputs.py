"""Which files are read and where each result goes, settled before any work is done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.data.domains import find_images
from i2i_cli.data.images import OUTPUT_FORMATS
from i2i_cli.errors import ConfigError, DataError

STREAM = Path("-")
"""stdin as a source, stdout as an output."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image to read: its path (or `STREAM`) and the folder it was found through, if any."""

    path: Path
    below: Path | None = None


def find_sources(paths: Sequence[Path], recursive: bool) -> list[Source]:
    """The images that `paths` (files, folders, `-`) stand for.

    Raises:
        ConfigError: a folder without `recursive`.
        DataError: a folder without images.
    """
    sources = []
    for path in paths:
        if path == STREAM or not path.is_dir():
            sources.append(Source(path=path))
        elif not recursive:
            raise ConfigError(f"{path} is a folder", "add -r to take all images in it")
        elif found := find_images(path):
            sources += [Source(path=image, below=path) for image in found]
        else:
            raise DataError(f"{path} has no images in it")
    return sources


def plan_outputs(
    sources: Sequence[Source], labels: Sequence[str], out: Path | None, suffix: str = ".png"
) -> list[list[Path]]:
    """For each source, one output path for each label.

    Without `out`: `STEM-LABEL.png` beside the input; stdin goes to stdout. A folder (existing, or
    ending in a slash, or when there are several results) mirrors the paths below a source folder.

    Raises:
        ConfigError: two results would have one name, or one would take its input's place.
    """
    many = len(sources) * len(labels) > 1
    to_folder = out is not None and out != STREAM and (many or out.is_dir() or out.suffix.lower() not in OUTPUT_FORMATS)
    if out is not None and out.is_file() and to_folder:
        raise ConfigError(f"-o {out} is a file, but there are {len(sources) * len(labels)} results", "give a folder")
    if out == STREAM and many:
        raise ConfigError(f"stdout takes one image, not {len(sources) * len(labels)}", "give a folder with -o")
    planned = [[_output(source, label, out, to_folder, suffix) for label in labels] for source in sources]
    taken = Counter(path for paths in planned for path in paths if path != STREAM)
    if clash := next((path for path, count in taken.items() if count > 1), None):
        raise ConfigError(
            f"two results would be called {clash}", "rename an input, or translate them one folder at a time"
        )
    if own := next((s.path for s in sources if s.path in taken), None):
        raise ConfigError(f"the result would take the place of its input {own}", "give another -o")
    return planned


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
    """A label as part of a file name."""
    return label.replace("/", "_").replace("\\", "_").strip(".") or "_"
