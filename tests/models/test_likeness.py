import pytest
import torch
from torch import Tensor

from i2i_cli.models.augmentation import worn
from i2i_cli.models.likeness import apartness, found_again, gradient_energy, layout
from i2i_cli.models.peers import Draws


def pictures(count: int, seed: int, side: int = 64) -> Tensor:
    """A bright square on dark, at a place and of a size of its own."""
    random = torch.Generator().manual_seed(seed)
    images = -0.8 * torch.ones(count, 3, side, side)
    for image in images:
        size = int(torch.randint(side // 8, side // 3, (), generator=random))
        y, x = torch.randint(0, side - size, (2,), generator=random).tolist()
        image[:, y : y + size, x : x + size] = 0.6
    return images


INPUTS, REAL = pictures(60, 0), pictures(60, 1)


def test_translations_that_keep_their_layout_are_found_and_lie_apart() -> None:
    outputs = -INPUTS * torch.tensor([0.9, 0.5, 0.2]).view(3, 1, 1)  # other colours, light and dark exchanged
    assert found_again(layout(outputs), layout(INPUTS)).float().mean() > 0.95
    assert float(apartness(layout(outputs), layout(REAL)).mean()) == pytest.approx(1, abs=0.25)


def test_one_image_in_the_place_of_all_is_noticed_whatever_traces_it_carries() -> None:
    """With faint traces of every input the own one can be found, but the outputs still are one image."""
    bare, traced = REAL[:1].expand(60, -1, -1, -1), REAL[:1] + 0.02 * INPUTS
    assert found_again(layout(bare), layout(INPUTS)).float().mean() < 0.1
    for outputs in (bare, traced):
        assert float(apartness(layout(outputs), layout(REAL)).mean()) < 0.4


def test_stray_images_are_not_found() -> None:
    assert found_again(layout(REAL), layout(INPUTS)).float().mean() < 0.15


def test_a_layout_is_that_of_the_same_picture_at_twice_the_side() -> None:
    large = torch.nn.functional.interpolate(INPUTS, scale_factor=2, mode="nearest")
    assert torch.allclose(layout(large), layout(INPUTS), atol=1e-5) and layout(large).shape == (60, 384)


def test_wear_takes_traces_away_and_leaves_what_is_seen() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    stripes = torch.ones(64).mul(0.03)
    stripes[1::2] *= -1
    seen = (
        (worn(INPUTS, draws, blur=1.0) * stripes).mean((1, 2, 3)),
        (worn(INPUTS + stripes, draws, blur=1.0) * stripes).mean((1, 2, 3)),
    )
    assert float((seen[1] - seen[0]).mean()) < 0.2 * float(stripes.square().mean())
    assert found_again(layout(worn(INPUTS, draws, blur=1.0)), layout(INPUTS)).float().mean() > 0.9


def test_blur_takes_gradient_energy() -> None:
    blurred = torch.nn.functional.avg_pool2d(INPUTS, 3, 1, 1)
    assert torch.all(gradient_energy(blurred) < 0.7 * gradient_energy(INPUTS))
