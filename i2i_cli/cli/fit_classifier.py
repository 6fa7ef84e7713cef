"""`i2i fit-classifier`"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.help import OUT
from i2i_cli.cli.options import DeviceOpt, ForceOpt, JsonOpt, WeightsOpt, open_translator
from i2i_cli.cli.report import print_error, print_result, print_table, say, summarise

if TYPE_CHECKING:
    from i2i_cli.jobs.classification.fitting import FittedClassifier

EXAMPLES = """Examples:

\b
  Folders faces/with and faces/without; then use the classifier:
  i2i fit-classifier faces/ -w runs/faces --labels glasses
  i2i classify img.png -w runs/faces --labels glasses

\b
  All scans of a patient stay on one side of a split:
  i2i fit-classifier scans/ -w xray --group 'person[0-9]+' -o mine.safetensors
"""


@app.command("fit-classifier", epilog=EXAMPLES)
def fit_classifier(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="A folder with one folder of images a label (or train/ and test/ above), or an index.",
            show_default=False,
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="NAME", help="Name of the classifier.", show_default="the name of DATA"),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="REGEX", show_default=False,
            help="Files with the same match in their paths (one patient, say) stay on one side of each split.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            *OUT, metavar="FILE", help="Weights file to write.", show_default="the file given by -w"
        ),
    ] = None,
    force: ForceOpt = False,
    weights: WeightsOpt = None,
    device: DeviceOpt = "auto",
    as_json: JsonOpt = False,
) -> None:  # fmt: skip
    """Fit a classifier of your own labels on domain codes.

    The networks do not change: a logistic regression is fitted on their domain codes, with the
    regularisation chosen by cross-validation, and stored in the weights file under its name.
    """
    # Late: torch.
    from i2i_cli.checkpoints.names import data_name
    from i2i_cli.cli.progress import progress
    from i2i_cli.jobs.classification.fitting import check_pattern, fit_on_gallery
    from i2i_cli.jobs.classification.storing import add_classifier, check_target
    from i2i_cli.jobs.retrieval.indexing import gallery_of

    translator = open_translator(weights, device)
    name = labels or data_name(str(data.with_suffix("")))
    check_pattern(group)
    target = check_target(translator, name, out, overwrite=force)
    with progress("encoding") as report:
        gallery, failures = gallery_of(translator, data, report, say)
    for failure in failures:
        print_error(failure.error)
    fitted = fit_on_gallery(gallery, name, group)
    add_classifier(translator.path, fitted, target)
    if as_json:
        print_result({"classifier": name, "weights": str(target)} | fitted.facts(), "", True)
    else:
        _print_figures(fitted)
    for doubt in fitted.doubts():
        say(f"warning: {doubt}")
    say(f"stored as {name!r} in {target}; to use it: i2i classify IMAGE -w {target} --labels {name}")
    summarise(len(failures), len(gallery) + len(failures))


def _print_figures(fitted: "FittedClassifier") -> None:
    rows = [(f"fold {number}", found) for number, found in enumerate(fitted.folds, 1)]
    rows.append(("train", fitted.train))
    if fitted.held_out is not None:
        rows.append(("held out", fitted.held_out))
    print_table(
        ["images", "count", "accuracy", "balanced", "AUC"],
        (
            [
                where,
                str(found.count),
                f"{found.accuracy:.1%}",
                f"{found.balanced_accuracy:.1%}",
                "" if found.auc is None else f"{found.auc:.3f}",
            ]
            for where, found in rows
        ),
    )
