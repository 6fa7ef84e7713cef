"""The training loop. It plays a family's turns and knows neither the family nor its losses."""

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from i2i_cli.engine.device import choose_kernels
from i2i_cli.engine.parts import Gradients, Parts
from i2i_cli.engine.recorded import Recorder
from i2i_cli.engine.schedule import DueTurn, Schedule, TrainingConfig
from i2i_cli.errors import I2IError
from i2i_cli.models.family import Batch, Context, Objective, Turn
from i2i_cli.models.peers import ALONE, Draws, Peers


class Loop:
    """Optimisers, averaged weights and the running means of the terms, around a family's turns.

    Args:
        prepare: what is done to a batch's images at the start of every step, with the step's draws.
        note: is told in a sentence what a person should know once.
    """

    def __init__(
        self,
        objective: Objective,
        config: TrainingConfig,
        device: torch.device,
        precision: str,
        seed: int,
        peers: Peers = ALONE,
        prepare: Callable[[Tensor, Draws], Tensor] = lambda images, draws: images,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        choose_kernels(config.deterministic)
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)  # graphs are recorded and replayed on the current one
        self.objective = objective.to(device).to(memory_format=torch.channels_last)
        self.config, self.device, self.precision = config, device, precision
        self.peers, self.prepare = peers, prepare
        self.step, self.num_parts = 0, 1
        self.turns = objective.turns()
        self._parameters = {turn.name: _trained(turn) for turn in self.turns}
        self._optimisers = {name: self._optimiser(parameters) for name, parameters in self._parameters.items()}
        self.averaged = copy.deepcopy(objective.model).requires_grad_(False)
        self._kept: list[Tensor] = list(self.averaged.parameters())
        self._current: list[Tensor] = list(objective.model.parameters())
        self._means = RunningMeans()
        self._schedule = Schedule(seed, device)
        self._recorder = Recorder(config.recorded, device, peers, self._schedule, note)

    def _optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        config, on_cuda = self.config, self.device.type == "cuda"
        # A recorded step reads the rate on the device.
        rate = torch.tensor(config.learning_rate, device=self.device) if on_cuda else config.learning_rate
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(parameters, rate, (config.beta1, config.beta2), fused=fused, capturable=on_cuda)

    def context(self) -> Context:
        """This step's context, its generator seeded from the run's seed and the step alone."""
        return self._schedule.context(self.step, self.peers, self.averaged)

    def advance(self, batch: Batch, share: float = 0.0) -> None:
        """One step: play every turn that is due, then average the weights.

        Args:
            batch: on the device, its images as `prepare` takes them.
            share: of the training that is done, from 0 to 1; the same in every process.
        """
        due = self._schedule.due(self.turns, self.step)
        self._schedule.set(self.step)
        self._set_learning_rate(self.config.learning_rate_at(self.step, share))
        self.objective.before_step()
        if self.num_parts == 1:
            kind = (batch.images.shape, *((turn.place, turn.names) for turn in due))
            self._recorder.play(kind, batch, lambda given: self._play(due, given))
        else:
            self._recorder.free()
            self._play(due, batch)
        self._means.count(due)
        self._average()
        self.step += 1

    def _play(self, due: Sequence[DueTurn], batch: Batch) -> None:
        """All that a step does to networks and optimisers: what a recorded step repeats."""
        context = self.context()
        batch = Batch(self.prepare(batch.images, context.draws), batch.y)
        parts = Parts(batch, context, self.num_parts, self.config.fit_memory, self.device, self.precision)
        for turn in due:
            gradients, terms = parts.gradients(turn, self._parameters[turn.turn.name])
            self._move(turn.turn.name, self.peers.averaged(gradients))
            self._means.add(turn, terms)
        self.num_parts = len(parts)

    def _move(self, name: str, gradients: Gradients) -> None:
        """Step what the turn `name` trains."""
        parameters = self._parameters[name]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else _laid_out_like(parameter, gradient)
        if self.config.clip:
            nn.utils.clip_grad_norm_(parameters, self.config.clip, foreach=self.device.type in ("cpu", "cuda"))
        self._optimisers[name].step()
        self._optimisers[name].zero_grad()

    def _set_learning_rate(self, rate: float) -> None:
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    @torch.no_grad()
    def _average(self) -> None:
        torch._foreach_lerp_(self._kept, self._current, 1 - self.config.ema_at(self.step))

    def take_terms(self) -> dict[str, float]:
        """Means of the raw terms since the last call.

        Raises:
            I2IError: one of them is not a finite number.
        """
        means = self._means.take(self.peers)
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
        self._recorder.forget()
        self.step = step


_Key = tuple[int, tuple[str, ...]]


class RunningMeans:
    """Sums of raw terms since the last reading, and how many steps have added to them."""

    def __init__(self) -> None:
        self._sums: dict[_Key, Tensor] = {}
        self._counts: dict[_Key, int] = {}

    def add(self, due: DueTurn, terms: Tensor) -> None:
        """Add a step's terms (n,). Recorded with the step."""
        key = due.place, due.names
        if key not in self._sums:
            self._sums[key] = torch.zeros_like(terms)
        self._sums[key] += terms

    def count(self, turns: Sequence[DueTurn]) -> None:
        """A step with these turns was played, as it is or from a recording."""
        for due in turns:
            key = due.place, due.names
            self._counts[key] = self._counts.get(key, 0) + 1

    def take(self, peers: Peers) -> dict[str, float]:
        """The means over steps and processes since the last call. Waits for the device."""
        keys = [key for key, count in self._counts.items() if count]
        if not keys:
            return {}
        values = iter(peers.mean(torch.cat([self._sums[key] for key in keys])).tolist())  # the one wait
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        for key in keys:
            for name in key[1]:
                totals[name] = totals.get(name, 0.0) + next(values)
                counts[name] = counts.get(name, 0) + self._counts[key]
            self._sums[key].zero_()
        self._counts = {}
        return {name: total / counts[name] for name, total in totals.items()}


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
