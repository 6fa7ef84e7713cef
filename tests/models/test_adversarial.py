import pytest
import torch

from i2i_cli.models.adversarial import hinge_critic, hinge_generator, r1_penalty


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 1.0])
    assert float(hinge_critic(real, fake)) == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3)
    assert float(hinge_generator(fake)) == pytest.approx(1 / 3)


def test_r1_of_a_linear_critic_is_half_its_squared_weights() -> None:
    weight = torch.arange(12.0).reshape(3, 2, 2)
    images = torch.rand(5, 3, 2, 2, requires_grad=True)
    logits = (images * weight).sum((1, 2, 3))
    assert float(r1_penalty(logits, images)) == pytest.approx(0.5 * float(weight.square().sum()))
