"""`python -m tests.attacks [NAME...] [--share S]`: run the attacks, print a table, end with 1 if anything was found."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.attacks import on_company, on_death, on_disks, on_hours, on_images, on_shells, on_weights
from tests.attacks.processes import warm_up
from tests.attacks.report import Findings
from tests.conftest import TINY, draw_domains, finished_run

ATTACKS: dict[str, tuple[Callable[[int, int, Path, Path], Findings], int, int]] = {
    "images": (on_images.attack, 10_000, 12),
    "weights": (on_weights.attack, 10_000, 12),
    "death": (on_death.attack, 200, 3),
    "disks": (on_disks.attack, 100, 0),
    "company": (on_company.attack, 50, 0),
    "shells": (on_shells.attack, 1, 0),
    "hours": (on_hours.attack, 60, 0),
}
"""Name -> the attack, its attempts, and how many of them `--quick` makes."""


def main() -> int:
    """Run the attacks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *ATTACKS], help="which attacks; all without")
    parser.add_argument("--share", type=float, default=1.0, help="share of the attempts to make")
    parser.add_argument("--quick", action="store_true", help="a few attempts of those that are quick")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warm_up()
    root = Path(tempfile.mkdtemp(prefix="attacks-"))
    run = finished_run(draw_domains(root / "trained" / "shapes"), TINY)
    print("| attack | attempts | longest command | memory grown | faults |\n|---|---|---|---|---|")
    found = 0
    for name in asked.names or ATTACKS:
        attack, count, few = ATTACKS[name]
        if asked.quick and not few:
            continue
        started = time.monotonic()
        findings = attack(few if asked.quick else max(1, round(count * asked.share)), asked.seed, run, root / name)
        found += len(findings.faults)
        print(findings.row(), flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s in {root / name}", file=sys.stderr)
        for kind, faults in findings.by_kind().items():
            print(f"  {len(faults)} x {kind}, such as:\n  {faults[0]}", file=sys.stderr)
    if not found:
        shutil.rmtree(root)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
