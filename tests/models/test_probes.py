import pytest
import torch

from i2i_cli.models.probes import Judge, balanced_accuracy, code_probe, fit, fit_judge, frechet_distance


def test_frechet_distance_of_known_normals() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(40_000, 3, generator=generator)
    b = 2 * torch.randn(40_000, 3, generator=generator) + torch.tensor([1.0, 0.0, 0.0])
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(a, b) == pytest.approx(1 + 3 * (2 - 1) ** 2, rel=0.03)


def test_one_image_alone_has_no_spread_and_is_measured_all_the_same() -> None:
    many = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    for first, second in ((many[:1], many), (many, many[:1])):
        wanted = (many[0] - many.mean(0)).square().sum() + many.var(0).sum()
        assert frechet_distance(first, second) == pytest.approx(float(wanted), rel=1e-4)
    assert frechet_distance(many[:1], many[1:2]) == pytest.approx(float((many[0] - many[1]).square().sum()), rel=1e-5)


def test_balanced_accuracy_weighs_domains_alike() -> None:
    logits = torch.tensor([[1.0, 0.0]] * 9 + [[1.0, 0.0]])
    assert balanced_accuracy(logits, torch.tensor([0] * 9 + [1])) == pytest.approx(0.5)


def test_a_probe_reads_what_is_there_and_only_that() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 2
    codes = torch.randn(400, 16, generator=generator)
    told = codes.clone()
    told[:, 3] += 4 * labels  # one entry tells
    for inputs, low, high in ((told, 0.9, 1.0), (codes, 0.35, 0.65)):
        torch.manual_seed(0)
        probe = fit(code_probe(16, 2), inputs[:300], labels[:300], steps=100, seed=0)
        assert low <= balanced_accuracy(probe(inputs[300:]), labels[300:]) <= high


def test_judge_features_have_the_unit_of_the_training_images() -> None:
    torch.manual_seed(0)
    judge, images = Judge(2, 40).eval(), torch.rand(300, 3, 40, 40) * 2 - 1
    logits = judge(images)
    judge.set_scale(images)
    features = judge.features(images).detach()
    assert float(features.std(0).median()) == pytest.approx(1, abs=0.01)
    assert torch.allclose(judge.classify(features), logits, atol=1e-4)


@pytest.mark.parametrize("side", [16, 32, 64, 128])
def test_a_judge_sees_images_at_their_own_side(side: int) -> None:
    """A pattern of single pixels, which is gone at half the side, tells two domains apart."""
    random = torch.Generator().manual_seed(0)
    board = (torch.arange(side)[:, None] + torch.arange(side)) % 2 * 0.4 - 0.2
    images = 0.1 * torch.randn(60, 3, side, side, generator=random)
    labels = torch.arange(60) % 2
    images[labels == 1] += board
    judge = fit_judge(images.half(), labels, 2, steps=25, seed=0)
    features = judge.features(images)
    assert features.shape == (60, 64) and balanced_accuracy(judge.classify(features), labels) > 0.95
