"""`i2i evaluate`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, SeedOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_result, print_table, say

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation.evaluate import Evaluation, Measurement

EXAMPLES = """Examples:

\b
  i2i evaluate DATA -w faces                             every figure, as a table
  i2i evaluate DATA -w faces -o report.html              and as a page with pictures
  i2i evaluate DATA --only leak --only retrieval --json
  i2i evaluate PACS --same '^[a-z]+'                     names that begin alike show the same thing
  i2i evaluate FACES --attributes attributes.csv         glasses, smiles: kept or lost on the way
  i2i evaluate codes.safetensors                         an index of DATA: what codes alone can tell
"""

MANY = 4
"""Where more subjects than these have a figure, the table shows their mean alone."""


@app.command(epilog=EXAMPLES)
def evaluate(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA|GALLERY", help="A folder a domain, or a gallery.", show_default=False),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="SECTION", show_default="all",
            help="reconstruction, leak, translation, attributes, realism, retrieval or classification.",
        ),
    ] = None,
    same: Annotated[
        str | None,
        typer.Option(
            "--same", metavar="REGEX", help="Files whose names match it alike show the same thing.",
            show_default="those with the same name",
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            "--attributes", metavar="FILE.csv", show_default=False,
            help="File names, then columns of 0 and 1: measures which of them translations keep.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=10, help="Most held-out images of a domain.")] = 500,
    train_limit: Annotated[
        int, typer.Option("--train-limit", min=10, help="Most training images of a domain that probes learn from.")
    ] = 2000,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.html", help="Write a report.", show_default=False)
    ] = None,
    force: ForceOpt = False,
    seed: SeedOpt = 0,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Measure a model on images that it was not trained on.

    Reconstruction, what the content code still tells of the domain, translations of every ordered
    pair, the attributes that they keep, realism and variety, retrieval and classification: each
    figure with a 95 % interval, its number of images, and what it is to be held against.
    """
    if out is not None:
        _check_report(out, force)
    translator = open_translator(weights, device)
    # Late: torch.
    from i2i_cli.cli.progress import progress
    from i2i_cli.jobs.evaluation.evaluate import evaluate as measure
    from i2i_cli.jobs.evaluation.report import save_report

    with progress("evaluating") as bar:
        found, measured_on = measure(
            translator, data, only=tuple(only or ()), same=same, attributes=attributes, test_limit=limit,
            train_limit=train_limit, seed=seed, report=bar,
        )  # fmt: skip
    for note in found.notes:
        say(f"note: {note}")
    if as_json:
        print_result(found.to_dict(), "", as_json=True)
    else:
        _print(found)
    if out is not None:
        save_report(out, found, measured_on)
        say(f"report: {out}")


def _check_report(out: Path, force: bool) -> None:
    from i2i_cli.files import check_new
    from i2i_cli.jobs.evaluation.report import check_page

    check_page(out)
    check_new(out, force)


def _print(found: "Evaluation") -> None:
    rows, shortened = [], False
    for section in found.sections:
        subjects = {figure.subject for figure in section.figures} - {"mean"}
        shown = [figure for figure in section.figures if len(subjects) <= MANY or figure.subject in ("mean", "all")]
        shortened |= len(shown) < len(section.figures)
        rows += [_row(section.name, figure) for figure in shown]
    print_table(["section", "measure", "of", "value", "95 % interval", "images", "reference"], rows)
    if shortened:
        say("only the means of many pairs are shown; every pair: --json or -o report.html")


def _row(section: str, figure: "Measurement") -> list[str]:
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    reference = "" if figure.reference is None else f"{figure.reference:.3f}"
    value = f"{figure.value:.3f}"
    return [section, figure.measure, figure.subject, value, interval, str(figure.count), reference]
