import torch

from i2i_cli.models.layers import ConvBlock, ResidualBlock, UpBlock, num_groups, standardise


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
