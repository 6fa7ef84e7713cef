"""Batches on the device of a training."""

from pathlib import Path

import pytest
import torch

from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.loading import Loader
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.models.peers import Peers

DEVICES = [
    torch.device("cpu"),
    pytest.param(torch.device("cuda"), marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")),
]


def opened(domains: Path) -> tuple[Dataset, BalancedSampler]:
    dataset = decoded(scan(domains), 32)
    return dataset, BalancedSampler(dataset.labels[dataset.train], 2, 6, seed=1)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("share", [1.0, 0.0], ids=["kept on the device", "read ahead"])
def test_a_batch_is_that_of_its_step_however_it_is_read(domains: Path, device: torch.device, share: float) -> None:
    dataset, sampler = opened(domains)
    loader = Loader(dataset, sampler, device, Peers().own, largest_share=share)
    for step in (0, 1, 2, 7, 8, 3):  # a resumed run begins anywhere
        rows = dataset.train[sampler.indices(step)]
        levels, y = loader.batch(step)
        assert levels.dtype == torch.uint8 and levels.device.type == y.device.type == device.type
        assert torch.equal(levels.cpu(), dataset.images.squares(rows)) and torch.equal(y.cpu(), dataset.labels[rows])


def test_a_process_loads_its_own_rows(domains: Path) -> None:
    dataset, sampler = opened(domains)
    second = Peers()
    second.rank, second.count = 1, 2
    rows = dataset.train[sampler.indices(4)][1::2]
    assert torch.equal(
        Loader(dataset, sampler, torch.device("cpu"), second.own).batch(4).images, dataset.images.squares(rows)
    )
