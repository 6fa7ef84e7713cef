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
        """Image indices (B,) of the batch at `step`, domain by domain; of m domains each has B // m or one more."""
        num_domains, chosen = len(self._members), []
        for label, members in enumerate(self._members):
            # Where B is no multiple of m, the spare places go round the domains.
            start, stop = ((place * self._batch_size + label) // num_domains for place in (step, step + 1))
            for epoch in range(start // len(members), -(-stop // len(members))):
                first = epoch * len(members)
                places = self._order(label, epoch)[max(start - first, 0) : stop - first]
                chosen.append(members[places])
        return torch.cat(chosen)

    def _order(self, label: int, epoch: int) -> Tensor:
        known = self._orders.get(label)
        if known is None or known[0] != epoch:
            seed = int.from_bytes(hashlib.sha256(f"{self._seed}/{label}/{epoch}".encode()).digest()[:7], "big")
            generator = torch.Generator().manual_seed(seed)
            known = epoch, torch.randperm(len(self._members[label]), generator=generator)
            self._orders[label] = known
        return known[1]
