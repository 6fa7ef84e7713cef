"""What a person should know, told on the way by whoever finds it to whoever can say it."""

from collections.abc import Callable

Note = Callable[[str], None]
"""Is told what a person should know once."""


def silent(text: str) -> None:
    """A `Note` that nobody hears."""
