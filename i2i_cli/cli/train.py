"""`i2i train`"""

import signal
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.report import print_error
from i2i_cli.errors import ConfigError, I2IError

if TYPE_CHECKING:
    from i2i_cli.jobs.training.start import TrainingResult

    Trained = Callable[[dict[str, Any]], TrainingResult]

EXAMPLES = """Examples:

\b
  i2i train DATA                               DATA/anime, DATA/human, ...
  i2i train DATA --minutes 30 --flip --name faces   into ./runs/faces
  i2i train --resume runs/faces                resume exactly where it stopped
  i2i train --resume runs/faces --steps 40000  and train longer
  i2i train DATA --recipe sharp --flip         sharper images, slower training
  i2i train DATA --recipe paper                the paper without our changes
  i2i train DATA --devices 4                   four GPUs of this machine
  i2i train DATA --set objective.weights.kl=0  any setting of config.toml
  i2i train DATA --log tensorboard             curves in TensorBoard too

\b
  The dual family takes four folders:
  i2i train DATA --family dual --inputs sketch_bag,photo_shoe \\
      --outputs photo_bag,sketch_shoe
"""

Text = str | None
METHOD, DATA, LENGTH, RUN, MACHINE = "Method", "Data", "Length", "Run", "Machine"
"""Groups of options in the help."""


def _settings(**flags: Any) -> dict[str, Any]:
    """The flags that were given, as the config's nested tables; `training__steps` is training.steps."""
    tables: dict[str, Any] = {}
    for name, value in flags.items():
        if value is not None:
            section, _, key = name.rpartition("__")
            (tables.setdefault(section, {}) if section else tables)[key] = value
    return tables


