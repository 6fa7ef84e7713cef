"""One sitting of a run: from the step where it stands until it is done or asked to stop."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import i2i_cli
from i2i_cli.data.augment import augmented, to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.data.domains import BalancedSampler
from i2i_cli.engine.device import autocast
from i2i_cli.engine.header import Header
from i2i_cli.engine.loop import Loop, generator_for
from i2i_cli.jobs.classifier_fitting import FittedClassifier
from i2i_cli.jobs.figures import translation_sheet
from i2i_cli.jobs.held_out import HeldOutFigures, HeldOutScorer
from i2i_cli.jobs.observer import Observer
from i2i_cli.jobs.publishing import data_name
from i2i_cli.jobs.run_codes import RunCodes
from i2i_cli.jobs.run_config import RunConfig
from i2i_cli.jobs.run_folder import RunFolder, StateFacts
from i2i_cli.models import family
from i2i_cli.models.family import Batch, Family

LOG_EVERY = 20
"""Steps between two readings of the losses: the only times when the loop waits for the device."""

LOG_SECONDS = 20.0
"""Where steps are slow, the losses are read at least this often."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What came of a training.

    Args:
        finished: it reached its end; False if it was asked to stop.
        figures: the last held-out figures, or None if none were taken.
    """

    folder: Path
    step: int
    finished: bool
    images_per_second: float
    figures: HeldOutFigures | None


class Sitting:
    """Draws the batches, plays the loop, and writes what a run folder holds on the way."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        dataset: Dataset,
        loop: Loop,
        observer: Observer,
        seconds: float = 0.0,
    ) -> None:
        self.folder, self.config, self.dataset, self.loop, self.observer = folder, config, dataset, loop, observer
        self.seconds = seconds
        self.figures: HeldOutFigures | None = None
        self._latest_figures = folder.latest_figures()
        self.images_per_second = 0.0
        self._sampler = BalancedSampler(
            dataset.labels[dataset.train], len(dataset.domains), config.training.batch_size, config.seed
        )
        self._codes = RunCodes(dataset, loop, config)
        self._rebuilds = family(config.family).rebuilds(config.objective)
        self._scorer: HeldOutScorer | None = None
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()

    def go(self, should_stop: Callable[[], bool]) -> TrainingResult:
        """Train until the run's end, or until `should_stop()`; then save."""
        self.folder.journal.write("sitting", self.loop.step, **self._facts())
        saved = last = time.monotonic()
        finished = self.share() >= 1
        while not finished and not should_stop():
            self._advance()
            now = time.monotonic()
            self.seconds, last = self.seconds + now - last, now
            finished = self.share() >= 1
            sample = finished or _is_due(self.loop.step, first=50, widest=2000)
            score = finished or _is_due(self.loop.step, first=500, widest=4000)
            if sample or score or self.loop.step % LOG_EVERY == 0 or now - self._logged > LOG_SECONDS:
                # Reading the losses first: weights that have diverged are neither judged nor saved.
                self._log()
                if sample:
                    self._sample()
                if score:
                    self._score()
                if now - saved > 60 * self.config.training.checkpoint_minutes and not finished:
                    self._save()
                    saved = now
        self._log()
        self._save(finished)
        if finished:
            self._codes.write_gallery(self.folder, self.observer, should_stop)
        return TrainingResult(
            folder=self.folder.path,
            step=self.loop.step,
            finished=finished,
            images_per_second=self.images_per_second,
            figures=self.figures,
        )

    def share(self) -> float:
        """How much of the run is done: 1 at its last step or minute."""
        training = self.config.training
        by_steps = self.loop.step / training.steps if training.steps else 0.0
        by_time = self.seconds / (60 * training.minutes) if training.minutes else 0.0
        return max(by_steps, by_time)

    def _advance(self) -> None:
        loop, dataset, started = self.loop, self.dataset, time.perf_counter()
        rows = dataset.train[self._sampler.indices(loop.step)]
        places = torch.rand(len(rows), generator=generator_for(self.config.seed, loop.step, "crops"))
        context = loop.context()
        images = to_model_range(dataset.images.crops(rows, places), loop.device)
        images = augmented(images, self.config.data, context.generator)
        loop.advance(Batch(images, dataset.labels[rows].to(loop.device)), context)
        self._images_since_log += len(rows)
        self._busy_since_log += time.perf_counter() - started

    def _log(self) -> None:
        started = time.perf_counter()
        terms = self.loop.take_terms()  # waits for the device, so the time is that of the work
        self._busy_since_log += time.perf_counter() - started
        if terms:
            self.images_per_second = self._images_since_log / self._busy_since_log
            self.folder.journal.write("training", self.loop.step, images_per_second=self.images_per_second, **terms)
            self.observer.training(self.loop.step, min(1.0, self.share()), self.images_per_second, terms)
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()

    def _sample(self) -> None:
        self._codes.keep()
        sheet = translation_sheet(self.loop.averaged, self.dataset, self.loop.device, rebuilds=self._rebuilds)
        self.folder.save_sample(sheet, self.loop.step)

    def _score(self) -> None:
        self._codes.keep()
        if self._scorer is None:
            self._scorer = HeldOutScorer(
                self.dataset, self.loop.device, self.config.seed, self._has_pairs(), self._rebuilds
            )
            if not self._scorer.held_out:
                self.observer.note("warning: too few held-out images: all figures are of training images")
        self.figures = self._scorer.figures(self.loop.averaged, autocast(self.loop.device, self.loop.precision))
        self._latest_figures = self.figures.to_dict()
        self.folder.journal.write("held-out", self.loop.step, **self._latest_figures)
        self.observer.scored(self.loop.step, self.figures)
        if self.figures.shortfall < self.folder.least_shortfall():
            classifier = self._codes.classifier(thorough=False)
            self.folder.save_best(self._tensors(classifier), self._header(classifier, False))

    def _has_pairs(self) -> bool:
        """Whether pair keys seem to mean something: most held-out images have a counterpart where they can go."""
        if self.config.data.pairs == "none":
            return False
        test = self.dataset.test
        shares = [
            len(self.dataset.pairs(test, a, b)[0]) / max(1, int((self.dataset.labels[test] == a).sum()))
            for a, b in self.loop.averaged.routes()
        ]
        return min(shares) > 0.5

    def _header(self, classifier: FittedClassifier, finished: bool) -> Header:
        train_labels = self.dataset.labels[self.dataset.train]
        counts = {domain: int((train_labels == label).sum()) for label, domain in enumerate(self.dataset.domains)}
        root, config = self.config.data.root, plain(self.config)
        config["data"]["root"] = ""  # a folder of the training machine says nothing to who gets the weights
        return Header(
            family=self.config.family,
            image_size=self.config.data.image_size,
            domains=self.dataset.domains,
            step=self.loop.step,
            config=config,
            trained_on={"data": data_name(root) if root else built_in(family(self.config.family)), "images": counts},
            perceptual=Path(getattr(self.config.objective, "perceptual", "none")).name,
            figures=self._latest_figures,
            classifiers={classifier.name: classifier.facts()},
            finished=finished,
        )

    def _tensors(self, classifier: FittedClassifier) -> dict[str, Tensor]:
        return self.loop.averaged.state_dict() | classifier.classifier.to_tensors(classifier.name)

    def _save(self, finished: bool = False) -> None:
        self._codes.keep()
        facts = StateFacts(step=self.loop.step, seconds=self.seconds, data=self.dataset.fingerprint())
        self.folder.save_state(self.loop.state(), facts)
        classifier = self._codes.classifier(thorough=finished)
        self.folder.save_model(self._tensors(classifier), self._header(classifier, finished))

    def _facts(self) -> dict[str, Any]:
        return {
            "i2i": i2i_cli.__version__,
            "torch": torch.__version__,
            "device": str(self.loop.device),
            "precision": self.loop.precision,
            "threads": torch.get_num_threads(),
        }


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


def _is_due(step: int, first: int, widest: int) -> bool:
    """Whether `step` is first, 2 first, 4 first, ... or, past `widest`, a multiple of that."""
    if step >= widest:
        return step % widest == 0
    quotient, rest = divmod(step, first)
    return step > 0 and rest == 0 and quotient & (quotient - 1) == 0
