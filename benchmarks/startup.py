"""Start-up of the command line, as ratios to plain references run in turn, with the memory that each takes.

    python benchmarks/startup.py [IMAGE]

`i2i --help` against a bare typer app with as many commands. `i2i translate IMAGE` by a shipped model, cold, against
`import torch`, against the same by torch, and against a script that reads the two graphs, runs them once and writes
the result: what no tool can do without. Commands that cannot work, against `i2i translate --help`.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from i2i_cli.bundled import bundled_folder

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


PLAIN = """
import sys
import numpy as np, onnxruntime
from PIL import Image
folder, image, out = sys.argv[1:]
square = np.asarray(Image.open(image).convert("RGB").resize((128, 128)))
encoder, decoder = (onnxruntime.InferenceSession(f"{folder}/{name}.onnx") for name in ("encoder", "decoder"))
content, domain = encoder.run(None, {"images": square[None]})
Image.fromarray(decoder.run(None, {"content": content, "domain": domain})[0][0]).save(out)
"""


def cost(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of a command, whatever it ends with."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def compare(name: str, ours: list[str], reference_name: str, reference: list[str]) -> None:
    """Run both in turn (A B A B) and print a row of medians, their ratio and the peaks of memory."""
    costs = [(*cost(ours), *cost(reference)) for _ in range(ROUNDS)]
    a, peak_a, b, peak_b = (statistics.median(column) for column in zip(*costs, strict=True))
    print(f"| {name} | {a:.2f} s, {peak_a:.0f} MiB | {reference_name} | {b:.2f} s, {peak_b:.0f} MiB | {a / b:.2f} |")


def main() -> None:
    """Print the table."""
    i2i = [sys.executable, "-m", "i2i_cli"]
    photo = sys.argv[1] if len(sys.argv) > 1 else "docs/astronaut.jpg"
    print(f"| command | median of {ROUNDS} | reference | | ratio |\n|---|---|---|---|---|")
    compare("`i2i --help`", [*i2i, "--help"], "bare typer app", [sys.executable, "-c", BARE])
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out.png"))
        cold = [*i2i, "translate", photo, "--to", "anime", "--force", "-w", "faces", "-o", out]
        compare("`i2i translate`, cold", cold, "`import torch`", [sys.executable, "-c", "import torch"])
        compare("`i2i translate`, cold", cold, "`--runtime torch`", [*cold, "--runtime", "torch"])
        plain = [sys.executable, "-c", PLAIN, str(bundled_folder() / "onnx" / "faces"), photo, out]
        compare("`i2i translate`, cold", cold, "a script with the two graphs", plain)
        compare("the same, `--crop none`", [*cold, "--crop", "none"], "a script with the two graphs", plain)
        help_ = [*i2i, "translate", "--help"]
        Path(folder, "taken.png").touch()
        taken = [*cold[:-1], str(Path(folder, "taken.png"))]
        taken.remove("--force")
        for name, words in (
            ("an unknown domain", [*cold, "--to", "martian"]),
            ("no such file", [*i2i, "translate", "none.jpg", "--to", "anime"]),
            ("a result that exists", taken),
        ):
            compare(f"`i2i translate`, {name}", words, "`i2i translate --help`", help_)


if __name__ == "__main__":
    main()