def _names(text: str | None) -> list[str] | None:
    """Domain names between commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _batch(text: str | None) -> dict[str, Any]:
    """The settings that `--batch-size` stands for."""
    if text is None or text == "auto":
        return {"training__fit_memory": True} if text else {}
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"--batch-size {text!r} is not a number of images", "use a whole number, or auto")
    return {"training__batch_size": int(text)}


def _launch(devices: int) -> None:
    """The same command in several processes, unless one is enough, or this is one of them."""
    from i2i_cli.jobs.training.launching import is_shared, launch

    if devices == 1 or is_shared():
        return

    def pass_on(send: Callable[[int], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: send(number))

    result = launch(devices, sys.argv[1:], pass_on)
    if result.failed or result.how.startswith("signal"):  # an error of its own the first has told itself
        hint = result.said or "resume from the last checkpoint: i2i train --resume RUN"
        print_error(I2IError(f"process {result.failed} of {devices} ended with {result.how}", hint))
    raise typer.Exit(result.exit_code)


@app.command(epilog=EXAMPLES)
def train(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="A folder with one folder of images per domain. Without DATA: built-in characters.",
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        Text,
        typer.Option(
            "--family", metavar="srae|dual", help="The method.", show_default="srae", rich_help_panel=METHOD
        ),
    ] = None,
    inputs: Annotated[
        Text,
        typer.Option(
            "--inputs", metavar="A,B", help="dual: two domains, of different kinds of things.", show_default=False,
            rich_help_panel=METHOD,
        ),
    ] = None,
    outputs: Annotated[
        Text,
        typer.Option(
            "--outputs", metavar="C,D", help="dual: the domains that A and B become; C shows what A shows.",
            show_default=False, rich_help_panel=METHOD,
        ),
    ] = None,
    recipe: Annotated[
        Text,
        typer.Option(
            "--recipe", metavar="NAME", rich_help_panel=METHOD, show_default="default",
            help="Settings for a purpose: default or paper; with srae also sharp, neighbours, classification.",
        ),
    ] = None,
    perceptual: Annotated[
        Text,
        typer.Option(
            "--perceptual", metavar="NAME|FILE", rich_help_panel=METHOD, show_default="auto",
            help="srae: features of the perceptual loss: auto, imagenet (VGG-16; downloads 528 MB), bundled, "
            "random, none, or a VGG-16 file.",
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            "--image-size", metavar="N", help="Pixels a side: 32, 64, 128 or 256.", rich_help_panel=DATA,
            show_default="by the images: 32 or 64; on CUDA also 128",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="Mirror half of the images (not for letters or x-rays).",
            show_default="no-flip", rich_help_panel=DATA,
        ),
    ] = None,
    pairs: Annotated[
        Text,
        typer.Option(
            "--pairs", metavar="auto|none", help="auto: equal file names are pairs, used in scoring only.",
            show_default="auto", rich_help_panel=DATA,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", metavar="N", help="Stop at step N.", show_default="20000", rich_help_panel=LENGTH
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", metavar="N", help="Train N minutes; scores and codes take more time after that.",
            show_default=False, rich_help_panel=LENGTH,
        ),
    ] = None,
    name: Annotated[
        Text,
        typer.Option("--name", help="Write the run to ./runs/NAME.", show_default="the name of DATA",
                     metavar="NAME", rich_help_panel=RUN),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume", metavar="RUN", help="Resume this run; no other option is needed.", show_default=False,
            rich_help_panel=RUN,
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init", metavar="WEIGHTS", help="Start from these weights.", show_default=False, rich_help_panel=RUN
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="F.toml", help="Read settings from a file.", show_default=False, rich_help_panel=RUN
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change any setting of config.toml; may be repeated.",
            show_default=False, rich_help_panel=RUN,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="Seed of all random numbers.", show_default="0", rich_help_panel=RUN
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            "--log", metavar="tensorboard", help="Also write a log for TensorBoard, into RUN/tensorboard.",
            show_default=False, rich_help_panel=RUN,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as a JSON object.", rich_help_panel=RUN)
    ] = False,
    batch_size: Annotated[
        Text,
        typer.Option(
            "--batch-size", metavar="N|auto", rich_help_panel=MACHINE, show_default="32; dual: 16",
            help="Images a step; auto: the recipe's number, in parts if memory is short.",
        ),
    ] = None,
    device: Annotated[
        Text,
        typer.Option(
            "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto",
            rich_help_panel=MACHINE,
        ),
    ] = None,
    devices: Annotated[
        int,
        typer.Option(
            "--devices", metavar="N", min=1, help="Train in N processes: a GPU, or a share of the cores, each.",
            rich_help_panel=MACHINE,
        ),
    ] = 1,
    precision: Annotated[
        Text,
        typer.Option(
            "--precision", metavar="NAME", help="auto, fp32 or bf16.", show_default="auto", rich_help_panel=MACHINE
        ),
    ] = None,
) -> None:  # fmt: skip
    """Train a model on one folder of images per domain.

    Writes a run folder. Look at RUN/samples/latest.png while it trains. Ctrl-C saves and
    stops; --resume RUN continues exactly there.
    """
    flags = _settings(
        family=family, recipe=recipe, seed=seed,
        networks__inputs=_names(inputs), networks__outputs=_names(outputs),
        data__root=str(data) if data else None, data__image_size=image_size, data__flip=flip, data__pairs=pairs,
        objective__perceptual=perceptual,
        training__steps=0 if minutes is not None and steps is None else steps, training__minutes=minutes,
        **_batch(batch_size), training__device=device, training__precision=precision,
    )  # fmt: skip
    if resume is not None and (data or init or config or name or recipe or family or inputs or outputs):
        raise ConfigError(
            "--resume continues a run with its own settings",
            "give no DATA, --name, --config, --recipe or --init with it",
        )
    if resume is not None and steps is not None and minutes is None:
        flags["training"]["minutes"] = 0.0  # the new goal takes the place of the old one
    # Late: nothing that takes time to import is needed to print the help.
    from i2i_cli.jobs.training.tensorboard_log import keeps_log, refuse_unknown_logs

    refuse_unknown_logs(log or [])
    if resume is not None:
        trained = _resuming(resume, flags, assignments or [], devices)
    else:
        trained = _beginning(flags, config, assignments or [], name, init, devices)
    # Late: rich.
    from i2i_cli.cli.training_view import watch_training

    watch_training(trained, as_json, log=bool(log) or keeps_log(resume))


def _beginning(
    flags: dict[str, Any],
    config: Path | None,
    assignments: list[str],
    name: str | None,
    init: Path | None,
    devices: int,
) -> "Trained":
    """What trains a new run. What is wrong is told as early as it can be known, most of it before torch is loaded."""
    from i2i_cli.checkpoints.names import find_weights, new_run
    from i2i_cli.config import parse_assignment, read_toml
    from i2i_cli.jobs.training.launching import leads
    from i2i_cli.jobs.training.refusals import refuse_early

    weights = find_weights(str(init)) if init else None
    if leads():
        file = [read_toml(config)] if config else []
        refuse_early([*file, flags, *map(parse_assignment, assignments)], name)
    _launch(devices)
    # Late: torch.
    from i2i_cli.jobs.training.config import leaves_size_open, run_config

    resolved, choose_size = run_config(flags, config, assignments), leaves_size_open(flags, config, assignments)
    from i2i_cli.jobs.training.start import train

    return lambda watch: train(
        resolved, new_run(name, resolved.data.root), init=weights, choose_size=choose_size, **watch
    )


def _resuming(folder: Path, flags: dict[str, Any], assignments: list[str], devices: int) -> "Trained":
    """What goes on with the run in `folder`."""
    from i2i_cli.config import merged, parse_assignment
    from i2i_cli.jobs.training.refusals import refuse_if_no_run

    refuse_if_no_run(folder)
    changes = reduce(merged, map(parse_assignment, assignments), flags)
    _launch(devices)
    # Late: torch.
    from i2i_cli.jobs.training.start import resume

    return lambda watch: resume(folder, changes, **watch)
