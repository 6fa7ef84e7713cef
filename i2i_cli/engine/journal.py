"""The run's diary: `journal.jsonl`, one JSON object a line, each with its `kind` and `step`."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from i2i_cli.errors import DataError
from i2i_cli.files import write_text


class Journal:
    """Appends lines to `path`, each on disk at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, step: int, **values: Any) -> None:
        """One line. Numbers are kept to six significant digits.

        Raises:
            DataError: it cannot be written; the lines before it stand.
        """
        line = json.dumps({"kind": kind, "step": step} | _rounded(values))
        try:
            with self.path.open("ab+") as file:
                if file.tell() and not self._ends_whole(file):
                    line = "\n" + line  # the line before was cut short by a full disk
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise DataError(f"cannot write {self.path}: {error.strerror or error}") from error

    @staticmethod
    def _ends_whole(file: BinaryIO) -> bool:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines; what a crash or a full disk cut short is left out."""
        if not self.path.exists():
            return []
        return _parsed(self.path.read_bytes())

    def rewind(self, step: int) -> None:
        """Drop what was written after `step`: a resumed run writes it again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))


class JournalReader:
    """Reads the journal at `path` while it grows, in another process perhaps: what was read is not read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place, self._last = 0, b""

    def news(self) -> tuple[list[dict[str, Any]], bool]:
        """The whole lines that came since the last call; and whether they are all there are: the journal was rewound.

        Raises:
            OSError: it cannot be read.
        """
        with self.path.open("rb") as file:
            file.seek(self._place - len(self._last))
            data = file.read()
            if anew := not data.startswith(self._last):
                file.seek(0)
                self._place, self._last, data = 0, b"", file.read()
        whole = data[len(self._last) : data.rfind(b"\n") + 1]
        if whole:
            self._last = whole[whole[:-1].rfind(b"\n") + 1 :]
        self._place += len(whole)
        return _parsed(whole), anew


def _parsed(text: bytes) -> list[dict[str, Any]]:
    """The whole lines in `text`."""
    found = []
    for line in text.decode("utf-8", "replace").splitlines():
        with suppress(ValueError, RecursionError):
            values = json.loads(line)
            if isinstance(values, dict) and isinstance(values.get("step"), int) and "kind" in values:
                found.append(values)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value
