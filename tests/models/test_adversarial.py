import pytest
import torch

from i2i_cli.models.adversarial import (
    hinge_critic,
    hinge_generator,
    non_saturating_critic,
    non_saturating_generator,
    r1_penalty,
)


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 1.0])
    assert float(hinge_critic(real, fake)) == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1 + 2) / 3)
    assert float(hinge_generator(fake)) == pytest.approx(1 / 3)


def test_non_saturating_by_hand() -> None:
    """Equation 4 of the dual paper, whose D is the sigmoid of the logit."""
    real, fake = torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 0.5])
    d_real, d_fake = torch.sigmoid(real), torch.sigmoid(fake)
    value = d_real.log().mean() + (1 - d_fake).log().mean()
    assert float(non_saturating_critic(real, fake)) == pytest.approx(-float(value), rel=1e-5)
    assert float(non_saturating_generator(fake)) == pytest.approx(-float(d_fake.log().mean()), rel=1e-5)


def test_r1_of_a_linear_critic_is_half_its_squared_weights() -> None:
    weight = torch.arange(12.0).reshape(3, 2, 2)
    images = torch.rand(5, 3, 2, 2, requires_grad=True)
    logits = (images * weight).sum((1, 2, 3))
    assert float(r1_penalty(logits, images)) == pytest.approx(0.5 * float(weight.square().sum()))
