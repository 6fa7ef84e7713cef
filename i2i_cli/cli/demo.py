"""`i2i demo`"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT
from i2i_cli.cli.options import JsonOpt
from i2i_cli.cli.report import print_result, print_table, say

EXAMPLES = """Examples:

\b
  i2i demo               work in ./demo; run again: resume, or reuse the model
  i2i demo -o /tmp/try   work in another folder
"""


@app.command(epilog=EXAMPLES)
def demo(
    out: Annotated[Path, typer.Option(*OUT, metavar="FOLDER", help="Folder to work in.")] = Path("demo"),
    as_json: JsonOpt = False,
) -> None:
    """Show the whole tool on built-in images, offline.

    Uses the shipped models on a portrait and on drawn symbols, which takes seconds. Then draws
    characters in three styles, trains on them for about two minutes, and translates and measures
    characters that the training did not see.
    """
    say(f"a tour of five minutes: shipped models in seconds, then a model of your own; all files go into {out}")
    # Waiting threads are to sleep: on two busy cores, spinning ones made a step six times as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Late: torch, and rich's bars. They take seconds.
    from i2i_cli.cli.progress import stop_on_signal
    from i2i_cli.cli.training_view import TrainingView
    from i2i_cli.jobs.demo import run_demo

    with stop_on_signal() as signal, TrainingView() as view:
        result = run_demo(out, observer=view, should_stop=signal.received)
    if not result.finished or signal.received():
        say(f"stopped and saved; to resume: i2i demo -o {out}")
        raise typer.Exit(signal.exit_code)
    if not result.trained:
        say(f"using the model of an earlier demo; delete {out} to train again")
    figures = result.figures
    if as_json:
        pictures = {name: str(path) for name, path in result.pictures}
        print_result({"figures": figures, "shipped": result.shipped, "pictures": pictures}, "", True)
        return
    print_table(["held-out characters", "classified as the target", "error against the truth"], _rows(figures))
    typer.echo("\nLook at:")
    for name, path in result.pictures:
        typer.echo(f"  {path}  {name}")
    typer.echo("\nType next:")
    for command in result.commands:
        typer.echo(f"  {command}")


def _rows(figures: dict[str, Any]) -> list[list[str]]:
    """The table of what was measured, images in [-1, 1]."""
    pairs, chance = figures["judged"], 1 / len({pair.split("->")[0] for pair in figures["judged"]})
    errors = {pair: f"{error:.3f}" for pair, error in figures["pair_l1"].items()}
    rows = [[pair, f"{share:.1%}", errors.get(pair, "")] for pair, share in pairs.items()]
    return [
        ["rebuilt", "", f"{figures['reconstruction_l1']:.3f}"],
        *rows,
        ["real images, same classifier", f"{figures['judge_accuracy']:.1%}", ""],
        [f"domain leakage: content code (chance {chance:.0%})", f"{figures['leak_means']:.1%}", ""],
        ["domain leakage: with training noise", f"{figures['leak_noisy']:.1%}", ""],
    ]
