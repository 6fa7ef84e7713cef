"""The figures as one self-contained page: tables, translations, a plot of the codes, nothing fetched."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from i2i_cli.files import check_written_as, write_text
from i2i_cli.inference.codes import OF_THE_PAPER, FlatCodes, evenly
from i2i_cli.jobs.evaluation.inputs import EvaluationData
from i2i_cli.jobs.evaluation.measurement import MEAN, Measurement, Section
from i2i_cli.jobs.evaluation.summary import MEASURES, TITLES, verdict_of
from i2i_cli.jobs.plots.pages import inline_enlarged, render
from i2i_cli.jobs.plots.scatter import MIN_IMAGES, colour_of, page_panel, panels_of
from i2i_cli.jobs.plots.translations import translated_columns

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation.evaluate import Evaluation

PER_DOMAIN = 6
MAX_SQUARES = 240
"""Of a page: some 5 MB."""

CODES_PER_DOMAIN = 250
MANY_ROWS = 7
"""Tables of more rows than these stay tables on a phone: as cards they would be a page without an end."""


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
        verdict=verdict_of(evaluation),
        titles=TITLES,
        measures=MEASURES,
        tables=[(section, _table(section)) for section in evaluation.sections],
        sheet=None if data.test_pictures is None else _sheet(data),
        size=data.translator.image_size,
        codes=_codes(data),
        mean=MEAN,
        many=MANY_ROWS,
    )
    write_text(path, page)


def _codes(data: EvaluationData) -> dict[str, Any] | None:
    """t-SNE of the held-out codes, as `i2i plot` draws them; None of too few."""
    test = data.test
    of_domain = (np.flatnonzero(test.labels.numpy() == label) for label in range(len(data.domains)))
    rows = np.concatenate([evenly(found, CODES_PER_DOMAIN) for found in of_domain])
    if len(rows) < MIN_IMAGES:
        return None
    codes = FlatCodes(*(code[rows].cpu().numpy() for code in (test.content, test.domain, test.descriptor)))
    labels = np.array(data.domains)[test.labels[rows].numpy()]
    kinds = OF_THE_PAPER if data.translator.model.splits_codes else ("domain",)
    names = sorted(data.domains)
    return {
        "panels": [page_panel(panel) for panel in panels_of(codes, labels, "tsne", 0, kinds)],
        "colours": [colour_of(names, label) for label in labels.tolist()],
        "legend": [(name, colour_of(names, name)) for name in names],
    }


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


@dataclass(frozen=True)
class PageSheet:
    """Translations as a page shows them.

    Args:
        columns: their titles.
        groups: of each source domain, its name and rows of images, a column each.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, list[list[str]]], ...]


def _sheet(data: EvaluationData) -> PageSheet:
    """Held-out images, rebuilt and in the domains that they can go to: as many as a page holds."""
    translator, pictures = data.translator, data.test_pictures
    assert pictures is not None
    sources = [label for label in range(len(data.domains)) if translator.model.targets_of(label)]
    num_rows = MAX_SQUARES // (len(data.domains) + 2)
    chosen = sources[:num_rows]
    per_domain = max(1, min(PER_DOMAIN, num_rows // len(chosen)))
    images = [pictures.of(label).images(translator.device) for label in chosen]
    images = [found[torch.linspace(0, len(found) - 1, min(per_domain, len(found))).long()] for found in images]
    y = torch.tensor([label for label, found in zip(chosen, images, strict=True) for _ in found])
    columns = translated_columns(translator.model, torch.cat(images), y, data.domains, translator.rebuilds)
    rows = [[inline_enlarged(square) for square in row] for row in zip(*(made for _, made in columns), strict=True)]
    groups = [
        (data.domains[label], [row for own, row in zip(y.tolist(), rows, strict=True) if own == label])
        for label in chosen
    ]
    return PageSheet(tuple(title for title, _ in columns), tuple(groups))
