"""`i2i plot`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, SeedOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_error, print_result, say

if TYPE_CHECKING:
    from i2i_cli.inference.inputs import Failure

EXAMPLES = """Examples:

\b
  i2i plot DATA -w faces -o codes.png                     t-SNE of the codes of a folder's images
  i2i plot runs/faces/gallery.safetensors -o codes.html   points that show their images
  i2i plot runs/faces -o curves.png                       losses, held-out figures, latest samples
  i2i plot runs/faces -o curves.html                      and how the samples came about
  i2i plot codes.safetensors --method pca --thumbnails -o codes.png
"""


@app.command(epilog=EXAMPLES)
def plot(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA|GALLERY|RUN", help="A folder of images, a gallery, or a run.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help=".png, .html or .csv.", show_default=False)],
    method: Annotated[str, typer.Option("--method", help="tsne or pca.")] = "tsne",
    thumbnails: Annotated[bool, typer.Option("--thumbnails", help="Show some of the images at their points.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=10, help="Most images of a label.")] = 500,
    seed: SeedOpt = 0,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:
    """Draw the codes of images in two dimensions, or the curves of a run.

    Content, domain and both side by side, coloured by domain; the silhouette tells how far apart
    the domains lie in a code: near 0 is good for content. Only a folder of images needs weights.
    """
    # Late: numpy, torch.
    from i2i_cli.cli.progress import progress
    from i2i_cli.files import check_new
    from i2i_cli.jobs.plots.scatter import check_method, check_suffix, embed, save_embedding
    from i2i_cli.jobs.retrieval.gallery import open_gallery
    from i2i_cli.jobs.retrieval.indexing import gallery_of
    from i2i_cli.jobs.training.curves import is_run, save_curves

    check_new(out, force)
    if is_run(data):
        save_curves(out, data)
        print_result({"plot": str(out)}, str(out), as_json)
        return
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
