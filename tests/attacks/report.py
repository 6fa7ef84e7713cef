"""What an attack found: how many attempts, what became of them, and what should not have happened."""

import re
from collections import Counter
from dataclasses import dataclass, field

from tests.attacks.processes import Ended

GROWTH = 2**30
"""Resident memory that a command may take beyond an idle process's, bytes: the stated bound."""


@dataclass
class Findings:
    """`outcomes` counts the attempts by what became of them; `faults` tells what broke a promise."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    grown: int = 0

    def check(self, is_right: bool, fault: str) -> None:
        """Note `fault` unless all is as promised."""
        if not is_right:
            self.faults.append(fault)

    def watch(self, ended: Ended, what: str) -> None:
        """Every command ends by itself, cleanly, and within the bound."""
        self.measure(ended)
        self.check(ended.is_clean, f"{what}: code {ended.code}\n{ended.err[-600:]}")
        self.check(ended.grown <= GROWTH, f"{what}: took {ended.grown / 2**20:.0f} MiB")

    def measure(self, ended: Ended) -> None:
        """Keep the longest time and the most memory."""
        self.slowest = max(self.slowest, ended.seconds)
        self.grown = max(self.grown, ended.grown)

    def by_kind(self) -> dict[str, list[str]]:
        """The faults by the last line that names an error, or by their first words."""
        kinds: dict[str, list[str]] = {}
        for fault in self.faults:
            errors = re.findall(r"^\w+Error\b.*|^error: .{30}", fault, re.MULTILINE)
            kinds.setdefault(errors[-1] if errors else re.sub(r"\d+", "N", fault)[:60], []).append(fault)
        return kinds

    def row(self) -> str:
        """A line of the table in docs/trust.md."""
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common())
        figures = f"{self.slowest:.1f} s | {self.grown / 2**20:.0f} MiB"
        return f"| {self.name} | {counts} | {figures} | {len(self.faults)} |"
