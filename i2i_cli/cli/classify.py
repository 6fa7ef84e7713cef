"""`i2i classify`"""

from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import MODEL
from i2i_cli.cli.options import (
    CropOpt,
    DeviceOpt,
    FileListOpt,
    FromOpt,
    ImagesArg,
    JsonOpt,
    NulOpt,
    RecursiveOpt,
    RuntimeOpt,
    WeightsOpt,
    chosen_weights,
    one_part,
    open_model,
    sources_of,
)
from i2i_cli.cli.report import TakenParts, as_line, print_error, print_result, read_stdin, say, summarise, with_crop

EXAMPLES = """Examples:

\b
  i2i classify img.png                    name the domain of an image
  i2i classify photos/ -r --json          a folder, as JSON lines
  i2i classify img.png --labels smiling   a classifier of `i2i fit-classifier`
  find . -name '*.png' -print0 | i2i classify --from-file - -0
"""


@app.command(epilog=EXAMPLES)
def classify(
    images: ImagesArg = None,
    labels: Annotated[
        str,
        typer.Option(
            "--labels",
            metavar="NAME",
            help="Name of the classifier; domains: the model's own domains.",
            rich_help_panel=MODEL,
        ),
    ] = "domains",
    own: FromOpt = None,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: CropOpt = None,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    as_json: JsonOpt = False,
) -> None:
    """Classify images by their domain code.

    Prints a line for each image: path, class and its probability, separated by tabs.
    """
    # Late: numpy.
    from i2i_cli.jobs.classification.classify import classify_files

    chosen = chosen_weights(weights)
    own = None if own is None else chosen.domain(own)
    sources = sources_of(images, recursive, file_list, nul, one_part(crop, chosen))
    translator = open_model(chosen, device, runtime)
    num_failed, parts = 0, TakenParts(len(sources))
    for found in classify_files(translator, sources, labels, own, read_stdin):
        if found.note:
            say(f"{found.source}: {found.note}")
        if found.error is not None:
            print_error(found.error)
            num_failed += 1
            continue
        shares = {name: round(share, 4) for name, share in found.probabilities.items()}
        values = {"input": str(found.source), "label": found.label, "probabilities": shares}
        line = as_line(found.source, found.label, f"{shares[found.label]:.4f}")
        print_result(with_crop(values, found.crop), line, as_json)
        parts.taken(found.crop, found.faceless)
    parts.end()
    summarise(num_failed, len(sources))
