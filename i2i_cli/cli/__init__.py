"""Table of contents: the commands, in the order of the help. Importing a module registers its command."""

from i2i_cli.cli import train, translate, swap_domain, index, neighbours, classify, fit_classifier  # noqa: I001  # the help's order
from i2i_cli.cli import evaluate, plot, export, serve, demo, weights, doctor
from i2i_cli.cli.app import app, main

__all__ = [
    "app", "classify", "demo", "doctor", "evaluate", "export", "fit_classifier", "index", "main", "neighbours", "plot",
    "serve", "swap_domain", "train", "translate", "weights",
]  # fmt: skip
