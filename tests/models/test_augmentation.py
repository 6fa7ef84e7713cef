import torch

from i2i_cli.models.augmentation import blurred, critic_augmented, moved, restyled, sharpened, toned
from i2i_cli.models.peers import Draws


def draws() -> Draws:
    return Draws(torch.Generator().manual_seed(3))


def test_a_blur_keeps_flat_images_and_the_mean() -> None:
    flat = torch.full((1, 3, 16, 16), 0.3)
    assert torch.allclose(blurred(flat), flat, atol=1e-6)
    dot = torch.zeros(1, 3, 17, 17)
    dot[:, :, 8, 8] = 1
    result = blurred(dot, sigma=1.0)
    assert torch.allclose(result.sum((2, 3)), torch.ones(1, 3), atol=1e-5)
    assert torch.allclose(result[0, 0, 8, 8] / result[0, 0, 8, 9], torch.tensor(0.5).exp(), atol=1e-4)


def test_zoom_and_turn_are_about_the_centre() -> None:
    image = torch.zeros(8, 3, 17, 17)
    image[:, :, 8, 8] = 1
    result = moved(image, draws(), zoom=0.3, rotate=45)
    assert bool((result[:, :, 8, 8] > 0.9).all()), "the centre stays"
    assert torch.equal(moved(image, draws()).round(), image)


def test_tone_changes_no_place_and_sharpness_no_flat_image() -> None:
    ramp = torch.linspace(-0.6, 0.6, 16).expand(4, 3, 16, 16)
    result = toned(ramp, draws(), 0.3)
    assert bool((result.diff(dim=3) >= 0).all()), "darker stays darker"
    flat = torch.full((4, 3, 16, 16), -0.2)
    assert torch.allclose(sharpened(flat, draws(), 1.0), flat, atol=1e-6)


def test_another_style_keeps_the_places_of_edges() -> None:
    images = torch.full((64, 3, 32, 32), 0.9)
    images[:, :, :, 16:] = torch.tensor([-0.6, 0.2, 0.4])[:, None, None]
    result = restyled(images, draws())
    assert result.shape == images.shape and result.abs().max() <= 1
    change = result.diff(dim=3).abs().sum((1, 2))
    assert float((change.argmax(1) - 15).abs().float().mean()) < 1.5, "the strongest edge stays where it was"
    gaps = torch.cdist(result.flatten(1), result.flatten(1)) + 9 * torch.eye(64)
    assert float((gaps.min(1).values > 0.05).float().mean()) > 0.8, "hardly two are drawn alike"


def test_a_critic_s_view_hides_a_square_and_lets_gradients_through() -> None:
    images = torch.full((8, 3, 32, 32), 0.5, requires_grad=True)
    seen = critic_augmented(images, draws())
    assert seen.shape == images.shape and len({float(x) for x in seen.detach().amax((1, 2, 3))}) == 8
    hidden = (seen.detach() == -1).all(1).float().mean((1, 2))
    assert (hidden > 0.05).all() and (hidden < 0.6).all(), "at most the square and the border"
    (gradient,) = torch.autograd.grad(seen.sum(), images)
    assert gradient.abs().sum() > 0
    assert torch.equal(critic_augmented(images, draws()), seen)
