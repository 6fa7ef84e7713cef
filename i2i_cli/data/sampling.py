"""Which images a step is trained on."""

import hashlib

import torch
from torch import Tensor


class BalancedSampler:
    """Indices of training images, as many from every domain: a pure function of seed and step.

    Each domain is walked through in a fresh order every epoch. Nothing is kept between steps, so
    resuming needs no saved state.
    """

    def __init__(self, labels: Tensor, num_domains: int, batch_size: int, seed: int) -> None:
        self._members = [torch.nonzero(labels == label).flatten() for label in range(num_domains)]
        self._batch_size = batch_size
        self._seed = seed
        self._orders: dict[int, tuple[int, Tensor]] = {}

    def indices(self, step: int) -> Tensor:
        """Image indices (B,) of the batch at `step`, domain by domain."""
        num_domains = len(self._members)
        chosen = []
        for label, members in enumerate(self._members):
            # Where B is no multiple of m, the spare places go round the domains.
            start = (step * self._batch_size + label) // num_domains
            stop = ((step + 1) * self._batch_size + label) // num_domains
            chosen += [self._member(label, members, position) for position in range(start, stop)]
        return torch.stack(chosen)

    def _member(self, label: int, members: Tensor, position: int) -> Tensor:
        epoch, place = divmod(position, len(members))
        if self._orders.get(label, (-1,))[0] != epoch:
            seed = int.from_bytes(hashlib.sha256(f"{self._seed}/{label}/{epoch}".encode()).digest()[:7], "big")
            generator = torch.Generator().manual_seed(seed)
            self._orders[label] = (epoch, torch.randperm(len(members), generator=generator))
        return members[self._orders[label][1][place]]
