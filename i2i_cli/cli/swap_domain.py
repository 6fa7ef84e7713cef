"""`i2i swap-domain`"""

from pathlib import Path
from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_result

EXAMPLES = """Examples:

\b
  i2i swap-domain me.png hero.png                    writes me~hero.png and hero~me.png
  i2i swap-domain me.png hero.png --sheet swap.png   and all four side by side
"""


@app.command("swap-domain", epilog=EXAMPLES)
def swap_domain(
    a: Annotated[Path, typer.Argument(metavar="A", help="An image.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="An image of another domain.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FOLDER", help="Folder for the two results.", show_default=False),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE", help="A picture of A, A~B, B~A and B.", show_default=False)
    ] = None,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:
    """Exchange the domain codes of two images.

    A as B's domain shows it, and B as A's does.
    """
    # Late: torch.
    from i2i_cli.jobs.swapping import plan_swap, swap_files

    plan = plan_swap(a, b, out, sheet, overwrite=force)
    translator = open_translator(weights, device)
    for path in swap_files(translator, plan):
        print_result({"a": str(a), "b": str(b), "output": str(path)}, str(path), as_json)
