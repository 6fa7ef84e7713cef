"""Start-up of the command line, as ratios to plain references run in turn.

    python benchmarks/startup.py

`i2i --help` against a bare typer app with as many commands; `i2i translate` of one image against
`import torch`, and by onnxruntime against torch. Needs weights: the first
argument, else those that `i2i` would use.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROUNDS = 7

BARE = """
import typer
app = typer.Typer(rich_markup_mode=None)
names = "train translate swap-domain index neighbours classify fit-classifier evaluate plot export demo doctor"
for name in names.split():
    app.command(name)(lambda a: None)
weights = typer.Typer()
for name in "list show check pack".split():
    weights.command(name)(lambda a: None)
app.add_typer(weights, name="weights")
app(["--help"])
"""


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def compare(name: str, ours: list[str], reference_name: str, reference: list[str]) -> None:
    """Run both in turn (A B A B) and print the medians and their ratio."""
    times = [(seconds(ours), seconds(reference)) for _ in range(ROUNDS)]
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name}: {a:.2f} s, {reference_name}: {b:.2f} s, ratio {a / b:.2f} (median of {ROUNDS})")


def main() -> None:
    i2i = [sys.executable, "-m", "i2i_cli"]
    compare("i2i --help", [*i2i, "--help"], "bare typer app --help", [sys.executable, "-c", BARE])
    weights = ["-w", sys.argv[1]] if len(sys.argv) > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "a.png")
        Image.new("RGB", (64, 64), "teal").save(image)
        from i2i_cli.checkpoints.names import domains_of

        domain = domains_of(sys.argv[1] if weights else None)[0]
        command = [*i2i, "translate", str(image), "--to", domain, "--force", *weights]
        compare("i2i translate", command, "import torch", [sys.executable, "-c", "import torch"])
        exported = Path(folder, "onnx")
        subprocess.run([*i2i, "export", "-o", str(exported), *weights], check=True, capture_output=True)
        without = [*i2i, "translate", str(image), "--to", domain, "--force", "--runtime", "onnx", "-w", str(exported)]
        compare("i2i translate --runtime onnx", without, "i2i translate", command)


if __name__ == "__main__":
    main()
