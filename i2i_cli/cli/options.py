"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.report import say

if TYPE_CHECKING:
    from i2i_cli.jobs.translation import Translator


def complete_domain(ctx: typer.Context, incomplete: str) -> list[str]:
    """Domain names from the header of the weights in use, read without torch."""
    from i2i_cli.jobs.publishing import domains_of

    return [name for name in domains_of(ctx.params.get("weights")) if name.startswith(incomplete)]


def complete_weights(incomplete: str) -> list[str]:
    """Names of runs and of shipped models."""
    from i2i_cli.jobs.publishing import list_weights

    return [entry.name for entry in list_weights() if entry.name.startswith(incomplete)]


WeightsOpt = Annotated[
    str | None,
    typer.Option(
        "-w",
        "--weights",
        help="Weights: a run folder, a file or a name. Without: I2I_WEIGHTS, else the newest finished run in ./runs.",
        autocompletion=complete_weights,
        show_default=False,
    ),
]
DeviceOpt = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
SeedOpt = Annotated[int, typer.Option("--seed", help="Seed of every random draw.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
ForceOpt = Annotated[bool, typer.Option("--force", help="Overwrite outputs that are there.")]


def open_translator(weights: str | None, device: str) -> "Translator":
    """The model meant by `-w`, named in one line on stderr."""
    # Late: torch.
    from i2i_cli.jobs.publishing import describe
    from i2i_cli.jobs.translation import load

    translator = load(weights, device)
    say(f"weights: {_short(translator.path)} ({describe(translator.header)})")
    return translator


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
