from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import vgg16
from torchvision.models.feature_extraction import create_feature_extractor

from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.models.perceptual import PerceptualLoss, resolve_choice


def images(seed: int, size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_random_features_are_the_same_every_time_and_are_not_saved() -> None:
    first = PerceptualLoss("random", ("relu1_2", "relu2_2"), "relative")
    torch.manual_seed(99)
    second = PerceptualLoss("random", ("relu1_2", "relu2_2"), "relative")
    assert torch.equal(first(images(0), first.features(images(1))), second(images(0), second.features(images(1))))
    assert first(images(0), first.features(images(0))) == 0
    assert not first.state_dict() and not list(first.parameters())


def test_the_bundled_features_need_no_file_of_the_user_s() -> None:
    loss = PerceptualLoss("bundled", ("relu1_2",), "relative")
    a, b = images(0).requires_grad_(), images(1).requires_grad_()
    loss(a, loss.features(b)).backward()
    assert a.grad is not None and b.grad is None
    assert float(loss(a, loss.features(a)).detach()) == 0 and not loss.state_dict()
    assert resolve_choice("bundled", True) == "bundled"


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    torch.manual_seed(3)
    network = vgg16(weights=None).eval()
    path = tmp_path_factory.mktemp("vgg") / "vgg16.safetensors"
    features = {key: value.contiguous() for key, value in network.state_dict().items() if key.startswith("features")}
    save_file(features, path)
    return path, network


def test_features_are_torchvision_s_and_the_squared_distance_is_the_paper_s(vgg_file) -> None:
    path, network = vgg_file
    loss = PerceptualLoss(str(path), ("relu2_2", "relu4_3"), "squared")
    extract = create_feature_extractor(network, ["features.8", "features.22"])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def reference(x: torch.Tensor) -> list[torch.Tensor]:
        return list(extract((x * 0.5 + 0.5 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)).values())

    a, b = images(0), images(1)
    with torch.no_grad():
        wanted = sum((p - q).square().mean() for p, q in zip(reference(a), reference(b), strict=True))
    assert float(loss(a, loss.features(b))) == pytest.approx(float(wanted), rel=1e-4)


def test_gradients_reach_the_first_image_alone() -> None:
    a, b = images(0).requires_grad_(), images(1).requires_grad_()
    loss = PerceptualLoss("random", ("relu1_2",), "relative")
    loss(a, loss.features(b)).backward()
    assert a.grad is not None and b.grad is None


def test_choices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert resolve_choice("auto", True) == "none", "nothing is downloaded unasked"
    assert resolve_choice("auto", False) == "random"
    cached = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert resolve_choice("auto", True) == "imagenet"
    assert resolve_choice(str(cached), True) == str(cached)
    with pytest.raises(ConfigError, match="'imagnet'"):
        resolve_choice("imagnet", True)


def test_what_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="relu9_9"):
        PerceptualLoss("random", ("relu9_9",), "relative")
    path = tmp_path / "a name with spaces.safetensors"
    path.write_bytes(b"junk")
    with pytest.raises(WeightsError, match="a name with spaces"):
        PerceptualLoss(str(path), ("relu1_2",), "relative")
