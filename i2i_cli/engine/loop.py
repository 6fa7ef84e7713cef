"""The training loop. It plays a family's turns and knows neither the family nor its losses."""

import copy
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from i2i_cli.engine.device import autocast, free_memory
from i2i_cli.engine.parts import Part, accumulated, halves
from i2i_cli.errors import ConfigError, I2IError, is_out_of_memory
from i2i_cli.models.family import Batch, Context, Objective, Turn
from i2i_cli.models.peers import ALONE, Draws, Peers


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
        cooldown: share of `steps`, the last of them, over which it falls to nothing; a run that `minutes` end has none.
        clip: largest norm of a turn's gradients; 0 is no limit.
        ema: decay of the averaged weights that every command loads; 0 keeps the last ones.
            Differs from the papers, which keep the last ones.
        checkpoint_minutes: wall time between checkpoints.
        device, precision: "auto" or a name; see `engine/device.py`.
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
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ConfigError(f"training.batch_size = {self.batch_size}", "use 2 or more")
        if self.steps < 0 or self.minutes < 0 or not (self.steps or self.minutes):
            raise ConfigError(f"{self.steps} steps and {self.minutes:g} minutes are no training", "give one of them")
        if self.checkpoint_minutes <= 0:
            raise ConfigError(f"training.checkpoint_minutes = {self.checkpoint_minutes:g} is not above 0")
        if not 0 <= self.cooldown <= 1:
            raise ConfigError(f"training.cooldown = {self.cooldown:g}", "use a share of the steps, from 0 to 1")
        if not (0 < self.learning_rate < 1 and 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and 0 <= self.ema < 1):
            raise ConfigError("training.learning_rate, beta1, beta2 and ema lie between 0 and 1")


