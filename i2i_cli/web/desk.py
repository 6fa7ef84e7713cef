"""A few jobs at a time, a few that wait, and a plain refusal for the rest. No torch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from i2i_cli.errors import I2IError


class BusyError(I2IError):
    """More jobs wait than may."""


class Desk:
    """Lets so many jobs work at a time.

    Args:
        waiting: most jobs that wait for those at work.
        workers: most jobs at work.
    """

    def __init__(self, waiting: int, workers: int = 1) -> None:
        self.waiting = waiting
        self._places = threading.BoundedSemaphore(waiting + workers)
        self._work = threading.BoundedSemaphore(workers)
        self._closed = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for the turn, and hold it while the block runs.

        Raises:
            BusyError: too many jobs wait already, or the desk is closed.
        """
        if not self._places.acquire(blocking=False):
            waiting = {0: "other jobs are at work", 1: "one job is waiting already"}
            told = waiting.get(self.waiting, f"{self.waiting} jobs are waiting already")
            raise BusyError(told, "try again in a moment")
        try:
            with self._work:
                if self._closed:
                    raise BusyError("the server ends", "start it again")
                yield
        finally:
            self._places.release()

    def close(self) -> None:
        """Begin no job any more; those at work are finished."""
        self._closed = True
