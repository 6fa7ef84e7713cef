"""One job at a time, a few that wait, and a plain refusal for the rest. No torch."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from i2i_cli.errors import I2IError


class BusyError(I2IError):
    """More jobs wait than may."""


class Desk:
    """Lets one job work at a time: a model runs on all cores by itself.

    Args:
        waiting: most jobs that wait for the one at work.
    """

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self._places = threading.BoundedSemaphore(waiting + 1)
        self._work = threading.Lock()
        self._closed = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Wait for the turn, and hold it while the block runs.

        Raises:
            BusyError: too many jobs wait already, or the desk is closed.
        """
        if not self._places.acquire(blocking=False):
            waiting = {0: "another job is at work", 1: "one job is waiting already"}
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
        """Begin no job any more; the one at work is finished."""
        self._closed = True
