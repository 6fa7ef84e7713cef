"""Spectral norms of several convolutions together, against torch's own of one at a time."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i_cli.models.spectral import SpectralConv, SpectralNorms
from i2i_cli.models.srae.critics import ImageCritic


def layers() -> list[SpectralConv]:
    torch.manual_seed(3)
    return [SpectralConv(5, 8, 1), SpectralConv(8, 4, 3), SpectralConv(4, 2, 1)]


def test_weights_have_a_largest_singular_value_of_one() -> None:
    convolutions = layers()
    norms = SpectralNorms(convolutions)
    for _ in range(200):
        weights = norms()
    for convolution, weight in zip(convolutions, weights, strict=True):
        assert float(torch.linalg.matrix_norm(weight.flatten(1), 2).detach()) == pytest.approx(1, abs=1e-3)
        ratio = convolution.weight / weight
        assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-4), "only its size has changed"


def test_gradients_are_those_of_torch_s_own() -> None:
    ours = layers()
    norms = SpectralNorms(ours)
    theirs = []
    for row, convolution in enumerate(ours):
        plain = nn.Conv2d(convolution.weight.shape[1], len(convolution.weight), convolution.weight.shape[2])
        plain.weight.data.copy_(convolution.weight.data)
        wrapped = spectral_norm(plain)
        held = wrapped.parametrizations.weight[0]
        held._u.copy_(norms.left[row, : len(held._u)])
        held._v.copy_(norms.right[row, : len(held._v)])
        theirs.append(wrapped)
    asked = [torch.randn_like(convolution.weight) for convolution in ours]
    found = torch.autograd.grad([*norms()], [convolution.weight for convolution in ours], asked)
    for wrapped, gradient, given in zip(theirs, found, asked, strict=True):
        # Torch moves u before v: from the vectors that ours has moved to, in a step that moves none.
        wrapped.eval()
        held, row = wrapped.parametrizations.weight[0], theirs.index(wrapped)
        held._u.copy_(norms.left[row, : len(held._u)])
        held._v.copy_(norms.right[row, : len(held._v)])
        original = wrapped.parametrizations.weight.original
        (expected,) = torch.autograd.grad(wrapped.weight, original, given)
        assert torch.allclose(gradient, expected, atol=1e-5)


def test_only_training_moves_the_vectors() -> None:
    convolutions = layers()
    norms = SpectralNorms(convolutions)
    for convolution in convolutions:  # whose vectors have yet to be found
        torch.nn.init.normal_(convolution.weight)
    norms.eval()
    before = copy.deepcopy(norms.state_dict())
    norms()
    assert all(torch.equal(before[name], value) for name, value in norms.state_dict().items())
    norms.train()
    norms()
    assert not torch.equal(before["left"], norms.left)


def test_a_critic_goes_on_from_a_state_of_earlier_versions() -> None:
    """They held torch's parametrization of every layer, biases first."""
    torch.manual_seed(0)
    critic, seen = ImageCritic(2, 16).eval(), torch.rand(3, 3, 32, 32) * 2 - 1
    expected, state = critic.scores(critic.see(seen)), critic.state_dict()
    old = {name: tensor for name, tensor in state.items() if not name.startswith(("heads", "norms"))}
    row = 0
    for head in range(4):
        for place in range(3):
            before, now = f"heads.{head}.{2 * place}.", f"heads.{head}.{place}."
            weight = state[f"{now}weight"]
            old[f"{before}bias"] = state[f"{now}bias"]
            old[f"{before}parametrizations.weight.original"] = weight
            old[f"{before}parametrizations.weight.0._u"] = state["norms.left"][row, : len(weight)]
            old[f"{before}parametrizations.weight.0._v"] = state["norms.right"][row, : weight[0].numel()]
            row += 1
    torch.manual_seed(1)
    fresh = ImageCritic(2, 16).eval()
    assert not torch.equal(fresh.scores(fresh.see(seen))[0], expected[0])
    fresh.load_state_dict(old)
    for found, wanted in zip(fresh.scores(fresh.see(seen)), expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)
    names = [name for name, _ in fresh.named_parameters() if name.startswith("heads.0")]
    assert [name.rpartition(".")[2] for name in names] == ["bias", "weight"] * 3, "as optimisers' states have them"


def test_a_convolution_keeps_the_side() -> None:
    convolution, x = layers()[1], torch.rand(2, 8, 6, 6)
    expected = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert torch.allclose(convolution(x, convolution.weight), expected, atol=1e-6)
