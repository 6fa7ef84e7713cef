"""`i2i export`"""

from pathlib import Path
from typing import Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT
from i2i_cli.cli.options import ForceOpt, JsonOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_result, say
from i2i_cli.errors import ConfigError

EXAMPLES = """Examples:

\b
  i2i export -w runs/mine                   write into runs/mine/onnx
  i2i export -w runs/mine --check photos/   compare on images of your own
  i2i translate img.png --to anime -w runs/mine   uses them from now on
"""


@app.command(epilog=EXAMPLES)
def export(
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="The format: onnx.")] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option(*OUT, metavar="FOLDER", help="Folder to write into.", show_default="onnx/ beside the weights"),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check", metavar="FOLDER", help="Images for the comparison with torch.", show_default="built-in glyphs"
        ),
    ] = None,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Write a model as ONNX files, which run without torch.

    Writes the encoder, the decoder and the whole translation from pixels to pixels, for any
    number of images at once. Domains and domain codes are in the files' metadata. Each file is
    compared with torch before it is written under its name.
    """
    if to != "onnx":
        raise ConfigError(f"there is no format {to!r}", "use --to onnx")
    # Late: torch.
    from i2i_cli.checkpoints.names import export_folder
    from i2i_cli.jobs.export import export_onnx, sample_images

    translator = open_translator(weights, "cpu")
    folder = out or export_folder(translator.path)
    result = export_onnx(translator, folder, check or sample_images(), overwrite=force, note=say)
    say(
        f"compared with torch on {result.num_images} images: codes differ by at most {result.largest_code:.1e} "
        f"of their spread, pixels by at most {result.largest_level} of 255 ({result.differing:.3%} of the pixels)"
    )
    for path in result.files:
        values = {"file": str(path), "largest_level": result.largest_level, "largest_code": result.largest_code}
        print_result(values, str(path), as_json)
