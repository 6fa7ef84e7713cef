"""An hour of training: memory, open files and the journal, sampled on the way."""

import os
import time
from pathlib import Path

from tests.attacks.on_death import TRAINING
from tests.attacks.processes import Started
from tests.attacks.report import Findings
from tests.conftest import draw_domains

SECONDS = 10.0
"""Between two samples."""

FLAT = 1.02
"""What the last quarter may take of what the second one took: the first still fills pools and caches."""


def attack(minutes: int, seed: int, run: Path, folder: Path) -> Findings:
    """A training of `minutes`, with a checkpoint every six seconds."""
    findings = Findings(f"{minutes} minutes of training")
    data = draw_domains(folder / "shapes")
    words = [*TRAINING[2:], "--minutes", str(minutes), "--set", "training.checkpoint_minutes=0.1"]
    started = Started(["train", str(data), "--name", "made", *words], folder)
    memory, files = [], []
    end = time.monotonic() + 60 * minutes - 2 * SECONDS
    while time.monotonic() < end:
        time.sleep(SECONDS)
        memory.append(int(Path(f"/proc/{started.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"))
        files.append(len(os.listdir(f"/proc/{started.pid}/fd")))  # noqa: PTH208  # names alone
    ended = started.wait()
    findings.watch(ended, "training")
    quarter = len(memory) // 4
    early, late = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
    findings.check(late <= FLAT * early, f"memory grew from {early / 2**20:.1f} to {late / 2**20:.1f} MiB")
    findings.check(max(files[-quarter:]) <= max(files[quarter : 2 * quarter]), f"open files grew: {files}")
    journal = (folder / "runs/made/journal.jsonl").read_text().splitlines()
    findings.outcomes[f"samples; memory in the last quarter {late / early:.3f} of the second's"] += len(memory)
    findings.outcomes["lines of the journal"] += len(journal)
    return findings
