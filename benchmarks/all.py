"""Every benchmark that is quick, one after another; `RESULTS.md` is what they print.

    python benchmarks/all.py

Takes some ten minutes on two cores. With a GPU the same commands use it: keep its table beside this one.
"""

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch

HERE = Path(__file__).parent
COMMANDS = {
    "Training": ("training.py",),
    "Training in two processes": ("processes.py",),
    "What the additions cost": ("recipes.py",),
    "Folders": ("folders.py", "--small", "1000", "--large", "12", "-w", "faces"),
    "Start": ("startup.py",),
    "Serving": ("serving.py", "start", "rates"),
    "Search": ("neighbours.py", "10000", "100000", "1000000"),
}
PACKAGES = ("torch", "numpy", "pillow", "typer", "onnxruntime", "faiss-cpu")


def machine() -> str:
    """What it was run on."""
    facts = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in facts if line.startswith("model name")]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    cores = f"{os.cpu_count()} x {names[0] if names else platform.processor()}"
    return f"{cores}, {torch.get_num_threads()} threads, {gpu}, {platform.system()}"


def main() -> None:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# Results of `make bench`", "",
        f"On {machine()}; Python {platform.python_version()}, {versions}.",
        "Ratios are medians of turns taken in the same run; rates of two runs differ by more than ratios do.",
    ]  # fmt: skip
    for title, command in COMMANDS.items():
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(HERE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, check=True
        )
        took = time.perf_counter() - started
        print(f"{title}: {took:.0f} s", file=sys.stderr, flush=True)
        shown = f"`python benchmarks/{' '.join(command)}`"
        lines += ["", f"## {title}", "", shown, "", "```text", done.stdout.rstrip(), "```"]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
