import torch

from i2i_cli.models.layers import ConvBlock, ResidualBlock, UpBlock, moving_crop, num_groups, standardise


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
    places = {(rows.start, columns.start) for rows, columns in (moving_crop(step, 8, 0.5) for step in range(200))}
    assert places == {(y, x) for y in range(5) for x in range(5)}
    assert all(
        rows.stop <= 8 and rows.stop - rows.start == 4 for rows, _ in (moving_crop(step, 8, 0.5) for step in range(50))
    )
    assert moving_crop(3, 8, 1.0) == (slice(0, 8), slice(0, 8))
