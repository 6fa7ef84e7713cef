from collections import Counter

import torch

from i2i_cli.data.sampling import BalancedSampler


def test_batches_are_balanced_and_walk_through_every_image() -> None:
    labels = torch.tensor([0] * 10 + [1] * 30)
    sampler = BalancedSampler(labels, 2, 8, seed=3)
    drawn = torch.cat([sampler.indices(step) for step in range(15)])
    counts = Counter(drawn.tolist())
    assert all(counts[i] == 6 for i in range(10))
    assert all(counts[i] == 2 for i in range(10, 40))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    labels = torch.tensor([0] * 7 + [1] * 11 + [2] * 5)
    walked = BalancedSampler(labels, 3, 8, seed=5)
    batches = [walked.indices(step) for step in range(9)]
    assert torch.equal(BalancedSampler(labels, 3, 8, seed=5).indices(6), batches[6])
    assert not torch.equal(BalancedSampler(labels, 3, 8, seed=6).indices(6), batches[6])
    assert all(len(batch) == 8 for batch in batches)


def test_every_epoch_and_domain_has_an_order_of_its_own() -> None:
    sampler = BalancedSampler(torch.tensor([0] * 12 + [1] * 12), 2, 24, seed=5)
    orders = [half for step in range(3) for half in (sampler.indices(step) % 12).chunk(2)]
    assert all(sorted(order.tolist()) == list(range(12)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == len(orders)
