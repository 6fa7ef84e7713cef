"""A part of a long list, for one of several machines that share the work without knowing of each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from i2i_cli.errors import ConfigError

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Shard:
    """Every `count`-th thing of a list, from the one at `index` (from 0) on."""

    index: int = 0
    count: int = 1

    def of(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """The things that are this shard's."""
        return things[self.index :: self.count]


WHOLE = Shard()


def parse_shard(text: str | None) -> Shard:
    """`"2/8"` as the second of eight; None is all.

    Raises:
        ConfigError: no such fraction.
    """
    if text is None:
        return WHOLE
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in text.split("/")]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
        raise ConfigError(f"--shard {text!r} is not of the form I/N", "give 1/4 to 4/4 on four machines")
    return Shard(numbers[0] - 1, numbers[1])
