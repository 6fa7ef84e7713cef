"""`i2i swap-domain`"""

from pathlib import Path
from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT
from i2i_cli.cli.options import (
    CropOpt,
    DeviceOpt,
    ForceOpt,
    JsonOpt,
    RuntimeOpt,
    WeightsOpt,
    chosen_weights,
    complete_domain,
    one_part,
    open_model,
)
from i2i_cli.cli.report import print_result
from i2i_cli.errors import ConfigError

EXAMPLES = """Examples:

\b
  i2i swap-domain me.png art.png                   me~art.png, art~me.png
  i2i swap-domain me.png art.png --sheet swap.png  and all four in one picture
  i2i swap-domain bag.png shoe.png --from sketch_bag --from photo_shoe
"""


@app.command("swap-domain", epilog=EXAMPLES)
def swap_domain(
    a: Annotated[Path, typer.Argument(metavar="A", help="An image of one domain.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="An image of another domain.", show_default=False)],
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--from", metavar="DOMAIN", help="The domain of A, then a second --from: that of B.",
            show_default="the names of folders above, else predicted", autocompletion=complete_domain,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(*OUT, metavar="FOLDER", help="Folder of the two results.", show_default="beside A and B"),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE", help="Also draw A, A~B, B~A and B in one picture.", show_default=False
        ),
    ] = None,
    crop: CropOpt = None,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    runtime: RuntimeOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Exchange the domain codes of two images.

    A~B.png shows the content of A with the domain code of B, and B~A.png the reverse.
    """
    # Late: numpy.
    from i2i_cli.jobs.translation.swapping import plan_swap, swap_files

    if own is not None and len(own) != 2:
        raise ConfigError(f"--from is given {len(own)} times, not twice", "give the domain of A, then that of B")
    chosen = chosen_weights(weights, own or ())
    sources = (chosen.domain(own[0]), chosen.domain(own[1])) if own else (None, None)
    one_part(crop, chosen)  # refused before any work
    plan = plan_swap(a, b, out, sheet, sources=sources, overwrite=force, crop=crop)
    translator = open_model(chosen, device, runtime)
    for path in swap_files(translator, plan):
        print_result({"a": str(a), "b": str(b), "output": str(path)}, str(path), as_json)
