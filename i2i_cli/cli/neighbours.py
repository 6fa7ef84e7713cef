"""`i2i neighbours`"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
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
    WeightsOpt,
    complete_domain,
    open_translator,
    sources_of,
)
from i2i_cli.cli.report import as_line, print_error, print_result, read_stdin, say, shown_path, summarise
from i2i_cli.errors import ConfigError

if TYPE_CHECKING:
    from i2i_cli.inference.inputs import Source
    from i2i_cli.inference.loaded import Translator
    from i2i_cli.jobs.retrieval.gallery import Gallery
    from i2i_cli.jobs.retrieval.neighbours import Answer

EXAMPLES = """Examples:

\b
  i2i neighbours query.png                             among the run's training images
  i2i neighbours query.png --gallery photos/ -k 10     among the images of a folder
  i2i neighbours a.png b.png --in anime --sheet n.png  in one domain, with a picture
  i2i neighbours query.png --json | jq -r .neighbours[0].path
  find new/ -name '*.png' -print0 | i2i neighbours --from-file - -0
"""


@app.command(epilog=EXAMPLES)
def neighbours(
    images: ImagesArg = None,
    count: Annotated[int, typer.Option("-k", "--count", min=1, help="Neighbours a query.")] = 5,
    inside: Annotated[
        str | None,
        typer.Option(
            "--in", metavar="DOMAIN", help="Search this domain alone.", show_default="all but the query's own",
            autocompletion=complete_domain,
        ),
    ] = None,
    own: FromOpt = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            "--gallery", metavar="FOLDER|FILE", help="Images to search, or an index of them.",
            show_default="the run's training images, else the query's folder",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="CODE", help="What to compare: descriptor, content (the paper's), domain or both.",
            show_default="descriptor, where the weights hold one",
        ),
    ] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Faster in millions of codes, and misses some; needs faiss.")
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="A picture: each query, then its neighbours.", show_default=False),
    ] = None,
    force: ForceOpt = False,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: CropOpt = None,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Find the images of other domains that show the same thing.

    A line each: query, rank, score, domain and path, with tabs between. The score is the
    cosine of what is compared: 1 is equal.
    """
    # Late: torch, which neither help nor completion needs.
    from i2i_cli.files import check_new
    from i2i_cli.inference.codes import BY
    from i2i_cli.jobs.plots.sheets import check_picture, save_neighbours_sheet
    from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch

    if sheet is not None:
        check_new(sheet, force)
        check_picture(sheet)
    if by is not None and by not in BY:
        raise ConfigError(f"--by {by!r} is no code", f"use {', '.join(BY)}")
    sources = sources_of(images, recursive, file_list, nul, crop)
    translator = open_translator(weights, device)
    if own is not None:
        translator.label_of(own)
    opened, num_spoilt = _open_gallery(gallery, translator, sources)
    search = NeighbourSearch(
        translator=translator, gallery=opened, by=by, inside=inside, query_domain=own,
        approximate=approximate,
    )  # fmt: skip
    shown, num_failed, gone = [], 0, list[Path]()
    for answer in search.run(sources, count, read_stdin):
        num_failed += not _report(answer, as_json)
        gone += [near.path for near in answer.neighbours if not os.path.exists(near.path)]  # noqa: PTH110  # which never raises
        if sheet is not None and answer.error is None:
            shown.append(answer)
    if sheet is not None and shown:
        save_neighbours_sheet(sheet, shown, translator.image_size)
        say(f"sheet: {sheet}")
    if gone:
        say(
            f"warning: {len(set(gone))} of the images found are gone, {shown_path(gone[0])} among them: "
            "if they have moved, index them anew (i2i index FOLDER -o FILE)"
        )
    if num_spoilt:
        say(f"{num_spoilt} of {num_spoilt + len(opened)} images of the gallery could not be read")
    summarise(num_failed, len(sources), failed=bool(num_spoilt))


def _open_gallery(chosen: Path | None, translator: "Translator", sources: "Sequence[Source]") -> "tuple[Gallery, int]":
    """The gallery to search, made first where a folder was asked for, and how many of its images failed."""
    from i2i_cli.cli.progress import progress
    from i2i_cli.jobs.retrieval.indexing import gallery_of
    from i2i_cli.jobs.retrieval.neighbours import default_gallery

    path = chosen or default_gallery(translator, sources)
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
        say(f"{answer.source}: the gallery holds nothing to compare it with")
    values = {"query": str(answer.source), "domain": answer.domain, "neighbours": found}
    if lines or as_json:
        print_result(values, "\n".join(lines), as_json)
    return True