def generator_for(seed: int, step: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on nothing but its arguments.

    Every random draw of a run comes from one of these, so a resumed run needs no saved generator
    state, and what samples or checkpoints draw cannot disturb the training.
    """
    digest = hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


class Loop:
    """Optimisers, averaged weights and the running means of the terms, around a family's turns."""

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        device: torch.device,
        precision: str,
        seed: int,
        peers: Peers = ALONE,
    ) -> None:
        # A resumed run is bit-identical only where the same convolution is chosen again.
        torch.backends.cudnn.deterministic = True
        self.objective = objective.to(device).to(memory_format=torch.channels_last)
        self.config = config
        self.device = device
        self.precision = precision
        self.seed = seed
        self.peers = peers
        self.num_parts = 1
        self.step = 0
        self.turns = objective.turns()
        self._parameters = {turn.name: _trained(turn) for turn in self.turns}
        self._optimisers = {name: self._optimiser(parameters) for name, parameters in self._parameters.items()}
        self.averaged = copy.deepcopy(objective.model).requires_grad_(False)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def _optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        config = self.config
        betas, fused = (config.beta1, config.beta2), self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(parameters, config.learning_rate, betas, fused=fused)

    def context(self) -> Context:
        """This step's context, its generator seeded from the run's seed and the step alone."""
        peers, generator = self.peers, generator_for(self.seed, self.step, "training", self.device)
        return Context(step=self.step, draws=Draws(generator, peers.rank, peers.count), peers=peers)

    def advance(self, batch: Batch, context: Context) -> None:
        """Play every turn that is due at this step, then average the weights."""
        parts = [Part(batch, context)]
        while len(parts) < self.num_parts:
            parts = halves(parts)
        for turn in self.turns:
            weights = turn.weights(self.step)
            if weights and self.step % turn.every == 0:
                # As strong as if it were played at every step (lazy regularisation, arXiv 1912.04958, appendix B).
                parts = self._play(turn, {name: weight * turn.every for name, weight in weights.items()}, parts)
        self.num_parts = len(parts)
        self._average()
        self.step += 1

    def _play(self, turn: Turn, weights: dict[str, float], parts: list[Part]) -> list[Part]:
        """Move what `turn` trains. Returns the parts of the batch: more of them, where they did not fit."""
        parts, gradients, terms = self._fitting(turn, weights, parts)
        gradients = self.peers.averaged(gradients)
        parameters = self._parameters[turn.name]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else _laid_out_like(parameter, gradient)
        if self.config.clip:
            nn.utils.clip_grad_norm_(parameters, self.config.clip)
        optimiser, rate = self._optimisers[turn.name], self.learning_rate()
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + term
            self._counts[name] = self._counts.get(name, 0) + 1
        return parts

    def learning_rate(self) -> float:
        """Of this step: warmed up at first, cooled down at last."""
        config = self.config
        warmth, cooling = (self.step + 1) / max(1, config.warmup), config.cooldown * config.steps
        left = (config.steps - self.step) / cooling if cooling else 1.0
        return config.learning_rate * max(0.0, min(1.0, warmth, left))

    def _fitting(
        self, turn: Turn, weights: dict[str, float], parts: list[Part]
    ) -> tuple[list[Part], Sequence[Tensor | None], dict[str, Tensor]]:
        """Gradients and terms of `turn`, with the parts that they were computed in.

        Where memory is too little, each part is halved, and the turn computed anew. What an attempt
        that failed has remembered (the codes that a ridge reads) is remembered twice.
        """
        if not self.config.fit_memory:
            return parts, *self._accumulated(turn, weights, parts)
        while True:
            found = None
            try:
                found = self._accumulated(turn, weights, parts)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not all(part.can_be_halved for part in parts):
                    raise
            if found is not None:
                return parts, *found
            free_memory(self.device)
            parts = halves(parts)

    def _accumulated(
        self, turn: Turn, weights: dict[str, float], parts: list[Part]
    ) -> tuple[Sequence[Tensor | None], dict[str, Tensor]]:
        precision = autocast(self.device, self.precision)
        return accumulated(turn, weights, parts, self._parameters[turn.name], precision)

    @torch.no_grad()
    def _average(self) -> None:
        # The average starts short, so that early samples are not those of the initial weights.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step)) if self.config.ema else 0.0
        for kept, current in zip(self.averaged.parameters(), self.objective.model.parameters(), strict=True):
            kept.lerp_(current, 1 - decay)

    def take_terms(self) -> dict[str, float]:
        """Means of the raw terms since the last call.

        Raises:
            I2IError: one of them is not a finite number.
        """
        if not self._sums:
            return {}
        totals = torch.stack([total / self._counts[name] for name, total in self._sums.items()])
        means = dict(zip(self._sums, self.peers.mean(totals).tolist(), strict=True))  # the one wait for the device
        self._sums, self._counts = {}, {}
        wild = [name for name, mean in means.items() if not math.isfinite(mean)]
        if wild:
            raise self._divergence(", ".join(wild))
        return means

    def _divergence(self, what: str) -> I2IError:
        rate = self.config.learning_rate / 2
        return I2IError(
            f"the training diverged before step {self.step}: {what} is not a finite number",
            f"resume from the last checkpoint with a lower rate: --set training.learning_rate={rate:g}",
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that an exact resume needs, besides the step.

        Raises:
            I2IError: a weight is not a finite number.
        """
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.objective.parameters()):
            raise self._divergence("a weight")
        tensors = {f"objective.{name}": tensor for name, tensor in self.objective.state_dict().items()}
        tensors |= {f"averaged.{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        for turn, optimiser in self._optimisers.items():
            for index, values in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser.{turn}.{index}.{key}": value for key, value in values.items()}
        return tensors

    def load_state(self, tensors: dict[str, Tensor], step: int) -> None:
        """Continue from `state()` as it was at `step`."""
        self.objective.load_state_dict(_below("objective.", tensors))
        self.averaged.load_state_dict(_below("averaged.", tensors))
        for turn, optimiser in self._optimisers.items():
            state: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below(f"optimiser.{turn}.", tensors).items():
                index, key = name.split(".")
                parameter = self._parameters[turn][int(index)]
                if tensor.shape == parameter.shape:  # files hold plain strides
                    tensor = _laid_out_like(parameter, tensor)
                state.setdefault(int(index), {})[key] = tensor
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        self.step = step


def _laid_out_like(parameter: nn.Parameter, tensor: Tensor) -> Tensor:
    """`tensor` with the strides and the type of `parameter`.

    A fused optimiser walks through both memories side by side: on a CPU it steps every weight of another
    layout by another weight's gradient, without a word, and on CUDA it refuses. Gradients of gradients (R1)
    come in plain strides where the parameters are channels last.
    """
    if tensor.stride() == parameter.stride() and tensor.dtype == parameter.dtype:
        return tensor
    return torch.empty_like(parameter).copy_(tensor)


def _trained(turn: Turn) -> list[nn.Parameter]:
    return [parameter for module in turn.trains for parameter in module.parameters() if parameter.requires_grad]


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
