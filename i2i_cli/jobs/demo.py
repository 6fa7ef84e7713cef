"""The whole tool in five minutes: the shipped models in use first, then a training of one's own, measured."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from i2i_cli.bundled import PORTRAIT, portrait_file
from i2i_cli.checkpoints.header import read_header
from i2i_cli.config import merged
from i2i_cli.data.folders import find_images
from i2i_cli.data.glyphs import SYMBOLS, draw_styles, draw_symbols
from i2i_cli.data.images import read_image
from i2i_cli.data.writing import write_image
from i2i_cli.inference.image_like import load_image
from i2i_cli.inference.inputs import Source, face_crops
from i2i_cli.inference.runtime import load
from i2i_cli.inference.translator import Translator
from i2i_cli.jobs.classification.classify import classify_files
from i2i_cli.jobs.plots.sheets import neighbours_sheet, samples_sheet, sheet
from i2i_cli.jobs.retrieval.indexing import gallery_of
from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch
from i2i_cli.jobs.translation.files import FileTranslation
from i2i_cli.jobs.translation.planning import plan_outputs
from i2i_cli.jobs.translation.swapping import plan_swap, swap_files
from i2i_cli.notes import Note, silent

if TYPE_CHECKING:
    from i2i_cli.jobs.training.folder import RunFolder
    from i2i_cli.jobs.training.observer import Observer
    from i2i_cli.jobs.training.start import TrainingResult

FACES, EMOJI = "faces", "emoji"
"""The shipped models in use."""

LOOKS_LIKE = {"coloured": "google", "outlined": "openmoji_black"}
"""The domain of `EMOJI` that each style of symbols comes closest to."""

STYLES, LETTERS = ("filled", "pixel", "serif"), 0x590
"""What is trained on: three of the glyph styles, and the characters before this code point (Latin, Greek, Cyrillic,
Armenian). Outlines are learned last, and all other scripts take twice the time to draw and to score."""

STEPS = 800
MINUTES = 2.0
SETTINGS: dict[str, dict[str, Any]] = {
    "data": {"image_size": 32},
    # A small network and a high rate that cools down: clear letters in an eighth of the time of the default's.
    "networks": {"width": 64, "min_width": 16, "num_blocks": 1, "content_channels": 8},
    "training": {"batch_size": 24, "learning_rate": 2e-3, "cooldown": 0.5, "ema": 0.99, "score_on_the_way": False},
    # The styles are learned apart within 500 steps, with the default's 0.1 in twice as many.
    "objective": {"hiding_ramp": 300, "ridge_codes": 256, "weights": {"domain_stream": 0.3}},
}
"""Of the training, beside its data and its length."""

NUM_EXAMPLES = 12
SAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Args:
        shipped: what the shipped models were found to do: `neighbours`, the share of symbols whose nearest
            neighbour in the other style is the same symbol; `classified`, the share taken for `LOOKS_LIKE`.
        figures: the held-out figures of the model, as `HeldOutFigures.to_dict` gives them.
        trained: False where an earlier demo's model was used again.
        finished: False if it was asked to stop.
        pictures: (what it shows, path).
        commands: what to type next.
    """

    shipped: dict[str, float]
    figures: dict
    trained: bool
    finished: bool
    pictures: tuple[tuple[str, Path], ...] = ()
    commands: tuple[str, ...] = ()


def run_demo(
    folder: Path, *, observer: "Observer | None" = None, should_stop: Callable[[], bool] = lambda: False
) -> DemoResult:
    """Use the shipped models on what is drawn into `folder`; then train SRAE on glyph styles, and use that.

    A finished model of an earlier demo in `folder` is used again, and a stopped one gone on with.
    """
    shipped = _use_shipped(folder, observer.note if observer is not None else silent)
    # Late: torch, which the shipped models do without.
    from i2i_cli.jobs.training.folder import RunFolder
    from i2i_cli.jobs.training.observer import Observer

    observer = observer or Observer()
    glyphs, run = folder / "glyphs", RunFolder(folder / "run")
    trained = not run.model.is_file() or not read_header(run.model).finished
    if trained:
        observer.note(
            f"5. a model of your own: draws characters in {len(STYLES)} styles into {glyphs}, and trains on them for "
            f"{MINUTES:g} minutes at most: {run.path}"
        )
    draw_styles(glyphs, STYLES, LETTERS)
    if trained:
        result = _train(run, glyphs, observer, should_stop)
        if not result.finished:
            return DemoResult(shipped=shipped, figures={}, trained=True, finished=False)
    pictures = _shipped_pictures(folder) + _pictures(folder)
    return DemoResult(
        shipped=shipped,
        figures=read_header(run.model).figures,
        trained=trained,
        finished=True,
        pictures=pictures,
        commands=_commands(folder),
    )


def _use_shipped(folder: Path, note: Note) -> dict[str, float]:
    """Translate, swap, find neighbours and classify by the shipped models, each told in a line."""
    portrait, symbols = folder / "portrait", folder / "symbols"
    faces = load(FACES)
    made = _translate_portrait(faces, portrait)
    note(f"1. translate: the face of a photo, by the shipped model {faces.name}: {made}")
    _swap(faces, portrait, folder / "swap.png")
    note(f"2. swap-domain: it and a drawn face, each in the look of the other: {folder / 'swap.png'}")
    draw_symbols(symbols)
    emoji = load(EMOJI)
    found = _find_neighbours(emoji, symbols, folder / "neighbours.png")
    note(
        f"3. neighbours: {found} of {len(SYMBOLS)} coloured symbols found again among the outlined, by the shipped "
        f"model {emoji.name} (by chance: 1): {folder / 'neighbours.png'}"
    )
    alike = {style: _classify(emoji, symbols / style, domain) for style, domain in LOOKS_LIKE.items()}
    told = ", ".join(f"{alike[style]} of {len(SYMBOLS)} {style} ones as {LOOKS_LIKE[style]}" for style in LOOKS_LIKE)
    note(f"4. classify: by the same model, {told}: {symbols}")
    num_symbols = len(SYMBOLS) * len(LOOKS_LIKE)
    return {"neighbours": found / len(SYMBOLS), "classified": sum(alike.values()) / num_symbols}


