"""How long and how fast a training goes, and what changes from step to step, in tensors on the device."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from i2i_cli.errors import ConfigError
from i2i_cli.models.family import Context, TranslationModel, Turn
from i2i_cli.models.layers import Place, golden_place
from i2i_cli.models.peers import Draws, Peers


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long, how large and how fast.

    Args:
        steps: the absolute step to stop at; 0 leaves it to `minutes`.
        minutes: wall time to stop at, resumed sittings added up; 0 leaves it to `steps`.
        batch_size: images a step, balanced over the domains and shared by all processes.
        fit_memory: where a step does not fit into memory, do it in parts and add up their gradients. What looks
            at several images at once (swaps, contrasts) then sees those of a part.
        learning_rate, beta1, beta2: of Adam, for every turn.
        warmup: steps over which the learning rate grows to its value.
        cooldown: share of the steps, the last of them, over which it falls to nothing; of the minutes where there are
            no steps to stop at.
        clip: largest norm of a turn's gradients; 0 is no limit.
        ema: decay of the averaged weights that every command loads; 0 keeps the last ones.
            Differs from the papers, which keep the last ones.
        checkpoint_minutes: wall time between checkpoints.
        score_on_the_way: score held-out images now and then, not at the end alone.
        device, precision: "auto" or a name; see `engine/device.py`.
        deterministic: on CUDA, take the convolutions that give the same bits every time, rather than search for
            the fastest ones. A CPU always gives the same bits.
        recorded: record steps as CUDA graphs and replay them; see `engine/recorded.py`. "auto": on CUDA, where
            it can be done and one process trains.
    """

    steps: int = 20_000
    minutes: float = 0.0
    batch_size: int = 32
    fit_memory: bool = False
    learning_rate: float = 4e-4
    beta1: float = 0.5
    beta2: float = 0.99
    warmup: int = 100
    cooldown: float = 0.0
    clip: float = 5.0
    ema: float = 0.999
    checkpoint_minutes: float = 5.0
    score_on_the_way: bool = True
    device: str = "auto"
    precision: str = "auto"
    deterministic: bool = True
    recorded: bool | str = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ConfigError(f"training.batch_size = {self.batch_size}", "use 2 or more")
        if self.steps < 0 or self.minutes < 0 or not (self.steps or self.minutes):
            raise ConfigError(f"{self.steps} steps and {self.minutes:g} minutes are no training", "give one of them")
        if self.checkpoint_minutes <= 0:
            raise ConfigError(f"training.checkpoint_minutes = {self.checkpoint_minutes:g} is not above 0")
        if not 0 <= self.cooldown <= 1:
            raise ConfigError(f"training.cooldown = {self.cooldown:g}", "use a share of the training, from 0 to 1")
        if not (0 < self.learning_rate < 1 and 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and 0 <= self.ema < 1):
            raise ConfigError("training.learning_rate, beta1, beta2 and ema lie between 0 and 1")
        if isinstance(self.recorded, str) and self.recorded != "auto":
            raise ConfigError(f"training.recorded = {self.recorded!r}", 'use "auto", true or false')

    def share_done(self, step: int, seconds: float) -> float:
        """How much of the training is behind it, by its steps or its minutes: 1 at its end."""
        by_steps = step / self.steps if self.steps else 0.0
        return max(by_steps, seconds / (60 * self.minutes) if self.minutes else 0.0)

    def learning_rate_at(self, step: int, share: float) -> float:
        """Warmed up at first, cooled down at last: by the steps, so that the same ones give the same weights.

        Args:
            share: of the training that is done, which decides where no steps are set.
        """
        done = step / self.steps if self.steps else share
        warmth, left = (step + 1) / max(1, self.warmup), (1 - done) / self.cooldown if self.cooldown else 1.0
        return self.learning_rate * max(0.0, min(1.0, warmth, left))

    def ema_at(self, step: int) -> float:
        """The decay of the averaged weights: short at first, so that early samples are not those of the start."""
        return min(self.ema, (1 + step) / (10 + step)) if self.ema else 0.0


class DueTurn(NamedTuple):
    """A turn that is played at this step.

    Args:
        place: its place among the family's turns.
        names: of its terms that have a weight now.
        weights: of those, (n,) float32 on the device.
    """

    place: int
    turn: Turn
    names: tuple[str, ...]
    weights: Tensor


class Schedule:
    """Draws, the place of the moving crop, and the weights of terms, as they are at a step."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device = seed, device
        self.generator = torch.Generator(device)
        self._place: Place = (0.0, 0.0)
        if device.type == "cuda":
            self._place = torch.zeros(2, dtype=torch.float64, device=device)
        self._weights: dict[tuple[int, tuple[str, ...]], tuple[list[float], Tensor]] = {}

    def set(self, step: int) -> None:
        """Everything random, and the place of the crop, as they are at `step`."""
        self.generator.manual_seed(seed_for(self._seed, step, "training"))
        place = golden_place(step)
        if isinstance(self._place, Tensor):
            for index, value in enumerate(place):
                self._place[index].fill_(value)
        else:
            self._place = place

    def rewind_generator(self) -> None:
        """To where `set` left it."""
        self.generator.manual_seed(self.generator.initial_seed())

    def renew_generator(self) -> None:
        """Another one, in the same state, in the place of one that cannot be drawn from any more."""
        self.generator = torch.Generator(self._device).manual_seed(self.generator.initial_seed())

    def context(self, step: int, peers: Peers, averaged: TranslationModel) -> Context:
        """What the turns of a step are told, once it is `set`."""
        draws = Draws(self.generator, peers.rank, peers.count)
        return Context(step=step, draws=draws, peers=peers, place=self._place, averaged=averaged)

    def due(self, turns: Sequence[Turn], step: int) -> list[DueTurn]:
        """Those of `turns` that are played at `step`."""
        found = []
        for index, turn in enumerate(turns):
            weights = turn.weights(step)
            if weights and step % turn.every == 0:
                names = tuple(weights)
                # As strong as if it were played at every step (lazy regularisation, arXiv 1912.04958, appendix B).
                values = [weight * turn.every for weight in weights.values()]
                found.append(DueTurn(index, turn, names, self._on_device((index, names), values)))
        return found

    def _on_device(self, key: tuple[int, tuple[str, ...]], values: list[float]) -> Tensor:
        """`values` in a tensor that stays the same one, written only where they have changed."""
        if key not in self._weights:
            self._weights[key] = [0.0] * len(values), torch.zeros(len(values), device=self._device)
        before, tensor = self._weights[key]
        for index, value in enumerate(values):
            if before[index] != value:
                # Filled, since a copy from the host would wait for it; more than fits is infinite, as in arithmetic.
                tensor[index].fill_(value if value <= torch.finfo(tensor.dtype).max else math.inf)
        before[:] = values
        return tensor


def seed_for(seed: int, step: int, purpose: str) -> int:
    """A seed that depends on nothing but its arguments."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()[:7], "big")


def generator_for(seed: int, step: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on nothing but its arguments.

    Every random draw of a run comes from one of these, so a resumed run needs no saved generator
    state, and what samples or checkpoints draw cannot disturb the training.
    """
    return torch.Generator(device).manual_seed(seed_for(seed, step, purpose))
