"""Which weights are meant, and what their header alone can answer: no network is loaded. No torch."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from i2i_cli.checkpoints.header import Header, read_header
from i2i_cli.checkpoints.names import DEFAULT, ENVIRONMENT, WeightsEntry, find_weights, list_weights
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, WeightsError

MIN_STEPS = 200
"""A run without held-out figures has to be this long to be used unasked."""

MAX_REBUILD_ERROR = 0.35
MIN_JUDGED = 0.25
"""Of the worst pair of domains: share of translations classified as the target."""


Note = Callable[[str], None]
"""Told what a person should know."""


def _silent(text: str) -> None:
    """A `Note` that nobody hears."""


class Weights:
    """A weights file and its header."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path, self.header = path, header

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in order of their labels."""
        return self.header.domains

    @property
    def image_size(self) -> int:
        """Side of the model's square, pixels."""
        return self.header.image_size

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
        others = [entry.name for entry in list_weights() if entry.header and _domain_in(entry.header, name)]
        hint = f"{others[0]} has it: add -w {others[0]}" if others else nearest(name, self.domains)
        raise ConfigError(f"{self.path} has no domain {name!r}", hint)

    def label_of(self, domain: str) -> int:
        """The label of `domain`.

        Raises:
            ConfigError: see `domain`.
        """
        return self.domains.index(self.domain(domain))

    def folder_domain(self, path: Path) -> str | None:
        """The domain that the innermost folder above `path` is called after, if any."""
        return next((folder.name for folder in path.absolute().parents if folder.name in self.domains), None)


def open_weights(name: str | Path | None = None, domains: Sequence[str] = (), note: Note = _silent) -> Weights:
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
    having = [entry for entry in entries if all(_domain_in(entry.header, domain) for domain in domains)]
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
    shipped = sorted((entry for entry in finished if entry.shipped), key=lambda entry: entry.name != DEFAULT)
    good = [entry for entry in runs if not doubts[entry.name]]
    ranked = [*good, *shipped, *runs]
    if not ranked:
        return None
    chosen = ranked[0]
    if runs and doubts[runs[0].name]:
        verb = "using" if chosen is runs[0] else "not using"
        note(f"{verb} the newest run, {runs[0].name}: {doubts[runs[0].name]}")
    return chosen


def doubt(header: Header) -> str:
    """Why weights should not be used unasked, from their held-out figures; "" where nothing speaks against it."""
    judged, error = header.figures.get("judged") or {}, header.figures.get("reconstruction_l1")
    if not judged:
        return f"it was trained for {header.step} steps" if header.step < MIN_STEPS else ""
    worst = min(judged, key=lambda pair: judged[pair])
    if judged[worst] < MIN_JUDGED:
        return f"only {judged[worst]:.0%} of its translations {worst} are classified as the target"
    if error is not None and error > MAX_REBUILD_ERROR:
        return f"its rebuild error is {error:.2f}, above {MAX_REBUILD_ERROR}"
    return ""


def _domain_in(header: Header | None, name: str) -> bool:
    return header is not None and name.casefold() in {domain.casefold() for domain in header.domains}
