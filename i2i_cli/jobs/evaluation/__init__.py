"""Everything that is claimed of a model, measured on held-out images: one job, a section a question."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from i2i_cli.data.cache import Progress
from i2i_cli.errors import ConfigError
from i2i_cli.jobs.classifier_fitting import check_pattern
from i2i_cli.jobs.evaluation.classifying import classification
from i2i_cli.jobs.evaluation.figure import Figure, Section
from i2i_cli.jobs.evaluation.finding import retrieval
from i2i_cli.jobs.evaluation.keeping import attributes_kept
from i2i_cli.jobs.evaluation.leak import leak
from i2i_cli.jobs.evaluation.material import Material, gather
from i2i_cli.jobs.evaluation.realism import MIN_FOR_DISTANCES, realism
from i2i_cli.jobs.evaluation.reconstruction import reconstruction
from i2i_cli.jobs.evaluation.translations import translation
from i2i_cli.jobs.model_card import describe
from i2i_cli.jobs.trained import DOMAINS, TrainedModel

__all__ = ["SECTIONS", "Evaluation", "Figure", "Section", "evaluate"]

SECTIONS = ("reconstruction", "leak", "translation", "attributes", "realism", "retrieval", "classification")


_LACKING = {
    "retrieval": "held-out images of different domains share no names (see --same)",
    "attributes": "none are known (see --attributes and --same), or none can be read from real images",
}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was measured.

    Args:
        held_out: number of held-out images of each domain.
        notes: what was left out, and why.
    """

    weights: str
    model: str
    data: str
    held_out: dict[str, int]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def evaluate(
    translator: TrainedModel,
    root: Path,
    *,
    only: tuple[str, ...] = (),
    same: str | None = None,
    attributes: Path | None = None,
    test_limit: int = 500,
    train_limit: int = 2000,
    seed: int = 0,
    report: Progress = lambda done, total: None,
) -> tuple[Evaluation, Material]:
    """Measure a model on the held-out images of a folder, or on the codes of a gallery.

    Args:
        only: names of `SECTIONS`; all where empty.
        same: a regular expression: files whose names match it alike show the same thing.
        attributes: a CSV of file names and columns of 0 and 1; see `attributes.read_table`.
        test_limit, train_limit: most images of a domain that are measured, and that probes learn from.

    Returns:
        The figures, and what they were measured on.

    Raises:
        ConfigError, DataError, WeightsError: before the long work, where possible.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        raise ConfigError(f"there is no section {unknown[0]!r}", f"use {', '.join(SECTIONS)}")
    check_pattern(same, "--same")

    material = gather(
        translator, root, test_limit=test_limit, train_limit=train_limit, same=same, table=attributes, report=report
    )
    plan, notes = _plan(material, seed)
    chosen = [name for name in SECTIONS if name in (only or SECTIONS)]
    sections = []
    for place, name in enumerate(chosen):
        report(place, len(chosen))
        if name in plan and (section := plan[name]()).figures:
            sections.append(section)
        elif name in _LACKING and (name in plan or name in only):
            notes.append(f"{name} is left out: {_LACKING[name]}")
    report(len(chosen), len(chosen))
    counts = material.test.labels.bincount(minlength=len(material.domains)).tolist()
    if any(section.name == "realism" for section in sections) and min(counts) < MIN_FOR_DISTANCES:
        few = ", ".join(f"{name} {count}" for name, count in zip(material.domains, counts, strict=True))
        notes.append(f"Frechet and kernel distances need {MIN_FOR_DISTANCES} held-out images of each domain: {few}")
    evaluation = Evaluation(
        weights=str(translator.path),
        model=describe(translator.header),
        data=str(root),
        held_out=dict(zip(material.domains, counts, strict=True)),
        sections=tuple(sections),
        notes=(*material.notes, *notes),
    )
    return evaluation, material


def _plan(material: Material, seed: int) -> tuple[dict[str, Callable[[], Section]], list[str]]:
    """What can be measured with what there is, and what is left out for which reason."""
    translator, notes = material.translator, list[str]()
    plan: dict[str, Callable[[], Section]] = {
        "leak": lambda: leak(material, seed),
        "retrieval": lambda: retrieval(material),
    }
    if material.test_pictures is not None:
        plan |= {"translation": lambda: translation(material, seed), "realism": lambda: realism(material, seed)}
        if material.attributes:
            plan["attributes"] = lambda: attributes_kept(material, seed)
        if translator.rebuilds:
            plan["reconstruction"] = lambda: reconstruction(material)
        else:
            notes.append(
                "reconstruction is left out: the model was never trained to rebuild an image from its own code"
            )
    if DOMAINS in translator.classifiers:
        plan["classification"] = lambda: classification(material)
    else:
        notes.append("classification is left out: the weights hold no classifier of their domains")
    return plan, notes
