"""`i2i weights list | show | check | pack`"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT, App
from i2i_cli.cli.options import ForceOpt, JsonOpt, complete_weights
from i2i_cli.cli.report import print_error, print_result, print_table, say

EXAMPLES = """Examples:

\b
  i2i weights list               runs under ./runs, and shipped models
  i2i weights show runs/faces    print the model card
  i2i weights check              verify all of them
  i2i weights pack runs/faces -o faces.safetensors   half the size
"""

weights_app = App(no_args_is_help=True, help="List, show, check and pack trained weights.", epilog=EXAMPLES)
app.add_typer(weights_app, name="weights")

NameArg = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="A name, a weights file or a run folder.",
        autocompletion=complete_weights,
        show_default=False,
    ),
]


@weights_app.command("list")
def list_(as_json: JsonOpt = False) -> None:
    """List the runs under ./runs and the shipped models."""
    from i2i_cli.checkpoints.names import list_weights

    entries = list_weights()
    if not entries and not as_json:
        say("there are no weights here; train a model: i2i train FOLDER")
    if as_json:
        for entry in entries:
            facts = {"name": entry.name, "path": str(entry.path), "shipped": entry.shipped}
            if entry.header is None:
                facts["error"] = str(entry.error)
            else:
                facts |= {key: value for key, value in asdict(entry.header).items() if key != "config"}
            print_result(facts, "", True)
    elif entries:
        rows = []
        for entry in entries:
            if entry.header is None:
                rows.append([entry.name, "", "", "", f"unusable: {entry.error}"])
            else:
                h = entry.header
                step = f"{h.step}" if h.finished else f"{h.step} (not finished)"
                rows.append([entry.name, h.family, f"{h.image_size} px", step, ", ".join(h.domains)])
        print_table(["name", "family", "size", "step", "domains"], rows)


@weights_app.command()
def show(name: NameArg = None, as_json: JsonOpt = False) -> None:
    """Print a model card; without NAME, of the default model."""
    from i2i_cli.checkpoints.card import open_card

    path, header, card = open_card(name)
    print_result({"path": str(path)} | asdict(header), card, as_json)


@weights_app.command()
def check(name: NameArg = None) -> None:
    """Verify weights: load every tensor and compare the hash.

    Without NAME, verifies every run under ./runs and every shipped model.
    """
    from i2i_cli.checkpoints.names import find_weights, known_sha256
    from i2i_cli.jobs.weights import check_all, check_weights

    if name is not None:
        path = find_weights(name)
        check_weights(path, known_sha256(path))
        print_result({}, f"{path}: sound", False)
        return
    found = list(check_all())
    for path, error in found:
        if error is None:
            print_result({}, f"{path}: sound", False)
        else:
            print_error(error)
    if any(error for _, error in found):
        raise typer.Exit(1)


@weights_app.command()
def pack(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A name, a weights file or a run folder.",
            autocompletion=complete_weights,
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(*OUT, metavar="FILE", help="File to write.", show_default=False)],
    force: ForceOpt = False,
) -> None:
    """Write a copy of half the size (float16), to share."""
    from i2i_cli.checkpoints.names import find_weights
    from i2i_cli.checkpoints.packing import pack as pack_weights

    pack_weights(find_weights(name), out, force)
    print_result({}, str(out), False)
