"""One sitting of a run: from the step where it stands until it is done or asked to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from i2i_cli.data.dataset import Dataset
from i2i_cli.data.loading import Loader
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.engine.device import autocast
from i2i_cli.engine.loop import Loop
from i2i_cli.jobs.plots.translations import translation_sheet
from i2i_cli.jobs.training.config import RunConfig
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.held_out import HeldOutScorer
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.jobs.training.outlook import FAIR_SECONDS, steps_in_all, told
from i2i_cli.jobs.training.record import RunRecord
from i2i_cli.models import family

LOG_EVERY = 20
"""Steps between two readings of the losses: the only times when the loop waits for the device."""

DENSE = 10_000
"""Steps up to which every reading is journalled; of later ones fewer and fewer are."""

LOG_SECONDS = 20.0
"""Where steps are slow, the losses are read at least this often."""

SCORING_SHARE = 0.05
"""Of the time that a training may spend on scores: one that is due waits until it fits; the last never does."""


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


class _Due(NamedTuple):
    """What follows a step. Of several processes all do what is due in any of them."""

    read: bool = False
    sample: bool = False
    score: bool = False
    checkpoint: bool = False
    finished: bool = False
    stop: bool = False


class Sitting:
    """Draws the batches, plays the loop, and writes what a run folder holds on the way.

    Of several processes only the first writes, samples and scores.
    """

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
        self.seconds = self._began = seconds
        self.share = 0.0  # of the training that is done
        self.figures: HeldOutFigures | None = None
        self.images_per_second = 0.0
        sampler = BalancedSampler(
            dataset.labels[dataset.train], len(dataset.domains), config.training.batch_size, config.seed
        )
        self._loader = Loader(dataset, sampler, loop.device, loop.peers.own)
        self._record = RunRecord(folder, config, dataset, loop, observer)
        self._rebuilds = family(config.family).rebuilds(config.objective)
        self._scorer: HeldOutScorer | None = None
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()
        self._journalled = 0
        self._leads = loop.peers.rank == 0
        self._saved, self._last = time.monotonic(), time.monotonic()
        self._score_waits, self._scoring, self._last_scoring = False, 0.0, 0.0
        self._owes_outlook = self._leads and config.training.minutes > 0
        self._fair_from = 0.0

    def go(self, should_stop: Callable[[], bool]) -> TrainingResult:
        """Train until the run's end, or until `should_stop()`; then save."""
        if self._leads:
            self._record.start()
            self.observer.started(self.folder.path, self.loop.step)
            if self.config.training.minutes:
                self.observer.note(
                    "minutes count training alone: the last scores and the codes of the images come after"
                )
        self._saved = self._last = time.monotonic()
        due = self._due(should_stop)
        while not (due.finished or due.stop):
            self._advance()
            due = self._due(should_stop)
            if due.read:
                # Reading the losses first: weights that have diverged are neither judged nor saved.
                self._log()
            self._do(due)
        self._log()
        if self._leads:
            self._record.end(self.seconds, due.finished, should_stop)
        return TrainingResult(
            folder=self.folder.path,
            step=self.loop.step,
            finished=due.finished,
            images_per_second=self.images_per_second,
            figures=self.figures,
        )

    def _due(self, should_stop: Callable[[], bool]) -> _Due:
        now, step, training = time.monotonic(), self.loop.step, self.config.training
        self.seconds, self._last = self.seconds + now - self._last, now
        share = training.share_done(step, self.seconds)
        finished = share >= 1
        sample = finished or _is_due(step, first=50, widest=2000)
        self._score_waits |= training.score_on_the_way and _is_due(step, first=500, widest=4000)
        score = finished or (self._leads and self._score_waits and self._has_time_to_score())
        checkpoint = now - self._saved > 60 * training.checkpoint_minutes
        read = sample or score or step % LOG_EVERY == 0 or now - self._logged > LOG_SECONDS
        due = _Due(read, sample, score, read and checkpoint, finished, should_stop())
        # One clock and one mind for all processes.
        self.share, *agreed = self.loop.peers.greatest([share, *due])
        return _Due(*map(bool, agreed))

    def _has_time_to_score(self) -> bool:
        return self._scoring + self._last_scoring <= SCORING_SHARE * self.seconds or not self._scoring

    def _do(self, due: _Due) -> None:
        if self._leads and due.sample:
            self._sample()
        if self._leads and due.score:
            self._score()
        if due.checkpoint and not due.finished:
            if self._leads:
                self._record.checkpoint(self.seconds)
            self._saved = time.monotonic()

    def _advance(self) -> None:
        loop, started, num_parts = self.loop, time.perf_counter(), self.loop.num_parts
        batch = self._loader.batch(loop.step)
        loop.advance(batch, self.share)
        if loop.num_parts > num_parts:
            size = len(batch.y) // loop.num_parts
            self.observer.note(f"memory: each step in {loop.num_parts} parts of {size} images from now on")
        self._images_since_log += self.config.training.batch_size
        self._busy_since_log += time.perf_counter() - started

    def _log(self) -> None:
        started = time.perf_counter()
        terms = self.loop.take_terms()  # waits for the device, so the time is that of the work
        self._busy_since_log += time.perf_counter() - started
        if terms:
            self.images_per_second = self._images_since_log / self._busy_since_log
            if self._leads and self.loop.step - self._journalled >= _journal_gap(self.loop.step):
                self._record.journal("training", images_per_second=self.images_per_second, **terms)
                self._journalled = self.loop.step
            self.observer.training(self.loop.step, min(1.0, self.share), self.images_per_second, terms)
            self._tell_outlook()
        self._images_since_log, self._busy_since_log, self._logged = 0, 0.0, time.monotonic()

    def _tell_outlook(self) -> None:
        """Once, at the first reading whose steps were all played when the first ones were long over."""
        if self._owes_outlook and self._fair_from and self.seconds > self._fair_from and self.share < 1:
            steps = steps_in_all(self.config, self.loop.step, self.seconds, self.images_per_second)
            for text in told(self.config, self.folder.path, self.loop.step, steps, self.dataset.counts()):
                self.observer.note(text)
            self._owes_outlook = False
        elif not self._fair_from and self.seconds - self._began > FAIR_SECONDS:
            self._fair_from = self.seconds

    def _sample(self) -> None:
        self._record.codes.keep()
        sheet = translation_sheet(self.loop.averaged, self.dataset, self.loop.device, rebuilds=self._rebuilds)
        self._record.sample(sheet)

    def _score(self) -> None:
        started = time.monotonic()
        self._record.codes.keep()
        if self._scorer is None:
            self._scorer = HeldOutScorer(
                self.dataset, self.loop.device, self.config.seed, self._has_pairs(), self._rebuilds
            )
            if not self._scorer.held_out:
                self.observer.note("warning: too few held-out images: all figures are of training images")
        self.figures = self._scorer.figures(self.loop.averaged, autocast(self.loop.device, self.loop.precision))
        self._record.scored(self.figures)
        self._last_scoring = time.monotonic() - started
        self._scoring, self._score_waits = self._scoring + self._last_scoring, False
        share = self._scoring / max(self.seconds + self._last_scoring, 1e-9)
        self._record.journal("scoring", seconds=self._last_scoring, share_of_time=share)

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
