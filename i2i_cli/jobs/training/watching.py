"""What a run folder tells of its training, wherever that goes on: it is read, and never locked or changed. No torch."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from i2i_cli.checkpoints.header import Header, read_header, read_metadata
from i2i_cli.checkpoints.names import LOCK, MODEL, RUNS
from i2i_cli.config import read_toml
from i2i_cli.engine.journal import JournalReader
from i2i_cli.errors import ConfigError, I2IError, WeightsError
from i2i_cli.files import is_held
from i2i_cli.jobs.training.layout import CONFIG, JOURNAL, LATEST, SAMPLES, STATE, STATE_KEY, sample_sheets
from i2i_cli.jobs.training.words import readable

RunState = Literal["starting", "training", "finishing", "stopped", "finished"]
"""Starting: before the first step, while images are read and networks built. Finishing: after the last one, while
figures and the images' codes are made. A run that is stopped can be resumed."""

RECENT = 20
"""Readings of the losses whose speed is the speed now: of fewer, it jumps where other work shares the machine."""

FRESH_SECONDS = 600.0
"""Where a lock does not tell whether somebody trains: somebody does if the folder was written this lately."""

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """How far a training has come, as its folder tells.

    Args:
        step: the latest in the journal; where nobody trains, the one that a resumed run would go on from.
        images_per_second: of the last readings; None before the first.
        share: of its length, from 0 to 1, by steps or by minutes; None where it is not known.
        seconds_left: of training; None where nobody trains, or it is not known. By steps, it is not foreseen what
            scores on the way will take.
        terms: the latest losses that a person can read, in plain words.
        figures: the latest held-out figures, as journalled.
        history: all held-out figures in order, each with its "step".
        sheet: the latest sample sheet.
        sheets: all of them, in the order of their steps.
        updated: when the folder was last written, seconds since the epoch; None where it holds nothing of a run.
        problem: what cannot be read, or "".
    """

    name: str
    folder: Path
    state: RunState = "stopped"
    step: int = 0
    images_per_second: float | None = None
    share: float | None = None
    seconds_left: float | None = None
    terms: dict[str, float] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = ()
    sheet: Path | None = None
    sheets: tuple[Path, ...] = ()
    updated: float | None = None
    problem: str = ""


def list_runs(root: Path = RUNS) -> list[RunStatus]:
    """Every run in the folder `root`, the one that was written last first."""
    try:
        found = [run_status(folder) for folder in root.iterdir() if _times(folder)]
    except OSError:
        return []
    return sorted(found, key=lambda run: run.updated or 0.0, reverse=True)


def run_status(folder: Path) -> RunStatus:
    """How far the training in `folder` has come. What is missing or damaged there is a `problem`, never an error."""
    held = is_held(folder / LOCK)  # asked first: what an end writes is there before its lock is gone
    name, times, now = folder.absolute().name, _times(folder), time.time()
    if not times:
        return RunStatus(name=name, folder=folder, problem=f"{folder} holds no run")
    is_busy = now - max(times.values()) < FRESH_SECONDS if held is None else held
    has_begun = is_busy and _has_begun(folder, times)
    files = _Files(folder, times)
    length, saved, header, told = files.length(), files.saved(), files.header(), files.told(is_starting=is_busy)
    step = told.step if has_begun or saved is None else saved.step
    seconds = None if saved is None else saved.seconds
    if seconds is not None and has_begun:  # counted from the last save or, if that came later, the sitting's start
        seconds += max(0.0, now - max(times.get(STATE, 0.0), times.get(CONFIG, 0.0)))
    share = None if length is None else length.share(step, seconds)
    state = _state(is_busy, has_begun, share, header is not None and header.finished)
    left = None
    if state == "training" and length is not None:
        left = length.seconds_left(step, seconds, told, now - times.get(JOURNAL, now))
    latest = folder / SAMPLES / LATEST
    return RunStatus(
        name=name,
        folder=folder,
        state=state,
        step=step,
        images_per_second=told.images_per_second,
        share=share,
        seconds_left=left,
        terms=told.terms,
        figures={key: value for key, value in told.history[-1].items() if key != "step"} if told.history else {},
        history=told.history,
        sheet=latest if latest.is_file() else None,
        sheets=_sheets(folder),
        updated=max(times.values()),
        problem="; ".join(files.problems),
    )


def _state(is_busy: bool, has_begun: bool, share: float | None, has_ended: bool) -> RunState:
    """`has_ended`: the weights in the folder say that they are those of a run's end."""
    is_through = share is not None and share >= 1
    if has_begun:
        return "finishing" if is_through else "training"
    # Weights may be those of an earlier end, where a run is to be trained longer.
    if has_ended and (is_through or share is None):
        return "finished"
    return "starting" if is_busy else "stopped"


class _Length(NamedTuple):
    """How long a run is to train: see `TrainingConfig`. 0 is no limit."""

    steps: float
    minutes: float
    batch_size: float

    def share(self, step: int, seconds: float | None) -> float | None:
        """How much of it is done, as `Sitting.share` has it, but at most 1."""
        ways = [min(step, self.steps) / self.steps] if self.steps else []
        ways += [min(seconds / (60 * self.minutes), 1.0)] if self.minutes and seconds is not None else []
        return max(ways, default=None)

    def seconds_left(self, step: int, seconds: float | None, told: "_Told", since: float) -> float | None:
        """Seconds of training that are left, `since` seconds after `step`."""
        ways = [60 * self.minutes - seconds] if self.minutes and seconds is not None else []
        if self.steps and told.images_per_second:
            a_step = self.batch_size / told.images_per_second
            # Where the next reading is late, scores or samples are made, and no steps.
            ways.append((self.steps - step) * a_step - min(since, told.gap * a_step))
        return max(0.0, min(ways)) if ways else None


