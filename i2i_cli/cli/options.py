"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.report import check_stdin, read_stdin, say, shown_path
from i2i_cli.errors import ConfigError, DataError

if TYPE_CHECKING:
    from i2i_cli.inference.inputs import Source
    from i2i_cli.inference.loaded import Translator
    from i2i_cli.inference.translator import BaseTranslator


def complete_domain(ctx: typer.Context, incomplete: str) -> list[str]:
    """Domain names from the header of the weights in use, read without torch."""
    from i2i_cli.checkpoints.names import domains_of

    return [name for name in domains_of(ctx.params.get("weights")) if name.startswith(incomplete)]


def complete_weights(incomplete: str) -> list[str]:
    """Names of runs and of shipped models."""
    from i2i_cli.checkpoints.names import list_weights

    return [entry.name for entry in list_weights() if entry.name.startswith(incomplete)]


WeightsOpt = Annotated[
    str | None,
    typer.Option(
        "-w",
        "--weights",
        help="Weights: a run folder, a file or a name. Without: I2I_WEIGHTS, else the newest finished "
        "run in ./runs, else the shipped faces.",
        autocompletion=complete_weights,
        show_default=False,
    ),
]
ImagesArg = Annotated[
    list[Path] | None,
    typer.Argument(metavar="IMAGE...", help="Image files, folders with -r, or - for stdin.", show_default=False),
]
RecursiveOpt = Annotated[bool, typer.Option("-r", "--recursive", help="Take all images below a folder.")]
FileListOpt = Annotated[
    Path | None,
    typer.Option(
        "--from-file", metavar="FILE", help="Take paths from a file, one a line; - is stdin.", show_default=False
    ),
]
NulOpt = Annotated[
    bool, typer.Option("-0", "--null", help="The paths in --from-file end with NUL, as of find -print0.")
]
DeviceOpt = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
CropOpt = Annotated[
    str | None,
    typer.Option(
        "--crop",
        metavar="X,Y,W,H",
        help="Take only this part of each image: left, top, width, height in pixels.",
        show_default=False,
    ),
]
FromOpt = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="DOMAIN",
        help="The images' own domain.",
        show_default="their folder's, else predicted",
        autocompletion=complete_domain,
    ),
]
SeedOpt = Annotated[int, typer.Option("--seed", help="Seed of every random draw.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
EngineOpt = Annotated[
    str, typer.Option("--engine", help="local, or ray: on a Ray cluster, or on all cores of this machine.")
]
ShardOpt = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Only every N-th image, from the I-th on.", show_default=False),
]
ForceOpt = Annotated[bool, typer.Option("--force", help="Overwrite outputs that are there.")]


def sources_of(
    images: list[Path] | None,
    recursive: bool,
    file_list: Path | None,
    nul: bool,
    crop: str | None = None,
    anywhere: bool = False,
) -> "list[Source]":
    """The images that a command line names, or the part `crop` of each; `anywhere`: at addresses too.

    Raises:
        ConfigError: none at all, stdin asked for twice, or a crop that is none.
        DataError: the list cannot be read.
    """
    from i2i_cli.inference.inputs import STREAM, find_sources, listed_paths, parse_crop, url_of

    paths = list(images or [])
    if file_list is not None:
        try:
            data = read_stdin() if file_list == STREAM else file_list.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {file_list}: {error.strerror or error}") from error
        paths += listed_paths(data, b"\0" if nul else b"\n")
    if paths.count(STREAM) + (file_list == STREAM) > 1:
        raise ConfigError("stdin can be one thing only", "give one - on the command line")
    if not paths:
        raise ConfigError("no images given", "name some, or give - or --from-file -")
    if STREAM in paths:
        check_stdin()
    far = None if anywhere else next((url for path in paths if (url := url_of(path))), None)
    if far is not None:
        raise ConfigError(f"{far} is an address", "add --engine ray to `i2i translate`, or copy it here first")
    find = find_sources
    if anywhere:
        from i2i_cli.jobs.bulk.remote import find_sources as find
    return find(paths, recursive, None if crop is None else parse_crop(crop), say)


RUNTIMES = ("torch", "onnx")
ENGINES = ("local", "ray")


def check_engine(engine: str) -> None:
    """Refuse what no work is done on.

    Raises:
        ConfigError: it is not known.
    """
    if engine not in ENGINES:
        raise ConfigError(f"--engine {engine!r} is not known", f"use {' or '.join(ENGINES)}")


def open_for_translation(weights: str | None, device: str, runtime: str) -> "BaseTranslator":
    """The model meant by `-w`, run by torch, or its export by onnxruntime; named in one line on stderr."""
    if runtime not in RUNTIMES:
        raise ConfigError(f"--runtime {runtime!r} is not known", f"use {' or '.join(RUNTIMES)}")
    if runtime == "torch":
        return open_translator(weights, device)
    # Late: onnxruntime, and nothing of torch.
    from i2i_cli.checkpoints.header import describe
    from i2i_cli.inference.exported import load_exported

    translator = load_exported(weights, device)
    say(f"weights: {shown_path(translator.path)}, ONNX ({describe(translator.header)})")
    return translator


def open_translator(weights: str | None, device: str) -> "Translator":
    """The model meant by `-w`, named in one line on stderr."""
    # Late: torch.
    from i2i_cli.checkpoints.header import describe
    from i2i_cli.inference.loaded import load

    translator = load(weights, device)
    say(f"weights: {shown_path(translator.path)} ({describe(translator.header)})")
    return translator
