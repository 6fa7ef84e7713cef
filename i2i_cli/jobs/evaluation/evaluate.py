"""Everything that is claimed of a model, measured on held-out images: one job, a section a question."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from i2i_cli.checkpoints.header import describe
from i2i_cli.data.cache import Progress
from i2i_cli.errors import ConfigError
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.inference.translator import Translator
from i2i_cli.jobs.classification.fitting import check_pattern
from i2i_cli.jobs.evaluation.attributes_kept import attributes_kept
from i2i_cli.jobs.evaluation.classification import classification
from i2i_cli.jobs.evaluation.inputs import EvaluationData, gather
from i2i_cli.jobs.evaluation.leak import leak
from i2i_cli.jobs.evaluation.measurement import Measurement, Section
from i2i_cli.jobs.evaluation.realism import MIN_FOR_DISTANCES, realism
from i2i_cli.jobs.evaluation.reconstruction import reconstruction
from i2i_cli.jobs.evaluation.retrieval import retrieval
from i2i_cli.jobs.evaluation.translations import translation

__all__ = ["SECTIONS", "Evaluation", "Measurement", "Section", "evaluate"]

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
    translator: Translator,
    root: str | Path,
    *,
    only: tuple[str, ...] = (),
    same: str | None = None,
    attributes: Path | None = None,
    test_limit: int = 500,
    train_limit: int = 2000,
    seed: int = 0,
    report: Progress = lambda done, total: None,
) -> tuple[Evaluation, EvaluationData]:
    """Measure a model on the held-out images of a folder, or on the codes of a gallery.

    Args:
        translator: run by torch here, whatever it was loaded for.
        only: names of `SECTIONS`; all where empty.
        same: a regular expression: files whose names match it alike show the same thing.
        attributes: a CSV of file names and columns of 0 and 1; see `attribute_table.read_table`.
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

    data = gather(
        translator if isinstance(translator, TorchTranslator) else load(translator),
        Path(root),
        test_limit=test_limit,
        train_limit=train_limit,
        same=same,
        table=attributes,
        report=report,
    )
    plan, notes = _plan(data, seed)
    chosen = [name for name in SECTIONS if name in (only or SECTIONS)]
    sections = []
    for place, name in enumerate(chosen):
        report(place, len(chosen))
        if name in plan and (section := plan[name]()).figures:
            sections.append(section)
        elif name in _LACKING and (name in plan or name in only):
            notes.append(f"{name} is left out: {_LACKING[name]}")
    report(len(chosen), len(chosen))
    counts = data.test.labels.bincount(minlength=len(data.domains)).tolist()
    if any(section.name == "realism" for section in sections) and min(counts) < MIN_FOR_DISTANCES:
        few = ", ".join(f"{name} {count}" for name, count in zip(data.domains, counts, strict=True))
        notes.append(f"Frechet and kernel distances need {MIN_FOR_DISTANCES} held-out images of each domain: {few}")
    evaluation = Evaluation(
        weights=str(translator.path),
        model=describe(translator.header),
        data=str(root),
        held_out=dict(zip(data.domains, counts, strict=True)),
        sections=tuple(sections),
        notes=(*data.notes, *notes),
    )
    return evaluation, data


def _plan(data: EvaluationData, seed: int) -> tuple[dict[str, Callable[[], Section]], list[str]]:
    """What can be measured with what there is, and what is left out for which reason."""
    translator, notes = data.translator, list[str]()
    plan: dict[str, Callable[[], Section]] = {
        "leak": lambda: leak(data, seed),
        "retrieval": lambda: retrieval(data),
    }
    if data.test_pictures is not None:
        plan |= {"translation": lambda: translation(data, seed), "realism": lambda: realism(data, seed)}
        if data.attributes:
            plan["attributes"] = lambda: attributes_kept(data, seed)
        if translator.rebuilds:
            plan["reconstruction"] = lambda: reconstruction(data)
        else:
            notes.append(
                "reconstruction is left out: the model was never trained to rebuild an image from its own code"
            )
    if DOMAINS in translator.classifiers:
        plan["classification"] = lambda: classification(data)
    else:
        notes.append("classification is left out: the weights hold no classifier of their domains")
    return plan, notes
