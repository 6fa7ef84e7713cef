"""Several processes that train one model: what they exchange, by torch.distributed."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from i2i_cli.engine.ranks import is_shared
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.models.peers import ALONE, Peers

PATIENCE = timedelta(hours=3)
"""How long a process is waited for that does not answer; one that has ended is noticed at once."""


def local_device(name: str) -> str:
    """The device called `name` of this process: with several on a machine, each has a GPU of its own.

    Raises:
        ConfigError: one GPU by its number, for several processes.
    """
    if not is_shared() or name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return name
    if ":" in name:
        raise ConfigError(f"--device {name} is one device, but several processes train", "use --device cuda")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def join(device: torch.device) -> Peers:
    """The processes that this one trains with; it waits for all of them to have come.

    Raises:
        I2IError: they do not find each other.
    """
    if not is_shared():
        return ALONE
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise I2IError(f"the processes of this training do not find each other: {reason}") from error
    return Processes()


def leave() -> None:
    """End what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _told() -> Iterator[None]:
    """Another process that is gone becomes an error of ours."""
    try:
        yield
    except RuntimeError as error:
        raise I2IError(
            "another process of this training has ended",
            "go on from the last checkpoint, with the same command and --resume RUN in place of DATA",
        ) from error


class Processes(Peers):
    """All processes of the default group."""

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, one of each in turn: see `Peers`."""
        return _Gather.apply(rows, self) if rows.requires_grad else self.gathered(rows)

    @_told()
    def gathered(self, rows: Tensor) -> Tensor:
        """The same, without gradients."""
        found = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(self.count)]
        dist.all_gather(found, rows.contiguous())
        return torch.stack(found, dim=1).flatten(0, 1)

    @_told()
    def mean(self, value: Tensor) -> Tensor:
        """The mean of `value` over the processes."""
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / self.count

    @_told()
    def averaged(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The means of `gradients`, in one exchange."""
        there = [gradient for gradient in gradients if gradient is not None]
        flat = torch.cat([gradient.flatten() for gradient in there])
        dist.all_reduce(flat)
        pieces = (flat / self.count).split([gradient.numel() for gradient in there])
        means = iter([new.view(old.shape) for old, new in zip(there, pieces, strict=True)])
        return [None if gradient is None else next(means) for gradient in gradients]

    @_told()
    def greatest(self, numbers: Sequence[float]) -> list[float]:
        """On the CPU: no device is waited for."""
        found = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return found.tolist()


class _Gather(torch.autograd.Function):
    """All rows in every process; what each of them asks for comes back to the rows' own process, added up."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.gathered(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """What all processes ask of this one's rows."""
        processes = ctx.processes
        total = processes.mean(gradients[0].contiguous()) * processes.count
        return processes.own(total), None
