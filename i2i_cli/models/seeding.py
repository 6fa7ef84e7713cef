"""Weights and draws that depend on a seed alone, and leave everybody else's random numbers as they were."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_CPU = torch.device("cpu")


@contextmanager
def own_draws(seed: int, device: torch.device = _CPU) -> Iterator[None]:
    """What is drawn in the block, on the CPU and on a CUDA `device`, is drawn from `seed`; then all is as before.

    For initial weights, dropout and library code, which take no generator. `torch.manual_seed` would seed every
    device there is, the caller's generators included.
    """
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
        yield
