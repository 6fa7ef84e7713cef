"""Several processes of one training on this machine, each with a GPU or a share of the cores. No torch at import."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.engine.ranks import is_shared, leads

__all__ = ["LaunchResult", "end_at_once", "is_orphaned", "is_shared", "launch", "leads"]

PATIENCE = 20.0
"""Seconds that the others have to end by themselves once one has failed."""

LAUNCHER = "I2I_LAUNCHER"
"""Process number of who started this one; a training whose launcher is gone saves and stops."""


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """What became of the processes.

    Args:
        exit_code: the first process's, or that of another which failed.
        failed: number of the first that failed, or None.
        how: how it ended: "exit code 1", "signal 9".
        said: its last words on stderr; nothing of the first process, whose stderr is ours.
    """

    exit_code: int
    failed: int | None = None
    how: str = ""
    said: str = ""


def is_orphaned() -> bool:
    """Whether the process that launched this one is gone."""
    return LAUNCHER in os.environ and os.getppid() != int(os.environ[LAUNCHER])


def launch(count: int, arguments: Sequence[str], on_signals: Callable[[Callable[[int], None]], None]) -> LaunchResult:
    """Run `i2i` with `arguments` in `count` processes that train together, and wait for them.

    Args:
        on_signals: is given a function that passes a signal on to all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder, f"{rank}.log") for rank in range(count)]
        processes = _started(count, arguments, logs)
        on_signals(lambda number: _signal(processes, number))
        try:
            failed = _first_failed(processes)
        finally:
            _end(processes)
        if failed is None:
            return LaunchResult(exit_code=processes[0].returncode)
        code = processes[failed].returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = logs[failed].read_text(errors="replace").strip() if failed else ""
        return LaunchResult(exit_code=max(code, 1), failed=failed, how=how, said=said[-2000:])


def _started(count: int, arguments: Sequence[str], logs: Sequence[Path]) -> list[subprocess.Popen]:
    shared = os.environ | {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared[LAUNCHER] = str(os.getpid())
    shared.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    if sys.platform.startswith("linux"):
        shared.setdefault("GLOO_SOCKET_IFNAME", "lo")  # a host's own name need not lead to itself
    processes = []
    for rank, log in enumerate(logs):
        own = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        command = [sys.executable, "-m", "i2i_cli", *arguments]
        with log.open("wb") as file:
            out, err = (subprocess.DEVNULL, file) if rank else (None, None)
            # A session of their own: Ctrl-C reaches them once, by way of us.
            processes.append(subprocess.Popen(command, env=own, start_new_session=True, stdout=out, stderr=err))
    return processes


def end_at_once(code: int) -> None:
    """End this process here: torch's threads of communication abort now and then while the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _first_failed(processes: Sequence[subprocess.Popen]) -> int | None:
    """Wait until all have ended; the first that failed, after which the others have a while to end too."""
    failed, deadline = None, float("inf")
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        if failed is None:
            failed = next((rank for rank, process in enumerate(processes) if _is_failure(process.returncode)), None)
            deadline = deadline if failed is None else time.monotonic() + PATIENCE
        time.sleep(0.1)
    codes = [process.returncode for process in processes]
    # One that was killed comes first: the others ended because it did, now and then by an abort of their own.
    killed = [rank for rank, code in enumerate(codes) if code is not None and code < 0 and code != -signal.SIGABRT]
    return next(iter([*killed, *(rank for rank, code in enumerate(codes) if _is_failure(code))]), None)


def _is_failure(code: int | None) -> bool:
    """Whether a process ended otherwise than done, or as it was asked to by a signal."""
    return code is not None and code not in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def _signal(processes: Sequence[subprocess.Popen], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def _end(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
