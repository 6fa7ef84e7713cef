"""Options that several commands share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.help import INPUT, MANY, MODEL, OUTPUT
from i2i_cli.cli.report import check_stdin, read_stdin, say
from i2i_cli.errors import ConfigError, DataError, I2IError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from i2i_cli.checkpoints.weights import Weights
    from i2i_cli.inference.inputs import Part, Source
    from i2i_cli.inference.loaded import TorchTranslator
    from i2i_cli.inference.translator import Translator


def complete_domain(ctx: typer.Context, incomplete: str) -> list[str]:
    """Domain names from the header of the weights in use, read without torch."""
    from i2i_cli.checkpoints.weights import open_weights

    try:
        known = open_weights(ctx.params.get("weights")).domains
    except I2IError:
        return []
    return [name for name in known if name.casefold().startswith(incomplete.casefold())]


def complete_weights(incomplete: str) -> list[str]:
    """Names of runs and of shipped models."""
    from i2i_cli.checkpoints.names import list_weights

    return [entry.name for entry in list_weights() if entry.name.startswith(incomplete)]


WeightsOpt = Annotated[
    str | None,
    typer.Option(
        "-w",
        "--weights",
        "-m",
        "--model",
        metavar="NAME|PATH",
        help="The model: a name, a weights file or a run folder.",
        autocompletion=complete_weights,
        show_default="I2I_WEIGHTS, else the newest good run in ./runs, else a shipped model",
        rich_help_panel=MODEL,
    ),
]
ImagesArg = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE...", help="Image files, folders (with -r), or - for stdin.", show_default=False),
]
RecursiveOpt = Annotated[
    bool, typer.Option("-r", "--recursive", help="Take all images below each folder.", rich_help_panel=INPUT)
]
FileListOpt = Annotated[
    Path | None,
    typer.Option(
        "--from-file",
        metavar="FILE",
        help="Read paths from a file, one a line; - is stdin.",
        show_default=False,
        rich_help_panel=INPUT,
    ),
]
NulOpt = Annotated[
    bool,
    typer.Option(
        "-0", "--null", help="Paths in --from-file end with NUL, as find -print0 writes.", rich_help_panel=INPUT
    ),
]
DeviceOpt = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.", rich_help_panel=MODEL),
]
RuntimeOpt = Annotated[
    str,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="torch, onnx (the files of `i2i export`, without torch), or auto: onnx where they are there.",
        rich_help_panel=MODEL,
    ),
]
CropOpt = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="auto|none|X,Y,W,H",
        help="Use this part of each image: its largest face, the whole, or left, top, width, height in pixels.",
        show_default="auto for a model of faces",
        rich_help_panel=INPUT,
    ),
]
FromOpt = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="DOMAIN",
        help="The domain that the images are from.",
        show_default="the name of a folder above, else predicted",
        autocompletion=complete_domain,
        rich_help_panel=INPUT,
    ),
]
SeedOpt = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of all random numbers.", rich_help_panel=MODEL)]
JsonOpt = Annotated[
    bool, typer.Option("--json", help="Print results as JSON, one object a line.", rich_help_panel=OUTPUT)
]
EngineOpt = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Where to work: in this process, or by Ray on a cluster or all cores here.",
        rich_help_panel=MANY,
    ),
]
ShardOpt = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do part I of N: every N-th image, from the I-th on.",
        show_default=False,
        rich_help_panel=MANY,
    ),
]
ForceOpt = Annotated[bool, typer.Option("--force", help="Overwrite existing files.", rich_help_panel=OUTPUT)]


def sources_of(
    images: list[Path] | None,
    recursive: bool,
    file_list: Path | None,
    nul: bool,
    part: "Part | None" = None,
    anywhere: bool = False,
) -> "list[Source]":
    """The images that a command line names, or the `part` of each; `anywhere`: at addresses too.

    Raises:
        ConfigError: no images, or stdin named twice.
        DataError: the list cannot be read.
    """
    from i2i_cli.inference.inputs import STREAM, Part, find_sources, listed_paths, url_of

    paths = list(images or [])
    if file_list is not None:
        try:
            data = read_stdin() if file_list == STREAM else file_list.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {file_list}: {error.strerror or error}") from error
        paths += listed_paths(data, b"\0" if nul else b"\n")
    if paths.count(STREAM) + (file_list == STREAM) > 1:
        raise ConfigError("- (stdin) is given more than once", "give it once")
    if not paths:
        raise ConfigError("no images given", "name image files, or - for stdin, or --from-file LIST")
    if STREAM in paths:
        check_stdin()
    far = None if anywhere else next((url for path in paths if (url := url_of(path))), None)
    if far is not None:
        raise ConfigError(f"{far} is an address, not a file", "use `i2i translate --engine ray`, or copy it here first")
    find = find_sources
    if anywhere:
        from i2i_cli.jobs.bulk.remote import find_sources as find
    return find(paths, recursive, part or Part(), say)


def one_part(crop: str | None, weights: "Weights") -> "Part":
    """The part of each image that `--crop` means, of a command that takes one.

    Raises:
        ConfigError: it is none, or means several.
    """
    from i2i_cli.inference.inputs import parse_part

    part = parse_part(crop, weights.framing)
    if part.every:
        raise ConfigError("--crop all gives several parts of an image", "use --crop auto for the largest face")
    return part


ENGINES = ("local", "ray")


def check_engine(engine: str) -> None:
    """Check `--engine`.

    Raises:
        ConfigError: it is not known.
    """
    if engine not in ENGINES:
        raise ConfigError(f"there is no --engine {engine!r}", f"use {' or '.join(ENGINES)}")


def chosen_weights(weights: str | None, domains: "Sequence[str]" = ()) -> "Weights":
    """The weights meant by `-w`, as far as their header tells; without `-w`, some that have all `domains`."""
    from i2i_cli.checkpoints.names import ENVIRONMENT, is_export
    from i2i_cli.checkpoints.weights import open_weights

    weights = weights or os.environ.get(ENVIRONMENT)
    if not weights or not is_export(Path(weights)):
        return open_weights(weights, domains, say)
    # Late: onnxruntime, without which a folder of exports tells nothing.
    from i2i_cli.inference.exported import ExportedTranslator

    return ExportedTranslator(Path(weights))


def open_model(weights: "Weights", device: str, runtime: str) -> "Translator":
    """The model of `weights`, run by onnxruntime or by torch; named in one line on stderr."""
    # Late: onnxruntime, or torch.
    from i2i_cli.checkpoints.header import describe
    from i2i_cli.inference.exported import ExportedTranslator
    from i2i_cli.inference.runtime import opened

    model = opened(weights, device, runtime, say)
    kind = ", ONNX" if isinstance(model, ExportedTranslator) else ""
    say(f"weights: {model.name}{kind} ({describe(model.header)})")
    return model


def open_translator(weights: str | None, device: str) -> "TorchTranslator":
    """The model meant by `-w`, run by torch; named in one line on stderr."""
    # Late: torch.
    from i2i_cli.checkpoints.header import describe
    from i2i_cli.inference.loaded import load

    translator = load(chosen_weights(weights), device)
    say(f"weights: {translator.name} ({describe(translator.header)})")
    return translator
