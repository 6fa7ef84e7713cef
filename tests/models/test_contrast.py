import math

import pytest
import torch
import torch.nn.functional as F

from i2i_cli.models.contrast import within_domain_contrast


def test_the_loss_is_that_worked_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    second = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    y = torch.tensor([3, 3])
    rows = (math.log(2) + math.log(2)) / 2  # both second views look alike to either first one
    columns = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    assert float(within_domain_contrast(first, second, y, 1.0)) == pytest.approx((rows + columns) / 2)


def test_images_of_other_domains_are_no_negatives() -> None:
    codes = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    alone = within_domain_contrast(codes, codes, torch.arange(6), 0.1)
    assert float(alone) == 0
    assert float(within_domain_contrast(codes, codes, torch.zeros(6, dtype=torch.int64), 0.1)) > 0
