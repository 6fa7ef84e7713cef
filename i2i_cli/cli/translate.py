"""`i2i translate`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import INPUT, MANY, OUT, OUTPUT, TARGET
from i2i_cli.cli.options import (
    DeviceOpt,
    EngineOpt,
    FileListOpt,
    ForceOpt,
    FromOpt,
    ImagesArg,
    JsonOpt,
    NulOpt,
    RecursiveOpt,
    RuntimeOpt,
    SeedOpt,
    ShardOpt,
    WeightsOpt,
    check_engine,
    chosen_weights,
    complete_domain,
    open_model,
    sources_of,
)
from i2i_cli.cli.report import read_stdin, summarise
from i2i_cli.cli.translation_view import check_pictures, draw, told
from i2i_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from i2i_cli.inference.translator import Translator
    from i2i_cli.jobs.translation.files import FileTranslation
    from i2i_cli.jobs.translation.planning import Outcome, TargetChoice, Task

EXAMPLES = """Examples:

\b
  i2i translate img.png --to anime              write img-anime.png
  i2i translate photos/ --to anime -o out/      a folder, mirrored below out/
  i2i translate us.jpg --to anime --crop all --paste   every face in a photo
  i2i translate img.png --to anime --samples 5  five results, five codes
  i2i translate img.png --to anime --code 5     the fifth of the kept codes
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
    code: Annotated[
        int | None,
        typer.Option(
            "--code", metavar="N", min=1, help="Use the N-th of the domain's codes that the model keeps; 1 is the "
            "default one.", show_default=False, rich_help_panel=TARGET,
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
            *OUT, metavar="FILE|FOLDER", help="Where to write; - is stdout.",
            show_default="beside the input", rich_help_panel=OUTPUT,
        ),
    ] = None,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: Annotated[
        str | None,
        typer.Option(
            "--crop", metavar="auto|all|none|X,Y,W,H", help="Use this part of each image: its largest face, every "
            "face, the whole, or left, top, width, height in pixels.", show_default="auto for a model of faces",
            rich_help_panel=INPUT,
        ),
    ] = None,
    paste: Annotated[
        bool,
        typer.Option(
            "--paste", help="Put the result back into the photo that it was cut from; with --crop all, every face.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    size: Annotated[
        str,
        typer.Option(
            "--size", metavar="input|model", help="Size of the results: the input's, or the model's own.",
            rich_help_panel=OUTPUT,
        ),
    ] = "input",
    quality: Annotated[
        int | None,
        typer.Option(
            "--quality", metavar="N", min=1, max=100, help="Quality of JPEG and WebP results.", show_default="95",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE", help="Also draw each image beside its results, up to 64 images.",
            show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    gif: Annotated[
        Path | None,
        typer.Option(
            "--gif", metavar="FILE", help="Also write a morph from the image to the result and back, or through the "
            "samples: .gif or .webp.", show_default=False, rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: ForceOpt = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Skip images whose results exist.", rich_help_panel=OUTPUT),
    ] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, help="Images translated at once.", rich_help_panel=MANY)
    ] = 32,
    shard: ShardOpt = None,
    engine: EngineOpt = "local",
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    seed: SeedOpt = 0,
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Translate images to another domain.

    The result shows the content of the input in the look of the other domain. It keeps
    the input's size, aspect ratio and alpha, and is named STEM-DOMAIN.png. A model of faces
    cuts larger photos to the largest face in them.
    """
    _check(to, like, code, samples, size, paste)
    _check_runner(engine, runtime, device, paste or crop == "all")
    chosen = chosen_weights(weights, to or ())
    own = None if own is None else chosen.domain(own)
    domains = [chosen.domain(name) for name in to or []]
    # Late: Pillow, which neither help nor completion needs.
    from i2i_cli.inference.inputs import STREAM, every_face, parse_part, parse_shard
    from i2i_cli.jobs.translation.planning import TargetChoice, is_folder, plan_outputs

    recursive = recursive or (out is not None and out != STREAM and is_folder(out))
    shard_of, part = parse_shard(shard), parse_part(crop, chosen.framing)
    sources = sources_of(images, recursive, file_list, nul, part, engine == "ray")
    if part.every and not paste:
        if any(source.path == STREAM for source in sources):
            raise ConfigError("--crop all reads files, not stdin", "give a file, or add --paste")
        sources = every_face(sources)
    wanted = TargetChoice(domains=domains, like=like, code=code, samples=samples, seed=seed)
    tasks = shard_of.of(plan_outputs(sources, wanted.labels(), out))
    if as_json and any(path == STREAM for task in tasks for path in task.outputs):
        raise ConfigError("stdout cannot hold both an image and --json", "give -o FILE, or leave --json out")
    check_pictures(sheet, gif, force, len(tasks))
    settings = {
        "own": own, "strength": strength, "at_model_size": size == "model", "overwrite": force,
        "skip_existing": skip_existing, "quality": quality, "batch_size": batch_size,
        "keep_squares": sheet is not None or gif is not None, "paste": paste, "every_face": part.every,
    }  # fmt: skip
    runtime = "torch" if engine == "ray" else runtime
    job, outcomes = _begun(tasks, wanted, settings, engine, lambda: open_model(chosen, device, runtime))
    shown, num_failed = told(outcomes, job, len(tasks), chosen.name, as_json)
    if job is not None and shown:
        draw(job, shown, sheet, gif)
    summarise(num_failed, len(tasks))


def _begun(
    tasks: "Sequence[Task]",
    wanted: "TargetChoice",
    settings: dict[str, Any],
    engine: str,
    open_translator: "Callable[[], Translator]",
) -> "tuple[FileTranslation | None, Generator[Outcome, None, None]]":
    """The translation and its outcomes; no model is loaded where there is nothing for it to do."""
    from i2i_cli.jobs.translation.planning import settled

    known = (settled(task, settings["overwrite"], settings["skip_existing"]) for task in tasks)
    if engine == "local" and all(outcome is not None for outcome in known):
        again = (settled(task, settings["overwrite"], settings["skip_existing"]) for task in tasks)
        return None, (outcome for outcome in again if outcome is not None)
    # Late: numpy, and what runs the networks.
    from i2i_cli.jobs.translation.files import FileTranslation

    translator = open_translator()
    job = FileTranslation(
        translator=translator, targets=wanted.targets(translator), read_stdin=read_stdin, **settings
    )  # fmt: skip
    if engine == "local":
        return job, job.run(tasks)
    # Late: Ray.
    from i2i_cli.jobs.bulk.on_ray import translate_on_ray

    return job, translate_on_ray(job, tasks)


def _check_runner(engine: str, runtime: str, device: str, is_local: bool) -> None:
    """Check the options that choose where the translation runs."""
    check_engine(engine)
    if engine == "ray" and is_local:
        raise ConfigError("--engine ray takes neither --paste nor --crop all", "leave --engine out")
    if engine == "ray" and runtime == "onnx":
        raise ConfigError("--engine ray runs torch only", "leave --runtime out")
    if engine == "ray" and device != "auto":
        raise ConfigError("--engine ray chooses the device of each actor", "leave --device out")


def _check(to: list[str] | None, like: Path | None, code: int | None, samples: int, size: str, paste: bool) -> None:
    """Refuse options that contradict each other."""
    if not to and like is None:
        raise ConfigError("nothing to translate to", "give --to DOMAIN or --like IMAGE")
    if like is not None and (samples or len(to or []) > 1):
        raise ConfigError("--like takes no --samples and at most one --to", "leave one of them out")
    if code is not None and (like is not None or samples):
        raise ConfigError("--code takes neither --like nor --samples", "leave one of them out")
    if samples < 0:
        raise ConfigError(f"--samples {samples} is below 0", "give the number of results")
    if size not in ("input", "model"):
        raise ConfigError(f"there is no --size {size!r}", "use input or model")
    if paste and size == "model":
        raise ConfigError("--paste keeps the photo's size, --size model does not", "leave one of them out")
