"""Files that appear whole or not at all, and locks on what one process alone may change."""

import os
import platform
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from i2i_cli.errors import ConfigError, DataError

PART = ".part"
"""Ending of a file that is not whole yet."""

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its name once the block is through.

    Links are followed, the umask decides the mode, and the contents are on disk before the rename.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name[:80]}-{secrets.token_hex(4)}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        mode = os.fstat(handle).st_mode & 0o777
        os.close(handle)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(mode)  # a library may have put a file of its own in the place
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs, and say in it who does.

    The system lets go of it when the process ends, however it ends; the file stays.

    Raises:
        DataError: another process holds it, or the file cannot be made.
    """
    # Late: few commands change anything in place.
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"{what} is in use by {_holder(path)}", "wait for it to end, or stop it") from None
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with suppress(OSError):  # on a full disk the lock holds without a name
            path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _holder(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")[:200] or "another process"
    return "another process"


def sweep(folder: Path) -> None:
    """Remove what `written_whole` was writing in and below `folder` when its process was killed."""
    for path in folder.rglob(f".*{PART}"):
        with suppress(OSError):
            path.unlink()


def check_new(path: Path, overwrite: bool) -> None:
    """Nothing is overwritten unasked.

    Raises:
        DataError: something is there.
    """
    if path.exists() and not overwrite:
        raise DataError(f"{path} exists already", "add --force, or give another name")


def check_written_as(path: Path, suffixes: Collection[str], what: str) -> None:
    """Refuse names that say nothing of the file's kind, or another one.

    Raises:
        ConfigError: no `what` is written under this suffix.
    """
    if path.suffix.lower() not in suffixes:
        raise ConfigError(f"cannot write the {what} as {path.suffix!r}", f"use {', '.join(suffixes)}")


def safe_name(text: str) -> str:
    """`text` as a file name, or a part of one, that every system can have."""
    return _UNSAFE.sub("_", text).strip(". ") or "_"


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def shown_path(path: Path) -> str:
    """A path as short as it can be told from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
