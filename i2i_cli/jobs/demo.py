"""The main job from beginning to end, on the built-in sample set: draw, train, translate, measure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.checkpoints.header import read_header
from i2i_cli.data.folders import find_images
from i2i_cli.data.glyphs import draw_styles
from i2i_cli.data.writing import write_image
from i2i_cli.inference.inputs import Source
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.plots.sheets import samples_sheet
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.start import TrainingResult, resume, train
from i2i_cli.jobs.translation.files import FileTranslation
from i2i_cli.jobs.translation.planning import plan_outputs
from i2i_cli.jobs.translation.swapping import plan_swap, swap_files

IMAGE_SIZE = 32
STEPS = 1700
MINUTES = 6.0
NUM_EXAMPLES = 12
SAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Args:
        figures: the held-out figures of the model, as `HeldOutFigures.to_dict` gives them.
        trained: False where an earlier demo's model was used again.
        finished: False if it was asked to stop.
        pictures: (what it shows, path).
        commands: what to type next.
    """

    figures: dict
    trained: bool
    finished: bool
    pictures: tuple[tuple[str, Path], ...] = ()
    commands: tuple[str, ...] = ()


def run_demo(
    folder: Path, *, observer: Observer | None = None, should_stop: Callable[[], bool] = lambda: False
) -> DemoResult:
    """Draw the glyph styles into `folder`, train SRAE on them, and use the model on held-out images.

    A finished model of an earlier demo in `folder` is used again, and a stopped one gone on with.
    """
    observer = observer or Observer()
    glyphs, run = folder / "glyphs", RunFolder(folder / "run")
    trained = not run.model.is_file() or not read_header(run.model).finished
    if trained:
        observer.note(f"drawing characters in four styles and training on them, in {folder}")
    draw_styles(glyphs)
    if trained:
        result = _train(run, glyphs, observer, should_stop)
        if not result.finished:
            return DemoResult(figures={}, trained=True, finished=False)
    header = read_header(run.model)
    return DemoResult(
        figures=header.figures, trained=trained, finished=True, pictures=_pictures(folder), commands=_commands(folder)
    )


def _train(run: RunFolder, glyphs: Path, observer: Observer, should_stop: Callable[[], bool]) -> TrainingResult:
    if run.state.is_file():  # an earlier demo was stopped on the way
        return resume(run.path, observer=observer, should_stop=should_stop)
    flags = {
        "data": {"root": str(glyphs), "image_size": IMAGE_SIZE},
        "training": {"steps": STEPS, "minutes": MINUTES},
        # Four styles are learned apart within 500 steps, with the default's 0.1 in twice as many.
        "objective": {"weights": {"domain_stream": 0.3}},
    }
    return train(run_config(flags), run.path, observer=observer, should_stop=should_stop)


def _pictures(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Run what `translate` and `swap-domain` run, on characters that were never trained on."""
    test, out = folder / "glyphs" / "test", folder / "translated"
    translator = load(folder / "run")
    for domain in translator.domains:
        examples = find_images(test / domain)
        sources = [Source(path=path, below=test) for path in examples[:: max(1, len(examples) // NUM_EXAMPLES)]]
        targets = [translator.target(other) for other in translator.domains if other != domain]
        planned = plan_outputs(sources, [target.label for target in targets], out)
        job = FileTranslation(translator=translator, targets=targets, overwrite=True)
        for outcome in job.run(planned):
            if outcome.error is not None:
                raise outcome.error
    a, b = find_images(test / "filled")[3], find_images(test / "serif")[7]
    swap_files(translator, plan_swap(a, b, folder, folder / "swap.png", overwrite=True))
    write_image(
        folder / "samples.png", samples_sheet(translator, find_images(test / "filled")[:SAMPLES], "serif", SAMPLES)
    )
    return (
        ("held-out characters, rebuilt and in every style", folder / "run" / "samples" / "latest.png"),
        ("a file for each of them", out),
        ("two images with their domain codes exchanged", folder / "swap.png"),
        ("six characters, each with six codes of one style", folder / "samples.png"),
    )


def _commands(folder: Path) -> tuple[str, ...]:
    run, test = folder / "run", folder / "glyphs" / "test"
    image = find_images(test / "filled")[0]
    return (
        f"i2i translate {image} --to serif -w {run} -o serif.png",
        f"i2i translate {test / 'outline'} -r --to pixel -w {run} -o pixels/",
        f"i2i translate - --to outline -w {run} < {image} > outline.png",
        f"i2i neighbours {image} --gallery {test} -w {run} --sheet neighbours.png",
        f"i2i classify {test} -r -w {run}",
        f"i2i weights show {run}",
        "i2i train FOLDER        your own images, one folder per domain",
    )
