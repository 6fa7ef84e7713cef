"""`i2i plot`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT, OUTPUT
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, SeedOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_error, print_result, say

if TYPE_CHECKING:
    from i2i_cli.inference.inputs import Failure

EXAMPLES = """Examples:

\b
  i2i plot DATA -w faces -o codes.png           t-SNE of a folder's images
  i2i plot codes.safetensors -o codes.html      points that show their images
  i2i plot codes.safetensors --method pca --thumbnails -o codes.png
  i2i plot runs/faces -o curves.png             losses and held-out figures
  i2i plot runs/faces -o curves.html            and the samples of each step
"""


DRAWING = "Drawing"
"""The group of the options that say what the picture shows."""


@app.command(epilog=EXAMPLES)
def plot(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA|GALLERY|RUN", help="A folder of images, an index, or a run folder.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            *OUT, metavar="FILE", help="File to write: .png, .html or .csv.", show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    method: Annotated[
        str, typer.Option("--method", metavar="tsne|pca", help="How to draw codes in two dimensions.",
                          rich_help_panel=DRAWING)
    ] = "tsne",
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Draw some images at their points.", rich_help_panel=DRAWING)
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=10, help="Use at most N images a label.", rich_help_panel=DRAWING)
    ] = 500,
    seed: SeedOpt = 0,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Plot codes in two dimensions, or the curves of a run.

    Draws the content code, the domain code and both side by side, coloured by domain. The
    silhouette says how far apart the domains are: near 0 is good for content. Only a folder of
    images needs a model (-w).
    """
    # Late: what only drawing needs.
    from i2i_cli.files import check_new
    from i2i_cli.jobs.training.layout import is_run

    check_new(out, force)
    if is_run(data):
        from i2i_cli.jobs.training.curves import save_curves

        save_curves(out, data)
        print_result({"plot": str(out)}, str(out), as_json)
        return
    # Late: numpy, torch.
    from i2i_cli.cli.progress import progress
    from i2i_cli.jobs.plots.scatter import check_method, check_suffix, embed, save_embedding
    from i2i_cli.jobs.retrieval.gallery import open_gallery
    from i2i_cli.jobs.retrieval.indexing import gallery_of

    check_suffix(out)
    check_method(method)
    failures: tuple[Failure, ...] = ()
    if data.is_file():
        gallery = open_gallery(data)
    else:
        with progress("encoding") as report:
            gallery, failures = gallery_of(open_translator(weights, device), data, report, say)
    for failure in failures:
        print_error(failure.error)
    embedding = embed(gallery, method, limit=limit, seed=seed)
    save_embedding(out, embedding, thumbnails)
    silhouettes = {panel.by: panel.silhouette for panel in embedding.panels}
    print_result({"plot": str(out), "images": len(embedding.rows), "silhouette": silhouettes}, str(out), as_json)
    if failures:
        raise typer.Exit(1)
