"""Where uploads and results lie while they are needed: one folder of this process's own, gone when it ends."""

import atexit
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from i2i_cli.errors import DataError
from i2i_cli.files import safe_name

MAX_AGE = 3600.0
"""Seconds after which what a page was sent or shown is removed."""

SWEEP_EVERY = 60.0

MAX_NAME = 100
"""Bytes of an upload's name: results are named after it, with more behind."""


class Workspace:
    """A temporary folder; use it as a context, at whose end it is removed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="i2i-serve-", ignore_cleanup_errors=True)
        self.root = Path(self._folder.name).resolve()
        self._ended = threading.Event()

    def __enter__(self) -> "Workspace":
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._folder.cleanup()
        # A job that is still at work writes on; the interpreter waits for it, and then this is called.
        atexit.register(shutil.rmtree, self.root, ignore_errors=True)

    def folder(self) -> Path:
        """A new folder, which is removed when it is old."""
        if not self._ended.is_set():  # systems tidy up their temporary folders while servers run
            self.root.mkdir(mode=0o700, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.root))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder, which is removed when the block ends."""
        folder = self.folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def holds(self, path: str | Path) -> bool:
        """Whether `path` is of a file in here; nothing else is read for a visitor."""
        try:
            return Path(path).resolve().is_relative_to(self.root)
        except (OSError, ValueError):  # a NUL in it, a circle of links
            return False

    def without_folders(self, text: str) -> str:
        """`text` with the names of files alone: where they lie here says nothing to a visitor."""
        return re.sub(re.escape(str(self.root)) + r"[/\\](?:[\w-]+[/\\])*", "", text)

    def sweep(self, older_than: float = MAX_AGE) -> None:
        """Remove what was last changed more than so many seconds ago."""
        oldest = time.time() - older_than
        with suppress(OSError):
            for path in list(self.root.iterdir()):
                with suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _sweep(self) -> None:
        while not self._ended.wait(SWEEP_EVERY):
            self.sweep()


def stored(folder: Path, name: str | None, data: bytes) -> Path:
    """An upload as a file in `folder`, under a name that is safe on any disk.

    Raises:
        DataError: it is empty.
    """
    path = folder / _short(safe_name(Path(name or "").name or "image"))
    if not data:
        raise DataError(f"{path.name} is empty", "send the bytes of an image file")
    path.write_bytes(data)
    return path


def _short(name: str) -> str:
    """The end of a name, where its suffix is."""
    return safe_name(name.encode(errors="replace")[-MAX_NAME:].decode(errors="ignore"))
