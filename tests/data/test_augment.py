import pytest
import torch

from i2i_cli.data.augment import DataConfig, augmented, to_bytes, to_model_range
from i2i_cli.errors import ConfigError
from i2i_cli.models.peers import Draws

CPU = torch.device("cpu")


def draws() -> Draws:
    return Draws(torch.Generator().manual_seed(1))


def test_bytes_come_back_exactly() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    images = to_model_range(pixels, CPU)
    assert images.shape == (1, 3, 16, 16) and images.min() == -1 and images.max() == 1
    assert torch.equal(to_bytes(images), pixels)


def test_nothing_is_changed_unasked() -> None:
    images = torch.rand(8, 3, 16, 16)
    assert torch.equal(augmented(images, DataConfig(), draws()), images)


def test_a_flip_mirrors_some_images_whole() -> None:
    images = torch.rand(32, 3, 8, 8)
    result = augmented(images, DataConfig(flip=True), draws())
    kept = (result == images).flatten(1).all(1)
    mirrored = (result == images.flip(3)).flatten(1).all(1)
    assert bool((kept ^ mirrored).all()) and 5 < int(mirrored.sum()) < 27


def test_a_shift_moves_each_image_by_its_own_whole_pixels() -> None:
    images = torch.rand(16, 3, 16, 16)
    result = augmented(images, DataConfig(shift=0.125), draws())
    steps = set()
    for image, moved in zip(images, result, strict=True):
        inner = moved[:, 2:-2, 2:-2]
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.allclose(image[:, y : y + 12, x : x + 12], inner, atol=1e-4)
        ]
        assert len(found) == 1
        steps.add(found[0])
    assert len(steps) > 5


@pytest.mark.parametrize(
    "config",
    [DataConfig(zoom=0.3), DataConfig(rotate=20), DataConfig(tone=0.5), DataConfig(sharpness=1)],
    ids=["zoom", "rotate", "tone", "sharpness"],
)
def test_every_change_stays_in_range_and_differs_from_image_to_image(config: DataConfig) -> None:
    one = torch.rand(1, 3, 16, 16) * 2 - 1
    result = augmented(one.expand(6, -1, -1, -1), config, draws())
    assert result.shape == (6, 3, 16, 16) and result.abs().max() <= 1
    gaps = torch.cdist(result.flatten(1), result.flatten(1)) + torch.eye(6)
    assert gaps.min() > 1e-3
    again = augmented(one.expand(6, -1, -1, -1), config, draws())
    assert torch.equal(result, again), "the draws alone decide"


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="shift"):
        DataConfig(shift=0.7)
    with pytest.raises(ConfigError, match="tone"):
        DataConfig(tone=-1)
    with pytest.raises(ConfigError, match="pairs"):
        DataConfig(pairs="maybe")
