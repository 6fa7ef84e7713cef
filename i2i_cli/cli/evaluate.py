"""`i2i evaluate`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT, OUTPUT
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, SeedOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_result, print_table, say

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation.evaluate import Evaluation, Measurement

EXAMPLES = """Examples:

\b
  i2i evaluate DATA -w faces                   every figure, as a table
  i2i evaluate DATA -w faces -o report.html    and a page with pictures
  i2i evaluate DATA --only leak --only retrieval --json
  i2i evaluate PACS --same '^[a-z]+'           dog_1 and dog_2 show one thing
  i2i evaluate DATA --attributes table.csv     are glasses and smiles kept?
  i2i evaluate codes.safetensors               an index: codes only
"""

MANY = 4
"""Where more subjects than these have a figure, the table shows their mean alone."""

MEASURE = "What to measure"
"""The group of the options that choose it."""

SHOWN = {
    "leak": "domain leakage",
    "judged": "classified as the target",
    "found": "own input found again",
    "apart": "nearest other output",
}
"""Names in the table, where they differ from those in JSON."""


@app.command(epilog=EXAMPLES)
def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA|GALLERY", help="A folder with one folder per domain, or an index of it.", show_default=False
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="SECTION", show_default="all", rich_help_panel=MEASURE,
            help="One section; may be repeated: reconstruction, leak (domain leakage), translation, attributes, "
            "realism, retrieval or classification.",
        ),
    ] = None,
    same: Annotated[
        str | None,
        typer.Option(
            "--same", metavar="REGEX", help="Images with the same match in their names show the same thing.",
            show_default="the whole name", rich_help_panel=MEASURE,
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            "--attributes", metavar="FILE.csv", show_default=False, rich_help_panel=MEASURE,
            help="File names and columns of 0 and 1, as in CelebA: measure which attributes are kept.",
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="N", min=10, help="Use at most N held-out images per domain.", rich_help_panel=MEASURE
        ),
    ] = 500,
    train_limit: Annotated[
        int,
        typer.Option(
            "--train-limit", metavar="N", min=10, help="Train probes on at most N training images per domain.",
            rich_help_panel=MEASURE,
        ),
    ] = 2000,
    out: Annotated[
        Path | None,
        typer.Option(
            *OUT, metavar="FILE.html", help="Also write a report.", show_default=False, rich_help_panel=OUTPUT
        ),
    ] = None,
    force: ForceOpt = False,
    seed: SeedOpt = 0,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Measure a model on held-out images.

    Measures reconstruction, domain leakage of the codes, the translations of every ordered pair
    of domains, the attributes that they keep, realism and variety, retrieval and classification.
    Each figure comes with its number of images and, where they are known, a 95 % interval and a
    reference value: chance, real images, or plain reconstructions.
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
        say("this table shows means of many pairs; for every pair, use --json or -o report.html")


def _row(section: str, figure: "Measurement") -> list[str]:
    interval = "" if figure.low is None or figure.high is None else f"{figure.low:.3f} to {figure.high:.3f}"
    reference = "" if figure.reference is None else f"{figure.reference:.3f}"
    value = f"{figure.value:.3f}"
    names = [SHOWN.get(name, name) for name in (section, figure.measure)]
    return [*names, figure.subject, value, interval, str(figure.count), reference]
