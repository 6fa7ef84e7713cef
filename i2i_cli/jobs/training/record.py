"""What a training writes on the way: checkpoints, samples, the journal; and what it does where it cannot."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import i2i_cli
from i2i_cli.checkpoints.header import Header
from i2i_cli.checkpoints.names import data_name
from i2i_cli.data.dataset import Dataset
from i2i_cli.engine.loop import Loop
from i2i_cli.errors import DataError, WeightsError
from i2i_cli.jobs.classification.fitting import FittedClassifier
from i2i_cli.jobs.training.codes import RunCodes
from i2i_cli.jobs.training.config import RunConfig
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.training.folder import RunFolder, StateFacts
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.models import family
from i2i_cli.models.family import Family

SAMPLE = 256
"""Training images whose hashes the weights keep, to tell a data set that they were trained on from others."""


class RunRecord:
    """Writes a run's folder as the run goes on.

    On a full disk the training goes on without samples, lines of the journal and checkpoints, says
    so once for each, and tries again when the next one is due. Only its end has to be written.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, dataset: Dataset, loop: Loop, observer: Observer) -> None:
        self.folder, self.config, self.dataset, self.loop, self.observer = folder, config, dataset, loop, observer
        self.codes = RunCodes(dataset, loop, config)
        self._figures = folder.latest_figures()
        self._saved_step = loop.step
        self._missing: set[str] = set()

    def start(self) -> None:
        """Open the journal's next chapter: on what the sitting runs."""
        self.journal(
            "sitting",
            i2i=i2i_cli.__version__,
            torch=torch.__version__,
            device=str(self.loop.device),
            precision=self.loop.precision,
            threads=torch.get_num_threads(),
        )

    def journal(self, kind: str, **values: Any) -> None:
        """A line of the journal."""
        self._spare("the journal", lambda: self.folder.journal.write(kind, self.loop.step, **values))

    def sample(self, sheet: Any) -> None:
        """A sample sheet."""
        self._spare("a sample sheet", lambda: self.folder.save_sample(sheet, self.loop.step))
        self.observer.sampled(self.loop.step, sheet)

    def scored(self, figures: HeldOutFigures) -> None:
        """Held-out figures; the weights are kept if they are the best so far."""
        self._figures = figures.to_dict()
        self.journal("held-out", **self._figures)
        self.observer.scored(self.loop.step, figures)
        self._spare("the best weights", lambda: self._keep_if_best(figures))

    def checkpoint(self, seconds: float) -> None:
        """All that the run can be resumed from, and the weights as they are now."""
        self._spare("a checkpoint", lambda: self._save(seconds))

    def end(self, seconds: float, finished: bool, should_stop: Callable[[], bool]) -> None:
        """The last checkpoint of a sitting and, where the run is done, the gallery of its training images.

        Raises:
            DataError: it cannot be written; the earlier checkpoint stands.
        """
        self.codes.keep()
        failures = []
        for save in (lambda: self._save_state(seconds), lambda: self._save_model(finished)):
            try:  # the weights even where the state, ten times as large, finds no room
                save()
            except (DataError, WeightsError) as error:
                failures.append(error)
        if failures:
            hint = (
                f"free some disk space, then resume from step {self._saved_step}: i2i train --resume {self.folder.path}"
            )
            raise DataError(failures[0].message, hint)
        if finished:
            self.observer.note(f"trained to step {self.loop.step}; {self.codes.what_is_left()}")
            self.codes.write_gallery(self.folder, self.observer, should_stop)

    def _spare(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
            self._missing.discard(what)
        except (DataError, WeightsError) as error:
            if what not in self._missing:
                self.observer.note(f"warning: training continues without {what}: {error.message}")
            self._missing.add(what)

    def _keep_if_best(self, figures: HeldOutFigures) -> None:
        if figures.shortfall < self.folder.least_shortfall():
            classifier = self.codes.classifier(thorough=False)
            self.folder.save_best(self._tensors(classifier, thorough=False), self._header(classifier, False))

    def _save(self, seconds: float) -> None:
        self.codes.keep()
        self._save_state(seconds)
        self._save_model(finished=False)

    def _save_state(self, seconds: float) -> None:
        facts = StateFacts(step=self.loop.step, seconds=seconds, data=self.dataset.fingerprint())
        self.folder.save_state(self.loop.state(), facts)
        self._saved_step = self.loop.step

    def _save_model(self, finished: bool) -> None:
        classifier = self.codes.classifier(thorough=finished)
        self.folder.save_model(self._tensors(classifier, finished), self._header(classifier, finished))

    def _tensors(self, classifier: FittedClassifier, thorough: bool) -> dict[str, Tensor]:
        fitted = {name: torch.from_numpy(array) for name, array in classifier.to_arrays().items()}
        return self.loop.averaged.state_dict() | fitted | self.codes.descriptor(thorough).to_tensors()

    def _header(self, classifier: FittedClassifier, finished: bool) -> Header:
        root, config = self.config.data.root, plain(self.config)
        config["data"]["root"] = ""  # a folder of the training machine says nothing to who gets the weights
        return Header(
            family=self.config.family,
            image_size=self.config.data.image_size,
            domains=self.dataset.domains,
            step=self.loop.step,
            config=config,
            trained_on={
                "data": data_name(root) if root else built_in(family(self.config.family)),
                "images": self.dataset.counts(),
                "sample": self.dataset.sample(SAMPLE),
            },
            perceptual=Path(getattr(self.config.objective, "perceptual", "none")).name,
            figures=self._figures,
            classifiers={classifier.name: classifier.facts()},
            finished=finished,
        )


def built_in(kind: Family) -> str:
    """What the sample set that `kind` is trained on by default is called."""
    return f"built-in glyph {kind.sample_set}"


def plain(config: Any) -> Any:
    """A config as JSON has it: lists for tuples, so that it compares equal to one read back."""

    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(item) for key, item in value.items()}
        return list(value) if isinstance(value, tuple) else value

    return listed(asdict(config))
