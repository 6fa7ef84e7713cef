"""The run's diary: `journal.jsonl`, one JSON object a line, each with its `kind` and `step`."""

import json
from pathlib import Path
from typing import Any

from i2i_cli.files import write_text


class Journal:
    """Appends lines to `path`, each on disk at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, step: int, **values: Any) -> None:
        """One line. Numbers are kept to six significant digits."""
        line = json.dumps({"kind": kind, "step": step} | _rounded(values))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines; a last line cut short by a crash is left out."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def rewind(self, step: int) -> None:
        """Drop what was written after `step`: a resumed run writes it again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
