"""`i2i neighbours`"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUTPUT
from i2i_cli.cli.options import (
    CropOpt,
    DeviceOpt,
    FileListOpt,
    ForceOpt,
    FromOpt,
    ImagesArg,
    JsonOpt,
    NulOpt,
    RecursiveOpt,
    RuntimeOpt,
    WeightsOpt,
    chosen_weights,
    complete_domain,
    one_part,
    open_model,
    sources_of,
)
from i2i_cli.cli.report import TakenParts, as_line, print_error, print_result, read_stdin, say, summarise, with_crop
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.files import shown_path

if TYPE_CHECKING:
    from i2i_cli.inference.inputs import Source
    from i2i_cli.inference.translator import Translator
    from i2i_cli.jobs.retrieval.gallery import Gallery
    from i2i_cli.jobs.retrieval.neighbours import Answer

EXAMPLES = """Examples:

\b
  i2i neighbours query.png                           in the training images
  i2i neighbours query.png --gallery photos/ -k 10   in a folder
  i2i neighbours query.png --gallery photos.safetensors  in an index
  i2i neighbours a.png b.png --in anime --sheet n.png    and a picture
  i2i neighbours query.png --json | jq -r .neighbours[0].path
  find new/ -name '*.png' -print0 | i2i neighbours --from-file - -0
"""


SEARCH = "Search"
"""The group of the options that say what is searched, and how."""


@app.command("neighbors", hidden=True, epilog=EXAMPLES)
@app.command(epilog=EXAMPLES)
def neighbours(
    images: ImagesArg = None,
    count: Annotated[
        int,
        typer.Option(
            "-k", "--count", metavar="N", min=1, help="Number of neighbours of each query.", rich_help_panel=SEARCH
        ),
    ] = 5,
    inside: Annotated[
        str | None,
        typer.Option(
            "--in", metavar="DOMAIN", help="Search this domain only.", show_default="all but the query's own",
            autocompletion=complete_domain, rich_help_panel=SEARCH,
        ),
    ] = None,
    own: FromOpt = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery", metavar="FOLDER|FILE", help="A folder of images to search, or an index.",
            show_default="the run's training images, else the query's folder", rich_help_panel=SEARCH,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="CODE", help="What to compare: descriptor, content (as in the paper), domain or both.",
            show_default="descriptor if the weights have one, else content", rich_help_panel=SEARCH,
        ),
    ] = None,
    approximate: Annotated[
        bool,
        typer.Option(
            "--approximate", help="Search millions of codes faster, and miss some; needs faiss.",
            rich_help_panel=SEARCH,
        ),
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE", help="Also draw each query beside its neighbours.", show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: ForceOpt = False,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: CropOpt = None,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Find the most similar images of other domains.

    Prints a line for each neighbour: query, rank, score, domain and path, separated by tabs.
    The score is a cosine similarity: 1 means equal codes.
    """
    # Late: numpy, which neither help nor completion needs.
    from i2i_cli.files import check_new
    from i2i_cli.inference.codes import BY
    from i2i_cli.jobs.plots.sheets import check_picture, save_neighbours_sheet
    from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch

    if sheet is not None:
        check_new(sheet, force)
        check_picture(sheet)
    if by is not None and by not in BY:
        raise ConfigError(f"there is no --by {by!r}", f"use {', '.join(BY)}")
    chosen = chosen_weights(weights)
    own = None if own is None else chosen.domain(own)
    sources = sources_of(images, recursive, file_list, nul, one_part(crop, chosen))
    translator = open_model(chosen, device, runtime)
    opened, num_spoilt = _open_gallery(gallery, translator, sources)
    search = NeighbourSearch(
        translator=translator, gallery=opened, by=by, inside=inside, query_domain=own,
        approximate=approximate,
    )  # fmt: skip
    shown, num_failed, gone, parts = [], 0, list[Path](), TakenParts(len(sources))
    for answer in search.run(sources, count, read_stdin):
        num_failed += not _report(answer, as_json)
        parts.taken(answer.crop, answer.faceless)
        gone += [near.path for near in answer.neighbours if not os.path.exists(near.path)]  # noqa: PTH110  # which never raises
        if sheet is not None and answer.error is None:
            shown.append(answer)
    parts.end()
    if sheet is not None and shown:
        save_neighbours_sheet(sheet, shown, translator.image_size)
        say(f"sheet: {sheet}")
    if gone:
        say(
            f"warning: {len(set(gone))} of the images found no longer exist, such as {shown_path(gone[0])}; "
            "if they have moved, index them again: i2i index FOLDER -o FILE"
        )
    if num_spoilt:
        say(f"{num_spoilt} of {num_spoilt + len(opened)} images of the gallery could not be read")
    summarise(num_failed, len(sources), failed=bool(num_spoilt))


def _open_gallery(chosen: Path | None, translator: "Translator", sources: "Sequence[Source]") -> "tuple[Gallery, int]":
    """The gallery to search, made first where a folder was asked for, and how many of its images failed."""
    from i2i_cli.cli.progress import progress
    from i2i_cli.inference.inputs import STREAM
    from i2i_cli.jobs.retrieval.indexing import gallery_of
    from i2i_cli.jobs.retrieval.neighbours import default_gallery

    path = chosen or default_gallery(translator, sources)
    there = (source.path == STREAM or os.path.exists(source.path) for source in sources)  # noqa: PTH110
    if chosen is None and path.is_dir() and not any(there):
        raise DataError(f"{sources[0].path}: no such file")  # rather than of images that its folder lacks
    with progress("encoding") as report:
        gallery, failures = gallery_of(translator, path, report, say)
    for failure in failures:
        print_error(failure.error)
    say(f"gallery: {shown_path(path)} ({len(gallery)} images)")
    return gallery, len(failures)


def _report(answer: "Answer", as_json: bool) -> bool:
    """Tell what was found for one query; True if it could be read."""
    if answer.note:
        say(f"{answer.source}: {answer.note}")
    if answer.error is not None:
        print_error(answer.error)
        return False
    found = [
        {"path": shown_path(near.path), "domain": near.label, "score": round(near.score, 4)}
        for near in answer.neighbours
    ]
    lines = [
        as_line(answer.source, rank, f"{near['score']:.4f}", near["domain"] or "", near["path"])
        for rank, near in enumerate(found, 1)
    ]
    if not lines:
        say(f"{answer.source}: the gallery holds no image to compare it with")
    values = {"query": str(answer.source), "domain": answer.domain, "neighbours": found}
    if lines or as_json:
        print_result(with_crop(values, answer.crop), "\n".join(lines), as_json)
    return True
