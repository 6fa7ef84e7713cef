"""Which of several processes this one is, as torchrun or `--devices` tells it. No torch."""

import os


def is_shared() -> bool:
    """Whether this is one of several processes that train together."""
    count = os.environ.get("WORLD_SIZE", "")
    return count.isdigit() and int(count) > 1


def leads() -> bool:
    """Whether this process is the one that speaks for all: alone, or the first."""
    return not is_shared() or os.environ.get("RANK", "0") == "0"
