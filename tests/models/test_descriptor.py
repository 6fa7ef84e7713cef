import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.models import descriptor
from i2i_cli.models.descriptor import (
    NUM_FEATURES,
    NUMBERS,
    BackboneFeatures,
    Descriptor,
    descriptor_among,
    fit_descriptor,
    mutual_pairs,
)

NUM_CONTENT = 12


def two_styles(count: int = 200, moods: int = 2, strength: float = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features and content of `count` things in two styles, what they are, and their styles.

    The styles differ by far more than the things do, and so do the moods that a thing has in one style alone.
    """
    generator = torch.Generator().manual_seed(0)
    things, y = torch.arange(count).repeat(2), torch.arange(2).repeat_interleave(count)
    basis = torch.randn(30, NUM_FEATURES + NUM_CONTENT, generator=generator)
    seen = torch.randn(count, 30, generator=generator).repeat(2, 1) @ basis
    seen += 0.3 * torch.randn(seen.shape, generator=generator)
    seen += 500 * y[:, None] * torch.randn(seen.shape[1], generator=generator)
    mood = torch.randn(2 * count, moods, generator=generator)
    seen += strength * mood @ torch.randn(moods, seen.shape[1], generator=generator)
    return seen[:, :NUM_FEATURES], seen[:, NUM_FEATURES:], things, y


def described(fitted: Descriptor, features: Tensor, content: Tensor) -> Tensor:
    return fitted.described(torch.cat([features, content], dim=1))


def recall(units: Tensor, things: Tensor, y: Tensor) -> float:
    found = (units[y == 0] @ units[y == 1].T).argmax(1)
    return float((things[y == 1][found] == things[y == 0]).float().mean())


def test_the_same_thing_is_found_in_another_style_though_styles_differ_more_than_things() -> None:
    features, content, things, y = two_styles()
    fitted = fit_descriptor(features, content, y)
    units = described(fitted, features, content)
    assert recall(F.normalize(torch.cat([features, content], dim=1), dim=1), things, y) < 0.4
    assert recall(units, things, y) > 0.85
    means = torch.stack([units[y == style].mean(0) for style in (0, 1)])
    assert float((means[0] - means[1]).norm()) < 0.1, "the styles' means lie together"


def test_what_a_style_changes_within_a_pair_is_given_less_weight(monkeypatch) -> None:
    features, content, things, y = two_styles(400, moods=20, strength=2)
    seen, unseen = things % 2 == 0, things % 2 == 1

    def recall_of_unseen_things() -> float:
        fitted = fit_descriptor(features[seen], content[seen], y[seen])
        return recall(described(fitted, features[unseen], content[unseen]), things[unseen], y[unseen])

    assert recall_of_unseen_things() > 0.95
    monkeypatch.setattr(descriptor, "_whitening_within", lambda numbers, pairs: torch.eye(numbers.shape[1]))
    assert recall_of_unseen_things() < 0.8


def test_mutual_pairs_by_hand() -> None:
    units = F.normalize(torch.tensor([[1.0, 0], [0, 1], [1, -1], [1, 0.1], [1, 0.2], [0.1, 1]]), dim=1)
    found = mutual_pairs(units, torch.tensor([0, 0, 0, 1, 1, 1])).tolist()
    assert found == [[0, 3], [1, 5]], "the third is nearest to the fourth, which is nearer to the first"
    assert mutual_pairs(units, torch.zeros(6)).shape == (0, 2), "one domain has no counterparts"


def test_content_that_knows_the_things_is_listened_to_where_features_do_not() -> None:
    features, _, things, y = two_styles()
    generator = torch.Generator().manual_seed(1)
    features = features + 10 * torch.randn(features.shape, generator=generator)
    telling = torch.randn(200, 40, generator=generator)[things] + 0.1 * torch.randn(400, 40, generator=generator)
    recalls = []
    for content in (telling, torch.randn(400, 40, generator=generator)):
        fitted = fit_descriptor(features, content, y)
        recalls.append(recall(described(fitted, features, content), things, y))
    assert recalls[0] > 0.95 and 0.5 < recalls[1] < 0.8, "and content that knows nothing does little harm"


def test_fitting_is_repeatable_and_leaves_other_draws_alone() -> None:
    features, content, _, y = two_styles(40)
    torch.manual_seed(3)
    first = fit_descriptor(features, content, y)
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(first.weight, fit_descriptor(features, content, y).weight)


def test_few_or_equal_images_give_finite_descriptors() -> None:
    features, content, _, y = two_styles(3)
    for seen in (features, torch.zeros_like(features)):
        fitted = fit_descriptor(seen, content, y)
        assert 0 < len(fitted.bias) <= NUMBERS
        assert bool(described(fitted, seen, content).isfinite().all())


@pytest.mark.parametrize("side", [32, 64, 128])
def test_images_of_any_side_give_unit_vectors(side: int) -> None:
    torch.manual_seed(0)
    images, content = torch.rand(6, 3, side, side) * 2 - 1, torch.randn(6, NUM_CONTENT, 1, 1)
    features = BackboneFeatures()(images)
    assert features.shape == (6, NUM_FEATURES)
    fitted = fit_descriptor(features, content, torch.arange(6) % 2)
    assert torch.allclose(fitted(images, content).norm(dim=1), torch.ones(6), atol=1e-4)


def test_what_is_kept_in_a_file_gives_the_same_descriptors() -> None:
    features, content, _, y = two_styles(40)
    fitted = fit_descriptor(features, content, y)
    again = descriptor_among(fitted.to_tensors() | {"encoder.x": torch.zeros(1)}, NUM_CONTENT)
    assert again is not None
    assert torch.equal(described(again, features, content), described(fitted, features, content))
    assert descriptor_among({"encoder.x": torch.zeros(1)}, NUM_CONTENT) is None


@pytest.mark.parametrize("damage", ["size", "nan", "bias"])
def test_damage_is_noticed(damage: str) -> None:
    features, content, _, y = two_styles(40)
    tensors = fit_descriptor(features, content, y).to_tensors()
    if damage == "nan":
        tensors["descriptor.weight"][0, 0] = float("nan")
    if damage == "bias":
        del tensors["descriptor.bias"]
    with pytest.raises((ValueError, KeyError)):
        descriptor_among(tensors, NUM_CONTENT + (damage == "size"))
