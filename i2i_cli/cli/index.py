"""`i2i index`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import INPUT, OUT, OUTPUT
from i2i_cli.cli.options import (
    DeviceOpt,
    EngineOpt,
    ForceOpt,
    FromOpt,
    JsonOpt,
    RuntimeOpt,
    ShardOpt,
    WeightsOpt,
    check_engine,
    chosen_weights,
    open_model,
)
from i2i_cli.cli.report import print_error, print_result, say
from i2i_cli.errors import ConfigError

if TYPE_CHECKING:
    from i2i_cli.jobs.retrieval.indexing import IndexResult

EXAMPLES = """Examples:

\b
  i2i index photos/ -o photos.safetensors      run again to update the file
  i2i index photos/ -o photos.csv              for other tools; .npz too
  i2i neighbours query.png --gallery photos.safetensors

\b
  Eight machines that share a folder, then one file of all parts:
  i2i index photos/ -o part-2.safetensors --shard 2/8
  i2i index --merge part-1.safetensors part-2.safetensors -o all.safetensors
"""


@app.command(epilog=EXAMPLES)
def index(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="A folder of images; with --merge, index files.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            *OUT, metavar="FILE", help="File to write: .safetensors, .npz or .csv.", show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    own: FromOpt = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Join index files made with the same weights.", rich_help_panel=INPUT)
    ] = False,
    shard: ShardOpt = None,
    engine: EngineOpt = "local",
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Store the codes of a folder's images in a file.

    An existing .safetensors file is updated: new and changed images are encoded, and images that
    no longer exist are removed. The first folder below FOLDER is the label of an image.
    """
    # Late: numpy.
    from i2i_cli.jobs.retrieval.gallery import check_suffix

    check_suffix(out)
    if merge:
        _merge(paths, out, force, as_json)
        return
    if len(paths) > 1:
        raise ConfigError(
            f"{len(paths)} folders are given; an index holds one", "index each, then join the files with --merge"
        )
    from i2i_cli.cli.progress import progress, stop_on_signal
    from i2i_cli.inference.inputs import parse_shard
    from i2i_cli.jobs.retrieval.indexing import index_folder

    check_engine(engine)
    part, chosen = parse_shard(shard), chosen_weights(weights)
    own = None if own is None else chosen.domain(own)
    translator = open_model(chosen, device, runtime)
    options: dict[str, Any] = {"own": own, "shard": part, "overwrite": force}
    if engine == "ray":
        from i2i_cli.jobs.bulk.on_ray import encode_on_ray

        options["encode"] = encode_on_ray
    with stop_on_signal() as signal, progress("encoding") as report:
        result = index_folder(
            translator, paths[0], out, **options, report=report, should_stop=signal.received, note=say
        )
    _tell(result, out, signal.exit_code, as_json)


def _tell(result: "IndexResult", out: Path, exit_code: int, as_json: bool) -> None:
    """Say what became of the index; a stop and unreadable images end the command with their exit code."""
    for failure in result.failures:
        print_error(failure.error)
    say(f"{result.encoded} encoded, {result.kept} unchanged, {result.removed} gone, {len(result.failures)} unreadable")
    if not result.finished:
        say(
            "stopped and saved; run the same command to resume"
            if out.suffix == ".safetensors"
            else "stopped; nothing was written"
        )
        raise typer.Exit(exit_code)
    counts = {"encoded": result.encoded, "kept": result.kept, "removed": result.removed}
    print_result({"gallery": str(out)} | counts | {"unreadable": len(result.failures)}, str(out), as_json)
    if result.failures:
        raise typer.Exit(1)


def _merge(paths: list[Path], out: Path, force: bool, as_json: bool) -> None:
    from i2i_cli.files import check_new
    from i2i_cli.jobs.retrieval.gallery import merge, open_gallery, save_gallery

    check_new(out, force)
    joined = merge([open_gallery(path) for path in paths])
    save_gallery(out, joined)
    print_result({"gallery": str(out), "images": len(joined)}, str(out), as_json)
