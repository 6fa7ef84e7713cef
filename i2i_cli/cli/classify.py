"""`i2i classify`"""

from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import (
    CropOpt,
    DeviceOpt,
    FileListOpt,
    FromOpt,
    ImagesArg,
    JsonOpt,
    NulOpt,
    RecursiveOpt,
    WeightsOpt,
    open_translator,
    sources_of,
)
from i2i_cli.cli.report import as_line, print_error, print_result, read_stdin, say, summarise

EXAMPLES = """Examples:

\b
  i2i classify img.png                    the domain it belongs to
  i2i classify scans/ -r --json | jq -r 'select(.label == "PNEUMONIA") | .input'
  i2i classify img.png --labels smiling   by a classifier that `i2i fit-classifier` made
"""


@app.command(epilog=EXAMPLES)
def classify(
    images: ImagesArg = None,
    labels: Annotated[
        str, typer.Option("--labels", metavar="NAME", help="The classifier; domains tells the model's own domains.")
    ] = "domains",
    own: FromOpt = None,
    recursive: RecursiveOpt = False,
    file_list: FileListOpt = None,
    nul: NulOpt = False,
    crop: CropOpt = None,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:
    """Tell the class of images from their domain code.

    A line each: image, class and its probability, with tabs between.
    """
    # Late: torch.
    from i2i_cli.jobs.classification.classify import classify_files

    sources = sources_of(images, recursive, file_list, nul, crop)
    translator = open_translator(weights, device)
    num_failed = 0
    for found in classify_files(translator, sources, labels, own, read_stdin):
        if found.note:
            say(f"{found.source}: {found.note}")
        if found.error is not None:
            print_error(found.error)
            num_failed += 1
            continue
        shares = {name: round(share, 4) for name, share in found.probabilities.items()}
        values = {"input": str(found.source), "label": found.label, "probabilities": shares}
        print_result(values, as_line(found.source, found.label, f"{shares[found.label]:.4f}"), as_json)
    summarise(num_failed, len(sources))
