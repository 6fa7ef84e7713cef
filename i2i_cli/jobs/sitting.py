"""One sitting of a run: from the step where it stands until it is done or asked to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from i2i_cli.data.augment import augmented, to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.data.domains import BalancedSampler
from i2i_cli.engine.device import autocast
from i2i_cli.engine.loop import Loop, generator_for
from i2i_cli.jobs.figures import translation_sheet
from i2i_cli.jobs.held_out import HeldOutFigures, HeldOutScorer
from i2i_cli.jobs.observer import Observer
from i2i_cli.jobs.run_config import RunConfig
from i2i_cli.jobs.run_folder import RunFolder
from i2i_cli.jobs.run_record import RunRecord
from i2i_cli.models import family
from i2i_cli.models.family import Batch

LOG_EVERY = 20
"""Steps between two readings of the losses: the only times when the loop waits for the device."""

DENSE = 10_000
"""Steps up to which every reading is journalled; of later ones fewer and fewer are."""

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
        self.images_per_second = 0.0
        self._sampler = BalancedSampler(
            dataset.labels[dataset.train], len(dataset.domains), config.training.batch_size, config.seed
        )
        self._record = RunRecord(folder, config, dataset, loop, observer)
        self._rebuilds = family(config.family).rebuilds(config.objective)
        self._scorer: HeldOutScorer | None = None
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()
        self._journalled = 0

    def go(self, should_stop: Callable[[], bool]) -> TrainingResult:
        """Train until the run's end, or until `should_stop()`; then save."""
        self._record.start()
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
                    self._record.checkpoint(self.seconds)
                    saved = now
        self._log()
        self._record.end(self.seconds, finished, should_stop)
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
            if self.loop.step - self._journalled >= _journal_gap(self.loop.step):
                self._record.journal("training", images_per_second=self.images_per_second, **terms)
                self._journalled = self.loop.step
            self.observer.training(self.loop.step, min(1.0, self.share()), self.images_per_second, terms)
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()

    def _sample(self) -> None:
        self._record.codes.keep()
        sheet = translation_sheet(self.loop.averaged, self.dataset, self.loop.device, rebuilds=self._rebuilds)
        self._record.sample(sheet)

    def _score(self) -> None:
        self._record.codes.keep()
        if self._scorer is None:
            self._scorer = HeldOutScorer(
                self.dataset, self.loop.device, self.config.seed, self._has_pairs(), self._rebuilds
            )
            if not self._scorer.held_out:
                self.observer.note("warning: too few held-out images: all figures are of training images")
        self.figures = self._scorer.figures(self.loop.averaged, autocast(self.loop.device, self.loop.precision))
        self._record.scored(self.figures)

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


def _journal_gap(step: int) -> int:
    """Fewest steps between two lines of losses: doubled whenever the steps double, so a journal stays short."""
    return LOG_EVERY * 2 ** ((step // DENSE).bit_length() - 1) if step >= DENSE else 0


def _is_due(step: int, first: int, widest: int) -> bool:
    """Whether `step` is first, 2 first, 4 first, ... or, past `widest`, a multiple of that."""
    if step >= widest:
        return step % widest == 0
    quotient, rest = divmod(step, first)
    return step > 0 and rest == 0 and quotient & (quotient - 1) == 0
