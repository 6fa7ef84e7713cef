"""Table of contents: the commands, in the order of the help. Importing a module registers its command."""

from i2i_cli.cli import train, translate, swap_domain, demo, weights, doctor  # noqa: I001  # the help's order
from i2i_cli.cli.app import app, main

__all__ = ["app", "demo", "doctor", "main", "swap_domain", "train", "translate", "weights"]
