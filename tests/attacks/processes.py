"""`i2i` in a process of its own that can be limited, timed and killed: forked, so that torch is imported once."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures.thread import _python_exit
from dataclasses import dataclass
from pathlib import Path

POLITE = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""The signals that ask, and the exit codes that tell of them."""

MEMORY = 3 * 2**30
"""Address space that a command may take beyond that of the process it was forked from, bytes."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended. `code` is negative for a signal; `grown`: peak resident memory less the first."""

    code: int
    out: bytes
    err: str
    seconds: float
    grown: int

    @property
    def is_clean(self) -> bool:
        """Whether it said what it had to say without a traceback, a hang or a crash."""
        return self.code in (0, 1, 2, *POLITE.values()) and "Traceback" not in self.err and "bug in i2i" not in self.err


def warm_up() -> None:
    """Import once what every forked command needs."""
    import sklearn.linear_model
    import sklearn.model_selection  # noqa: F401
    import torch

    import i2i_cli.cli  # noqa: F401
    from i2i_cli.inference import loaded  # noqa: F401
    from i2i_cli.jobs.retrieval import indexing, search  # noqa: F401
    from i2i_cli.jobs.training import start  # noqa: F401
    from i2i_cli.jobs.translation import files  # noqa: F401

    torch.set_num_threads(1)


class Started:
    """A forked command that runs."""

    def __init__(
        self,
        words: Sequence[str],
        cwd: Path,
        stdin: Path | None = None,
        memory: int = MEMORY,
        before: Callable[[], None] = lambda: None,
        streams: Path | None = None,
    ) -> None:
        self._streams = [
            (streams or cwd) / f".{os.getpid()}-{time.monotonic_ns()}.{name}" for name in ("out", "err", "base")
        ]
        self._started = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, POLITE)  # until the command could answer them
        self.pid = os.fork()
        if self.pid == 0:
            _become(words, cwd, self._streams, stdin, memory, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, POLITE)

    def kill(self, after: float, number: int = signal.SIGKILL) -> "Started":
        """Send a signal `after` seconds from the start, if it still runs."""
        time.sleep(max(0.0, self._started + after - time.monotonic()))
        os.kill(self.pid, number)  # not waited for yet, so the number is still its own
        return self

    def wait(self, timeout: float = 300.0) -> Ended:
        """Until it ends; one that takes longer is killed, and its code is that of SIGKILL."""
        deadline = time.monotonic() + timeout
        while True:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.002)
        # One that was killed at once has not even opened them.
        out, err, base = (path.read_bytes() if path.exists() else b"" for path in self._streams)
        for path in self._streams:
            path.unlink(missing_ok=True)
        return Ended(
            code=os.waitstatus_to_exitcode(status),
            out=out,
            err=err.decode("utf-8", "replace"),
            seconds=time.monotonic() - self._started,
            grown=usage.ru_maxrss * 1024 - int(base or 0),
        )


def i2i(*words: str | Path, cwd: Path, stdin: Path | None = None, timeout: float = 300.0, **limits: object) -> Ended:
    """Run `i2i WORDS` to its end."""
    return Started([str(word) for word in words], cwd, stdin, **limits).wait(timeout)  # type: ignore[arg-type]


def _pages(column: int) -> int:
    """Bytes of address space (0) or of resident memory (1) that this process takes now."""
    return int(Path("/proc/self/statm").read_text().split()[column]) * resource.getpagesize()


def _become(
    words: Sequence[str], cwd: Path, streams: Sequence[Path], stdin: Path | None, memory: int, before: Callable
) -> None:
    """Be the command, in the forked process: never returns."""
    code = 70
    try:
        for number, path in ((1, streams[0]), (2, streams[1])):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        os.dup2(os.open(stdin or os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in enumerate("rww"))
        streams[2].write_text(str(_pages(1)))
        os.chdir(cwd)
        size = _pages(0) + memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        before()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, POLITE)
        from i2i_cli.cli import main

        sys.argv = ["i2i", *words]
        main()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        _python_exit()  # as at the interpreter's end: threads finish what they write
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except Exception:
                code = 120  # as the interpreter does at its end
        os._exit(code)
