from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from i2i_cli.errors import WeightsError
from i2i_cli.models.backbone import Backbone, FixedConv, fill, load_backbone


def test_maps_at_four_scales_and_nothing_to_train_or_save() -> None:
    backbone = load_backbone()
    maps = backbone(torch.zeros(2, 3, 64, 64))
    assert [tuple(x.shape) for x in maps] == [(2, 16, 32, 32), (2, 24, 16, 16), (2, 40, 8, 8), (2, 80, 4, 4)]
    assert not list(backbone.parameters()) and not backbone.state_dict()


def test_it_is_the_trained_network() -> None:
    """A stripe and the same stripe turned differ far more to a trained network than to its own shift."""
    backbone, places = load_backbone(), torch.arange(64)
    upright = (places // 4 % 2).float().expand(1, 3, 64, 64) * 2 - 1
    level = upright.transpose(2, 3)
    seen = [backbone(x)[2].mean((2, 3))[0] for x in (upright, upright.roll(8, 3), level)]
    assert F.cosine_similarity(seen[0], seen[1], dim=0) > 0.99
    assert F.cosine_similarity(seen[0], seen[2], dim=0) < 0.95


@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_is_tensorflow_s(kernel: int) -> None:
    convolution = FixedConv(1, 1, kernel, stride=2, activate=False)
    convolution.weight.fill_(1)
    out = convolution(torch.ones(1, 1, 8, 8))
    assert out.shape[2:] == (4, 4)
    # Less before than after: the first window lacks no row for k = 3, and one for k = 5.
    assert float(out[0, 0, 0, 0]) == (kernel - (kernel - 2) // 2) ** 2


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not fit at stages"):
        fill(Backbone(), {"stem.weight": torch.zeros(32, 3, 3, 3), "stem.bias": torch.zeros(32)})
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    for name in ("junk", "none"):
        with pytest.raises(WeightsError, match="cannot read the bundled features"):
            load_backbone(tmp_path / f"{name}.safetensors")
