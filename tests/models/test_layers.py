import torch

from i2i_cli.models.layers import (
    ConvBlock,
    ImageStandardisation,
    OrientedGradients,
    ResidualBlock,
    UpBlock,
    golden_place,
    moving_crop,
    num_groups,
    standardise,
)


def test_shapes() -> None:
    x = torch.rand(2, 12, 8, 8)
    assert ConvBlock(12, 20, stride=2)(x).shape == (2, 20, 4, 4)
    assert ResidualBlock(12)(x).shape == x.shape
    assert UpBlock(12, 6)(x).shape == (2, 6, 16, 16)


def test_groups_divide_the_channels() -> None:
    assert [num_groups(channels) for channels in (64, 12, 6, 7)] == [8, 4, 2, 1]


def test_standardise_takes_out_scale_and_offset_of_each_channel() -> None:
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(standardise(x), standardise(5 * x + 3), atol=1e-3)


def test_a_new_up_block_has_no_grid() -> None:
    block = UpBlock(12, 6)
    pixels = block[1](block[0](torch.rand(2, 12, 8, 8)))
    children = pixels.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    assert torch.allclose(children.amax(4), children.amin(4), atol=1e-6)


def test_crops_stay_inside_and_cover_the_image() -> None:
    image = torch.arange(64.0).view(1, 1, 8, 8).expand(2, 3, 8, 8)
    crops = [moving_crop(image, golden_place(step), 0.5) for step in range(200)]
    assert {tuple(crop.shape) for crop in crops} == {(2, 3, 4, 4)}
    assert {divmod(int(crop[0, 0, 0, 0]), 8) for crop in crops} == {(y, x) for y in range(5) for x in range(5)}
    assert moving_crop(image, golden_place(3), 1.0) is image


def test_a_place_on_the_device_is_the_same_one() -> None:
    image = torch.rand(2, 3, 16, 16)
    for step in (0, 7, 12_345, 1_999_999):
        place = golden_place(step)
        on_device = torch.tensor(place, dtype=torch.float64)
        assert torch.equal(moving_crop(image, place, 0.6), moving_crop(image, on_device, 0.6))


def test_an_images_own_brightness_and_contrast_are_taken_out() -> None:
    images = torch.rand(3, 3, 16, 16)
    found = ImageStandardisation()(images)
    assert torch.allclose(found, ImageStandardisation()(0.5 * images + 0.3), atol=0.05)
    assert torch.allclose(found.flatten(1).mean(1), torch.zeros(3), atol=1e-5)


def test_edges_are_told_by_their_direction_and_not_by_their_colours() -> None:
    gradients = OrientedGradients()
    upright = torch.full((1, 3, 32, 32), -0.5)
    upright[:, :, :, 16:] = 0.5
    found = gradients(upright)[0]
    assert found.shape == (6, 16, 16)
    assert int(found.sum((1, 2)).argmax()) == 0 and int(gradients(upright.mT)[0].sum((1, 2)).argmax()) == 3
    assert torch.allclose(gradients(-upright), found[None], atol=1e-5), "dark on light is light on dark"
    assert torch.allclose(gradients(upright.roll(1, 1)), found[None], atol=1e-5)
    assert float(gradients(torch.zeros(1, 3, 32, 32)).max()) < 0.05, "nothing is seen where nothing is"
