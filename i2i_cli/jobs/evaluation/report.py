"""The figures as one self-contained page: tables, translations, a plot of the codes, nothing fetched."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from i2i_cli.files import check_written_as, write_text
from i2i_cli.inference.codes import OF_THE_PAPER, FlatCodes, evenly
from i2i_cli.jobs.evaluation.inputs import EvaluationData
from i2i_cli.jobs.evaluation.measurement import MEAN, Measurement, Section
from i2i_cli.jobs.plots.pages import inline, inline_figure, render
from i2i_cli.jobs.plots.scatter import MIN_IMAGES, drawn, panels_of
from i2i_cli.jobs.plots.translations import translated_sheet

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation.evaluate import Evaluation

PER_DOMAIN = 6
CODES_PER_DOMAIN = 250


def check_page(path: Path) -> None:
    """Refuse names that no report is written under.

    Raises:
        ConfigError: the suffix is not .html.
    """
    check_written_as(path, (".html",), "report")


def save_report(path: Path, evaluation: "Evaluation", data: EvaluationData) -> None:
    """Write the report to `path`, whole or not at all."""
    page = render(
        "report.html",
        evaluation=evaluation,
        tables=[(section, _table(section)) for section in evaluation.sections],
        sheet=None if data.test_pictures is None else inline(_sheet(data)),
        codes=_codes(data),
        mean=MEAN,
    )
    write_text(path, page)


def _codes(data: EvaluationData) -> str | None:
    """t-SNE of the held-out codes, as `i2i plot` draws them; None of too few."""
    test = data.test
    of_domain = (np.flatnonzero(test.labels.numpy() == label) for label in range(len(data.domains)))
    rows = np.concatenate([evenly(found, CODES_PER_DOMAIN) for found in of_domain])
    if len(rows) < MIN_IMAGES:
        return None
    codes = FlatCodes(*(code[rows].cpu().numpy() for code in (test.content, test.domain, test.descriptor)))
    labels = np.array(data.domains)[test.labels[rows].numpy()]
    kinds = OF_THE_PAPER if data.translator.model.splits_codes else ("domain",)
    return inline_figure(drawn(panels_of(codes, labels, "tsne", 0, kinds), labels.tolist()))


def _table(section: Section) -> dict[str, Any]:
    """Subjects as rows and measures as columns."""
    measures = list(dict.fromkeys(figure.measure for figure in section.figures))
    subjects = list(dict.fromkeys(figure.subject for figure in section.figures))
    if len(subjects) == 1:  # one row of many columns reads badly: turn it
        rows = [(figure.measure, [figure]) for figure in section.figures]
        return {"columns": [subjects[0]], "rows": rows}
    by: dict[tuple[str, str], Measurement] = {(figure.subject, figure.measure): figure for figure in section.figures}
    return {
        "columns": measures,
        "rows": [(subject, [by.get((subject, measure)) for measure in measures]) for subject in subjects],
    }


def _sheet(data: EvaluationData) -> Image.Image:
    """Held-out images, rebuilt and in the domains that they can go to."""
    translator, pictures = data.translator, data.test_pictures
    assert pictures is not None
    chosen = [label for label in range(len(data.domains)) if translator.model.targets_of(label)]
    images = [pictures.of(label).images(translator.device) for label in chosen]
    images = [found[torch.linspace(0, len(found) - 1, min(PER_DOMAIN, len(found))).long()] for found in images]
    y = torch.tensor([label for label, found in zip(chosen, images, strict=True) for _ in found])
    return translated_sheet(
        translator.model, torch.cat(images), y, data.domains, PER_DOMAIN, rebuilds=translator.rebuilds
    )