def _translate_portrait(faces: Translator, folder: Path) -> Path:
    """Write the photo, its face, and that face as anime; returns the sheet of it, rebuilt, and in six codes."""
    folder.mkdir(parents=True, exist_ok=True)
    photo = shutil.copyfile(portrait_file(), folder / PORTRAIT)
    picture = read_image(photo)
    face = face_crops(picture)[0].of(picture, PORTRAIT).rgb
    write_image(folder / "face.png", face)
    write_image(folder / f"{photo.stem}-anime.png", faces.translate(face, "anime"))
    targets = faces.samples("anime", SAMPLES)
    item = load_image(face, faces.image_size)
    (found,) = faces.translated([item], targets)
    made = [item.frame.restore(square) for square in found.squares]
    # Its own content keeps still, mirrored: so that the swap shows what of it a look changes.
    write_image(folder / "drawn.png", ImageOps.mirror(made[-1]))
    columns = [("input", face), ("rebuilt", faces.reconstruct(face))]
    columns += [(f"anime {target.sample}", image) for target, image in zip(targets, made, strict=True)]
    write_image(folder / "sheet.png", _in_a_row(columns))
    return folder / "sheet.png"


def _in_a_row(columns: list[tuple[str, Image.Image]]) -> Image.Image:
    """Images of one size side by side, each under its title."""
    return sheet([(title, np.asarray(image)[None]) for title, image in columns], 1)


def _swap(faces: Translator, folder: Path, out: Path) -> None:
    """The face of the photo and a drawn one, mirrored, with their domain codes exchanged."""
    swap_files(faces, plan_swap(folder / "face.png", folder / "drawn.png", folder, out, overwrite=True))


def _find_neighbours(emoji: Translator, symbols: Path, out: Path) -> int:
    """Of how many coloured symbols the nearest outlined one is the same symbol; a sheet of some goes to `out`."""
    gallery, _ = gallery_of(emoji, symbols)
    search = NeighbourSearch(translator=emoji, gallery=gallery, inside="outlined")
    answers = list(search.run([Source(path=path) for path in find_images(symbols / "coloured")], 5))
    write_image(out, neighbours_sheet(answers[:: len(answers) // 8], emoji.image_size))
    return sum(answer.neighbours[0].path.name == answer.source.name for answer in answers)


def _classify(emoji: Translator, folder: Path, domain: str) -> int:
    """How many symbols of `folder` are taken for `domain`."""
    sources = [Source(path=path) for path in find_images(folder)]
    return sum(found.label == domain for found in classify_files(emoji, sources))


def _train(run: "RunFolder", glyphs: Path, observer: "Observer", should_stop: Callable[[], bool]) -> "TrainingResult":
    # Late: torch.
    from i2i_cli.jobs.training.config import run_config
    from i2i_cli.jobs.training.start import resume, train

    if run.state.is_file():  # an earlier demo was stopped on the way
        return resume(run.path, observer=observer, should_stop=should_stop)
    given = {"data": {"root": str(glyphs)}, "training": {"steps": STEPS, "minutes": MINUTES}}
    return train(run_config(merged(SETTINGS, given)), run.path, observer=observer, should_stop=should_stop)


def _shipped_pictures(folder: Path) -> tuple[tuple[str, Path], ...]:
    return (
        ("the face of a photo, rebuilt, and in six codes of anime", folder / "portrait" / "sheet.png"),
        ("the photo's face and a drawn one with their domain codes exchanged", folder / "swap.png"),
        ("coloured symbols and their nearest outlined ones", folder / "neighbours.png"),
    )


def _pictures(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Run what `translate` runs, on characters that were never trained on."""
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
    write_image(
        folder / "samples.png", samples_sheet(translator, find_images(test / "filled")[:SAMPLES], "serif", SAMPLES)
    )
    return (
        ("held-out characters, rebuilt and in every style", folder / "run" / "samples" / "latest.png"),
        ("a file for each of them", out),
        ("six characters, each with six codes of one style", folder / "samples.png"),
    )


def _commands(folder: Path) -> tuple[str, ...]:
    photo, symbols = folder / "portrait" / PORTRAIT, folder / "symbols"
    run, test = folder / "run", folder / "glyphs" / "test"
    image = find_images(test / "filled")[0]
    return (
        f"i2i translate {image} --to serif -w {run} -o serif.png",
        f"i2i translate {test / 'serif'} --to pixel -w {run} -o pixels/",
        f"i2i translate {photo} --to anime --samples 12 -w {FACES} -o faces/",
        f"i2i translate {photo} --to anime --paste -w {FACES} -o pasted.png",
        f"i2i neighbours {symbols / 'coloured' / 'heart.png'} --gallery {symbols} --in outlined -w {EMOJI}",
        f"i2i neighbours {image} --gallery {test} -w {run} --sheet neighbours.png",
        f"i2i classify {test} -r -w {run}",
        f"i2i weights show {run}",
        "i2i train FOLDER        your own images, one folder per domain",
    )
