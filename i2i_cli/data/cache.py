"""Where what is made once is kept: the user's cache folder. No torch."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from i2i_cli.notes import Note

Progress = Callable[[int, int], None]
"""Told how many are done, and of how many."""


def cache_folder() -> Path:
    """Where packed images and sample sets are kept: `I2I_CACHE`, or the user's cache folder.

    Where the user has no home it is a folder that goes with this process.
    """
    named = os.environ.get("I2I_CACHE")
    try:
        return Path(named) if named else user_cache_path("i2i")
    except RuntimeError:  # no HOME, and a user id that no account has
        return _of_this_process()


def usable_cache(note: Note) -> Path:
    """The same, or a folder that goes with this process where it cannot be written; `note` is told so."""
    folder = cache_folder()
    if folder != _of_this_process() and _can_be_written(folder):
        return folder
    what = "there is no home folder" if folder == _of_this_process() else f"{folder} cannot be written"
    note(f"{what}: decoded images are not cached (set I2I_CACHE=FOLDER to cache them elsewhere)")
    return _of_this_process()


@cache
def _of_this_process() -> Path:
    folder = tempfile.mkdtemp(prefix="i2i-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
