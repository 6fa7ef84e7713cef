"""What takes a GPU, in one go: the suite on CUDA, recorded against eager steps, and the rates of training.

    python benchmarks/device.py [--write] [--minutes 8] [--quick]

Prints one table; `--write` puts it into benchmarks/RESULTS.md, in the place of the one that was there.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
BEGIN, END = "<!-- on a GPU -->", "<!-- end -->"
ON_CUDA = ("tests/engine", "tests/models", "tests/data/test_loading.py", "tests/jobs", "tests/cli")
"""Tests whose tiny models train on CUDA where `I2I_TEST_DEVICE` says so, and those of recorded steps."""


def run(name: str, *arguments: str, limit: float, **environment: str) -> tuple[str, str]:
    """A row of the table: what the command's last lines say."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True, text=True, timeout=limit,
        )  # fmt: skip
        lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines()[-3:]
        if done.returncode:
            print(done.stdout[-6000:], done.stderr[-3000:], file=sys.stderr, flush=True)
    except subprocess.TimeoutExpired as error:
        lines = [*(error.stdout or b"").decode().splitlines()[-12:], f"stopped after {limit:.0f} s"]
    print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return name, "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/RESULTS.md")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true", help="one size and batch of each kind, no compiling")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no GPU here: nothing was run")
    ends, rows = time.monotonic() + 60 * chosen.minutes, []
    workers = ["-n", str(min(12, os.cpu_count() or 1)), "--dist", "loadfile"]
    suite = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:benchmark", *workers, "-m", "not slow"]
    found = run("recorded", *suite[:7], "-n", "6", "tests/engine/test_recorded.py", limit=240)
    rows.append((found[0], found[1].splitlines()[-1]))
    found = run("suite on CUDA", *suite, *ON_CUDA, limit=300, I2I_TEST_DEVICE="cuda", OMP_NUM_THREADS="1")
    rows.append((found[0], "; ".join(line for line in found[1].splitlines() if "FAILED" in line or "passed" in line)))
    shapes = [("64", "32")] if chosen.quick else [("64", "32"), ("64", "256"), ("128", "32"), ("128", "256")]
    for side, batch in shapes:
        arguments = ["benchmarks/training.py", "--sizes", side, "--batches", batch]
        if (side, batch) == ("64", "32") and not chosen.quick:
            arguments.append("--compiled")
        left = ends - time.monotonic()
        if left > 20:
            rows.append(run(f"training, {side} px, batch {batch}", *arguments, limit=left))
    card = torch.cuda.get_device_name()
    table = [f"On one {card}, torch {torch.__version__}, Python {platform.python_version()}:", "", "| | |", "|---|---|"]
    table += [f"| {name} | {line} |" for name, text in rows for line in text.splitlines()]
    print("\n".join(table))
    if chosen.write:
        text = RESULTS.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        after = rest.partition(END)[2]
        RESULTS.write_text("\n".join([f"{before.rstrip()}\n", BEGIN, *table, f"{END}{after}"]), encoding="utf-8")


if __name__ == "__main__":
    main()
