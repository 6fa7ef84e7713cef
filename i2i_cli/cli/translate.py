"""`i2i translate`"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import MODEL, OUTPUT, TARGET
from i2i_cli.cli.options import (
    CropOpt,
    DeviceOpt,
    EngineOpt,
    FileListOpt,
    ForceOpt,
    FromOpt,
    ImagesArg,
    JsonOpt,
    NulOpt,
    RecursiveOpt,
    SeedOpt,
    ShardOpt,
    WeightsOpt,
    check_engine,
    complete_domain,
    open_for_translation,
    sources_of,
)
from i2i_cli.cli.report import print_error, print_result, read_stdin, say, summarise, write_stdout
from i2i_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from i2i_cli.jobs.translation.files import FileTranslation, Outcome, Task

EXAMPLES = """Examples:

\b
  i2i translate img.png --to anime              write img-anime.png
  i2i translate photos/ -r --to anime -o out/   a folder, mirrored below out/
  i2i translate me.jpg --crop 820,340,600,600 --to anime  a face in a photo
  i2i translate img.png --to anime --samples 5  five results, five codes
  i2i translate img.png --like art.png          the domain code of art.png
  i2i translate - --to anime < a.png > b.png    read stdin, write stdout

\b
  A dual model, whose --like image is of the other kind:
  i2i translate bag.png --from sketch_bag --to photo_bag --like shoe.png

\b
  One of eight machines that share a folder; a Ray cluster:
  i2i translate photos/ -r --to anime -o out/ --shard 2/8 --skip-existing
  i2i translate s3://photos/ -r --to anime -o s3://out/ --engine ray
"""


@app.command(epilog=EXAMPLES)
def translate(
    images: ImagesArg = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="DOMAIN", help="Domain to translate to; may be repeated.",
            autocompletion=complete_domain, rich_help_panel=TARGET,
        ),
    ] = None,
    own: FromOpt = None,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like", metavar="IMAGE", help="Use the domain code of this image.", show_default=False,
            rich_help_panel=TARGET,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--samples", metavar="N", help="Write N results, each with a different domain code.", show_default=False,
            rich_help_panel=TARGET,
        ),
    ] = 0,
    strength: Annotated[
        float,
        typer.Option(
            "--strength", metavar="X", min=0, max=1, help="Blend: 0 is the image's own domain code, 1 the target's.",
            rich_help_panel=TARGET,
        ),
    ] = 1.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE|FOLDER", help="Where to write; - is stdout.", show_default="beside the input",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: CropOpt = None,
    size: Annotated[
        str,
        typer.Option(
            "--size", metavar="input|model", help="Size of the results: the input's, or the model's own.",
            rich_help_panel=OUTPUT,
        ),
    ] = "input",
    force: ForceOpt = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Skip images whose results exist.", rich_help_panel=OUTPUT),
    ] = False,
    shard: ShardOpt = None,
    engine: EngineOpt = "local",
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: Annotated[
        str,
        typer.Option(
            "--runtime", metavar="torch|onnx", help="onnx: the files that `i2i export` wrote, without torch.",
            rich_help_panel=MODEL,
        ),
    ] = "torch",
    seed: SeedOpt = 0,
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Translate images to another domain.

    The result shows the content of the input in the look of the other domain. It keeps
    the input's size, aspect ratio and alpha, and is named STEM-DOMAIN.png.
    """
    _check(to, like, samples, size)
    _check_runner(engine, runtime, device)
    # Late: torch, which neither help nor completion needs.
    from i2i_cli.inference.inputs import STREAM, parse_shard
    from i2i_cli.jobs.translation.files import FileTranslation, plan_outputs

    part, sources = parse_shard(shard), sources_of(images, recursive, file_list, nul, crop, engine == "ray")
    translator = open_for_translation(weights, device, runtime)
    for domain in [*(to or []), *([own] if own is not None else [])]:
        translator.label_of(domain)
    if like is not None:
        targets = [translator.like(like, to[0] if to else None)]
    elif samples:
        targets = [target for domain in to or [] for target in translator.samples(domain, samples, seed)]
    else:
        targets = [translator.target(domain) for domain in to or []]
    tasks = part.of(plan_outputs(sources, [target.label for target in targets], out))
    if as_json and any(path == STREAM for task in tasks for path in task.outputs):
        raise ConfigError("stdout cannot hold both an image and --json", "give -o FILE, or leave --json out")
    job = FileTranslation(
        translator=translator,
        targets=targets,
        own=own,
        strength=strength,
        at_model_size=size == "model",
        overwrite=force,
        skip_existing=skip_existing,
        read_stdin=read_stdin,
    )
    with closing(_run(job, tasks, engine)) as outcomes:  # a signal waits for what is being written
        num_failed = sum(not _report(outcome, as_json) for outcome in outcomes)
    summarise(num_failed, len(tasks))


def _run(job: "FileTranslation", tasks: "Sequence[Task]", engine: str) -> "Generator[Outcome, None, None]":
    if engine == "local":
        return job.run(tasks)
    # Late: Ray.
    from i2i_cli.jobs.bulk.on_ray import translate_on_ray

    return translate_on_ray(job, tasks)


def _check_runner(engine: str, runtime: str, device: str) -> None:
    """Check the options that choose where the translation runs."""
    check_engine(engine)
    if engine == "ray" and runtime != "torch":
        raise ConfigError("--engine ray runs torch only", "leave --runtime out")
    if engine == "ray" and device != "auto":
        raise ConfigError("--engine ray chooses the device of each actor", "leave --device out")


def _check(to: list[str] | None, like: Path | None, samples: int, size: str) -> None:
    """Refuse options that contradict each other."""
    if not to and like is None:
        raise ConfigError("nothing to translate to", "give --to DOMAIN or --like IMAGE")
    if like is not None and (samples or len(to or []) > 1):
        raise ConfigError("--like takes no --samples and at most one --to", "leave one of them out")
    if samples < 0:
        raise ConfigError(f"--samples {samples} is below 0", "give the number of results")
    if size not in ("input", "model"):
        raise ConfigError(f"there is no --size {size!r}", "use input or model")


def _report(outcome: "Outcome", as_json: bool) -> bool:
    """Tell what became of one image; True if it succeeded."""
    from i2i_cli.inference.inputs import url_of

    if outcome.note:
        say(f"{outcome.source}: {outcome.note}")
    if outcome.data:
        write_stdout(outcome.data)
    else:
        for label, path in outcome.written:
            output = url_of(path) or str(path)
            print_result(
                {"input": url_of(outcome.source) or str(outcome.source), "to": label, "output": output}, output, as_json
            )
    if outcome.error is not None:
        print_error(outcome.error)
    return outcome.error is None
