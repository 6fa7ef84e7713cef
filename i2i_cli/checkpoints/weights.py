"""Which weights are meant, and what their header alone can answer: no network is loaded. No torch."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from i2i_cli.checkpoints.doubt import doubt
from i2i_cli.checkpoints.header import Header, read_header
from i2i_cli.checkpoints.names import (
    ENVIRONMENT,
    MODEL,
    WeightsEntry,
    find_weights,
    known_sha256,
    list_weights,
)
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.files import shown_path
from i2i_cli.notes import Note, silent


class Weights:
    """A weights file and its header."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.header = path, header

    @property
    def name(self) -> str:
        """How a person calls the weights: by the run or the shipped model, else by the file."""
        if self.path.name == MODEL:
            return shown_path(self.path.parent)
        return self.path.stem if known_sha256(self.path) else shown_path(self.path)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in order of their labels."""
        return self.header.domains

    @property
    def image_size(self) -> int:
        """Side of the model's square, pixels."""
        return self.header.image_size

    @property
    def framing(self) -> str:
        """How the training images were cut: the config's `data.framing`, or ""."""
        data = self.header.config.get("data")
        return str(data.get("framing", "")) if isinstance(data, dict) else ""

    def domain(self, name: str) -> str:
        """The domain that `name` means: its own name, or one that differs from it in case alone.

        Raises:
            ConfigError: the weights have no such domain; other weights that have it are named.
        """
        if name in self.domains:
            return name
        alike = [domain for domain in self.domains if domain.casefold() == name.casefold()]
        if len(alike) == 1:
            return alike[0]
        raise ConfigError(f"{self.name} has no domain {name!r}", self._elsewhere(name) or nearest(name, self.domains))

    def _elsewhere(self, name: str) -> str:
        """Which other weights have the domain, or one of nearly that name; "" where none have."""
        homes = {domain: entry.name for entry in reversed(list_weights()) for domain in _domains_of(entry)}
        close = difflib.get_close_matches(name.casefold(), [*self.domains, *homes], n=1, cutoff=0.6)
        if not close or close[0] in self.domains:
            return ""
        is_it = close[0].casefold() == name.casefold()
        return f"{homes[close[0]]} has {close[0] if is_it else repr(close[0])}: add -w {homes[close[0]]}"

    def label_of(self, domain: str) -> int:
        """The label of `domain`.

        Raises:
            ConfigError: see `domain`.
        """
        return self.domains.index(self.domain(domain))

    def folder_domain(self, path: Path) -> str | None:
        """The domain that the innermost folder above `path` is called after, if any."""
        return next((folder.name for folder in path.absolute().parents if folder.name in self.domains), None)


def open_weights(name: str | Path | None = None, domains: Sequence[str] = (), note: Note = silent) -> Weights:
    """The weights meant by `name`, see `find_weights`; None: by I2I_WEIGHTS, else the best that has all `domains`.

    That is the newest finished run under ./runs that is good enough, else a shipped model, else the newest finished
    run whatever it is like. Where nothing has all `domains`, they are left out of account.

    Args:
        note: is told why a newer run was not taken.

    Raises:
        WeightsError: there are none, or the file is damaged.
    """
    named = str(name) if name is not None else os.environ.get(ENVIRONMENT)
    if named:
        path = find_weights(named)
        return Weights(path, read_header(path))
    entries = [entry for entry in list_weights() if entry.header is not None]
    having = [entry for entry in entries if all(_has(entry, domain) for domain in domains)]
    chosen = _best(having, note) or _best(entries, note)
    if chosen is not None and chosen.header is not None:
        return Weights(chosen.path, chosen.header)
    if entries:
        raise WeightsError("no run under ./runs is finished yet", f"name one to use it as it is: -w {entries[0].name}")
    raise WeightsError(
        "there are no weights here", "train a model with: i2i train FOLDER, or name one with -w", exit_code=2
    )


def _best(entries: Sequence[WeightsEntry], note: Note) -> WeightsEntry | None:
    """The weights to use of `entries`, which are ordered as `list_weights` has them; None where none will do."""
    finished = [entry for entry in entries if entry.header is not None and entry.header.finished]
    runs = [entry for entry in finished if not entry.shipped]
    doubts = {entry.name: doubt(entry.header) for entry in runs if entry.header is not None}
    shipped = [entry for entry in finished if entry.shipped]
    good = [entry for entry in runs if not doubts[entry.name]]
    ranked = [*good, *shipped, *runs]
    if not ranked:
        return None
    chosen = ranked[0]
    if runs and doubts[runs[0].name]:
        verb = "using" if chosen is runs[0] else "not using"
        note(f"{verb} the newest run, {runs[0].name}: {doubts[runs[0].name]}")
    return chosen


def _domains_of(entry: WeightsEntry) -> tuple[str, ...]:
    return entry.header.domains if entry.header is not None else ()


def _has(entry: WeightsEntry, name: str) -> bool:
    return name.casefold() in {domain.casefold() for domain in _domains_of(entry)}
