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

    The system lets go of it when the process ends, however it ends; the file stays, empty where it ended well.

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
        with suppress(OSError):
            os.truncate(path, 0)  # the process may go on, and is not to be taken for the holder: see `is_held`
        lock.release()


def is_held(path: Path) -> bool | None:
    """Whether somebody holds the lock file at `path`, found without trying to take it.

    None: it cannot be told; another machine holds it, or this one does not let its processes be asked after.
    """
    try:
        found = _NAME.fullmatch(path.read_text(encoding="utf-8", errors="replace"))
        since = path.stat().st_mtime
    except FileNotFoundError:
        return False
    except (OSError, ValueError):  # ValueError: no file has such a name
        return None
    if found is None:
        return False
    # On Windows, os.kill ends a process, whatever the signal.
    return _is_running(int(found[1]), since) if found[2] == platform.node() and os.name != "nt" else None


_NAME = re.compile(r"process ([1-9]\d{0,8}) on (.*)")
"""What `locked` writes."""


def _is_running(pid: int, since: float) -> bool:
    """Whether process `pid` of this machine still is, and is the one that wrote its name at `since` (epoch)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass  # somebody else's
    except OSError:
        return False
    try:  # Linux tells more: one that is dead but not yet buried, or a later one with the number of a dead one
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(encoding="utf-8"), re.MULTILINE)
        started = int(boot[1] if boot else 0) + int(fields[18]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return True
    return state not in ("Z", "X") and started < since + _CLOCK_SLACK


_CLOCK_SLACK = 60.0
"""Seconds by which the time of a process's start, counted from the start of the machine, may be off."""


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
