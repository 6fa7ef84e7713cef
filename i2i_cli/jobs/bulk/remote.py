"""Files anywhere that fsspec reaches (`s3://…`, `gs://…`, `https://…`), by way of a folder on this machine."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i2i_cli.data.folders import Walk, passed_over
from i2i_cli.data.images import SUFFIXES
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference import inputs
from i2i_cli.inference.inputs import ADDRESS, ALL_OF_IT, Part, Source, url_of
from i2i_cli.notes import Note, silent


def local_place(path: Path, folder: Path) -> Path:
    """Where the file at an address lies below `folder`: under its own folders' names, which may tell its domain."""
    found = ADDRESS.fullmatch(path.as_posix())
    return Path(folder, *found.groups()) if found else path


def fetch(path: Path, folder: Path) -> Path:
    """The file at `path`, here; one at an address is copied below `folder`.

    Raises:
        DataError: it cannot be read.
    """
    url, place = url_of(path), local_place(path, folder)
    if url is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_read(url))
    return place


def put(place: Path, path: Path) -> None:
    """Copy the file at `place` to the address `path`; a file of this machine is there already.

    Raises:
        DataError: it cannot be written.
    """
    if (url := url_of(path)) is None:
        return
    fs, name = _file_system(url)
    try:
        fs.makedirs(fs._parent(name), exist_ok=True)
        fs.pipe_file(name, place.read_bytes())
    except Exception as error:  # whatever the client of a store raises
        raise DataError(f"cannot write {url}: {error}") from error


def exists(path: Path) -> bool:
    """Whether there is a file at `path`.

    Raises:
        DataError: that cannot be found out.
    """
    if (url := url_of(path)) is None:
        return path.exists()
    fs, name = _file_system(url)
    try:
        return bool(fs.exists(name))
    except Exception as error:
        raise DataError(f"cannot look for {url}: {error}") from error


def find_sources(paths: Sequence[Path], recursive: bool, part: Part = ALL_OF_IT, note: Note = silent) -> list[Source]:
    """As `inputs.find_sources`, at addresses too."""
    found = []
    for path in paths:
        url = url_of(path)
        if url is None:
            found += inputs.find_sources([path], recursive, part, note)
            continue
        fs, name = _file_system(url)
        if not fs.isdir(name):
            found.append(Source(path=path, crop=part.crop, face=part.face))
            continue
        if not recursive:
            raise ConfigError(f"{url} is a folder", "add -r to take all images in it")
        endings = {each: Path(each).suffix.lower() for each in fs.find(name)}
        names = sorted(each for each, ending in endings.items() if ending in SUFFIXES)
        others = Counter(ending or "none" for ending in endings.values() if ending not in SUFFIXES)
        told = passed_over([Walk(others=others)])
        if not names:
            raise DataError(f"{url} has no images in it", told)
        if told:
            note(f"{url}: {told}")
        start = str(fs._strip_protocol(name)).rstrip("/")
        places = [path / each[len(start) :].lstrip("/") for each in names]
        found += [Source(path=place, below=path, crop=part.crop, face=part.face) for place in places]
    return found


def _read(url: str) -> bytes:
    fs, name = _file_system(url)
    try:
        return bytes(fs.cat_file(name))
    except FileNotFoundError as error:
        raise DataError(f"{url}: no such file") from error
    except Exception as error:
        raise DataError(f"cannot read {url}: {error}") from error


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"cannot reach {url}: {error}") from error
