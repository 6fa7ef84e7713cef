"""The figures as one self-contained page: tables, a sheet of translations, nothing fetched."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from i2i_cli.files import write_text
from i2i_cli.jobs.evaluation.figure import Figure, Section
from i2i_cli.jobs.evaluation.material import Material
from i2i_cli.jobs.figures import sheet

if TYPE_CHECKING:
    from i2i_cli.jobs.evaluation import Evaluation

PER_DOMAIN = 6
TEMPLATE = Path(__file__).with_name("report.html")


def save_report(path: Path, evaluation: "Evaluation", material: Material) -> None:
    """Write the report to `path`, whole or not at all."""
    # Late: jinja2, which only a report needs.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        evaluation=evaluation,
        tables=[(section, _table(section)) for section in evaluation.sections],
        sheet=None if material.test_pictures is None else _inline(_sheet(material)),
    )
    write_text(path, page)


def _table(section: Section) -> dict[str, Any]:
    """Subjects as rows and measures as columns."""
    measures = list(dict.fromkeys(figure.measure for figure in section.figures))
    subjects = list(dict.fromkeys(figure.subject for figure in section.figures))
    if len(subjects) == 1:  # one row of many columns reads badly: turn it
        rows = [(figure.measure, [figure]) for figure in section.figures]
        return {"columns": [subjects[0]], "rows": rows}
    by: dict[tuple[str, str], Figure] = {(figure.subject, figure.measure): figure for figure in section.figures}
    return {
        "columns": measures,
        "rows": [(subject, [by.get((subject, measure)) for measure in measures]) for subject in subjects],
    }


@torch.no_grad()
def _sheet(material: Material) -> Image.Image:
    """Held-out inputs, and each by a few kept codes of every domain that it can go to."""
    model, device, columns = material.translator.model, material.translator.device, dict[str, list[Tensor]]()
    assert material.test_pictures is not None
    for label in range(len(material.domains)):
        if not model.targets_of(label):
            continue
        images = material.test_pictures.of(label).images(device)
        images = images[torch.linspace(0, len(images) - 1, min(PER_DOMAIN, len(images))).long()]
        content = model.encode(images, torch.full((len(images),), label, device=device)).content
        columns.setdefault("input", []).append(images)
        for place, (target, codes) in enumerate(_chosen(material, label)):
            made = model.decode(content, codes[None].to(device).expand(len(content), *codes.shape))
            title = f"to {material.domains[target]}" if len(model.targets_of(label)) > 1 else f"translated {place + 1}"
            columns.setdefault(title, []).append(made)
    return sheet([(title, torch.cat(parts)) for title, parts in columns.items()], PER_DOMAIN)


def _chosen(material: Material, label: int) -> Sequence[tuple[int, Tensor]]:
    """(target, code) of each column: each domain's default code, or several where there is one target."""
    model = material.translator.model
    targets = model.targets_of(label)
    if len(targets) > 1:
        return [(target, model.target_codes(target)[0]) for target in targets]
    codes = model.target_codes(targets[0])
    return [(targets[0], codes[min(place, len(codes) - 1)]) for place in range(4)]


def _inline(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