class _Saved(NamedTuple):
    """Where a run stood when its state was saved: see `StateFacts`."""

    step: int
    seconds: float


class _Told(NamedTuple):
    """What a journal tells: see `RunStatus`. `gap`: steps between the last two readings of the losses."""

    step: int
    gap: int
    images_per_second: float | None
    terms: dict[str, float]
    history: tuple[dict[str, Any], ...]


_NOTHING = _Told(0, 0, None, {}, ())


class _Files:
    """The files of a run folder, as they are read, and what is wrong with them.

    Args:
        times: see `_times`.
    """

    def __init__(self, folder: Path, times: Mapping[str, float]) -> None:
        self.folder, self.times = folder, times
        self.problems: list[str] = []

    def length(self) -> _Length | None:
        """What the config says; None where it says nothing."""
        return self._read(CONFIG, _length)

    def saved(self) -> _Saved | None:
        """What the saved state says; None where there is none."""
        return self._read(STATE, _saved) if STATE in self.times else None

    def header(self) -> Header | None:
        """That of the weights; None where there are none."""
        return self._read(MODEL, _header) if MODEL in self.times else None

    def told(self, is_starting: bool) -> _Told:
        """What the journal says. Where a training may be starting, there may be none yet."""
        if is_starting and JOURNAL not in self.times:
            return _NOTHING
        return self._read(JOURNAL, lambda path, _: _diary(path).told()) or _NOTHING

    def _read(self, name: str, read: Callable[[Path, float], Read]) -> Read | None:
        path = self.folder / name
        try:
            return read(path, self.times.get(name, 0.0))
        except I2IError as error:
            self.problems.append(error.message)
        except OSError as error:
            self.problems.append(f"cannot read {path}: {error.strerror or error}")
        except RecursionError:
            self.problems.append(f"{path} is damaged")
        return None


def _times(folder: Path) -> dict[str, float]:
    """When each of the files that make up a run was last written, seconds since the epoch."""
    times = {}
    for name in (CONFIG, STATE, JOURNAL, MODEL):
        with suppress(OSError, ValueError):  # ValueError: no file has such a name
            times[name] = (folder / name).stat().st_mtime
    return times


def _has_begun(folder: Path, times: Mapping[str, float]) -> bool:
    """Whether who holds the folder has written in its journal: a sitting does so before its first step."""
    with suppress(OSError):
        return times.get(JOURNAL, 0.0) >= (folder / LOCK).stat().st_mtime
    return JOURNAL in times


@lru_cache(maxsize=1024)
def _length(path: Path, _written: float) -> _Length:
    table = read_toml(path).get("training")
    numbers = [_number(table.get(name)) if isinstance(table, dict) else None for name in _Length._fields]
    steps, minutes, batch_size = (-1.0 if number is None else number for number in numbers)
    if min(steps, minutes, batch_size) < 0 or not (steps or minutes):
        raise ConfigError(f"{path} does not say how long the run trains")
    return _Length(steps, minutes, batch_size)


@lru_cache(maxsize=1024)
def _saved(path: Path, _written: float) -> _Saved:
    try:
        facts = json.loads(read_metadata(path, "saved state")[STATE_KEY])
        step, seconds = _number(facts["step"]), _number(facts["seconds"])
    except (KeyError, ValueError, TypeError):
        step = seconds = None
    if step is None or seconds is None or min(step, seconds) < 0:
        raise WeightsError(f"{path} is not a saved state of a run")
    return _Saved(int(step), seconds)


@lru_cache(maxsize=1024)
def _header(path: Path, _written: float) -> Header:
    return read_header(path)


def _sheets(folder: Path) -> tuple[Path, ...]:
    with suppress(OSError):
        return tuple(path for _, path in sample_sheets(folder))
    return ()


def _number(value: Any) -> float | None:
    """`value` if it is a number that a training can have written."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e18 else None


class _Diary:
    """What the journal at `path` has told so far; each call reads what has been added."""

    def __init__(self, path: Path) -> None:
        self._reader, self._alone = JournalReader(path), threading.Lock()
        self._forget()

    def told(self) -> _Told:
        """All of it.

        Raises:
            OSError: it cannot be read.
        """
        with self._alone:
            lines, anew = self._reader.news()
            if anew:
                self._forget()
            for line in lines:
                self._add(line)
            speed = len(self._speeds) / sum(1 / speed for speed in self._speeds) if self._speeds else None
            terms = {name: number for name, value in self._losses.items() if (number := _number(value)) is not None}
            return _Told(self._step, self._gap, speed, readable(terms), tuple(self._history))

    def _forget(self) -> None:
        self._step, self._gap, self._losses = 0, 0, dict[str, Any]()
        self._speeds, self._history = deque[float](maxlen=RECENT), list[dict[str, Any]]()

    def _add(self, line: dict[str, Any]) -> None:
        kind, before = line["kind"], self._step
        self._step = line["step"] if 0 <= line["step"] < 1e18 else before
        if kind == "sitting":  # perhaps on another device
            self._speeds.clear()
        elif kind == "held-out":
            self._history.append({key: value for key, value in line.items() if key != "kind"})
        elif kind == "training":
            self._losses, self._gap = line, max(0, self._step - before)
            if (speed := _number(line.get("images_per_second")) or 0.0) > 0:
                self._speeds.append(speed)


_DIARIES: dict[Path, _Diary] = {}
"""Of the journals that have been read, so that none is read from its beginning again."""


def _diary(path: Path) -> _Diary:
    return _DIARIES.setdefault(path.absolute(), _Diary(path.absolute()))
