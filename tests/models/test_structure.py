"""What a translation is to keep of its input."""

import pytest
import torch
import torch.nn.functional as F

from i2i_cli.errors import ConfigError
from i2i_cli.models.augmentation import worn
from i2i_cli.models.backbone import load_backbone
from i2i_cli.models.family import Batch, Context
from i2i_cli.models.peers import Draws
from i2i_cli.models.srae.structure import LARGEST, STAGES, self_similarity, structure_distance
from tests.models.test_srae import batch, context, objective


def drawn(seed: int) -> torch.Tensor:
    """Four images of soft blots, 64 px."""
    coarse = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return F.interpolate(coarse, (64, 64), mode="bicubic").clamp(-1, 1)


def test_it_is_blind_to_tone_and_sees_where_things_are() -> None:
    backbone, images = load_backbone(), drawn(0)

    def maps(of: torch.Tensor) -> list[torch.Tensor]:
        found = backbone(of)
        return [found[stage] for stage in STAGES]

    def distance(changed: torch.Tensor) -> float:
        return float(structure_distance(maps(changed), maps(images)))

    assert distance(images) == pytest.approx(0, abs=1e-5)
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    stranger = distance(drawn(1))
    assert distance(0.6 * images + 0.2) < 0.3 * stranger and distance(grey) < 0.7 * stranger
    assert distance(images.flip(3)) > 0.7 * stranger


def test_what_all_places_share_says_nothing_of_how_they_resemble_one_another() -> None:
    features = torch.rand(2, 8, 4, 4)
    shifted = features + torch.rand(2, 8, 1, 1)
    assert torch.allclose(self_similarity(features), self_similarity(shifted), atol=1e-4)


def test_gradients_reach_the_translation_alone() -> None:
    made, wanted = ([torch.rand(2, 8, side, side, requires_grad=True) for side in (32, 16)] for _ in range(2))
    structure_distance(made, wanted).backward()
    assert all(maps.grad is not None for maps in made) and all(maps.grad is None for maps in wanted)
    assert self_similarity(torch.rand(2, 8, 32, 32)).shape == (2, LARGEST**2, LARGEST**2)


def test_a_worn_image_keeps_what_is_seen_and_loses_faint_traces() -> None:
    images, draws = drawn(2), Draws(torch.Generator().manual_seed(0))
    traces = 0.02 * (torch.arange(64) % 2 * 2.0 - 1).expand_as(images)
    plain, marked = (worn(x, Draws(torch.Generator().manual_seed(0))) for x in (images, images + traces))
    assert float((worn(images, draws) - images).abs().mean()) < 0.25
    assert float((marked - plain).abs().mean()) < 0.8 * float(traces.abs().mean()), "blurred"
    assert float((plain - images).std()) > 0.1, "and drowned in noise"


def test_swaps_go_to_other_domains_alone_where_that_is_asked_for() -> None:
    trained, y = objective(swap_share=1.0, swap_across=True, weights={"adversarial": 0.1}), batch().y
    for seed in range(4):
        left = Context(step=5000, draws=Draws(torch.Generator().manual_seed(seed)))
        content, domain = (trained.model.encoder.content, trained.model.encoder.domain)
        features = trained.model.encoder.features(batch().images)
        swap = trained._swap(content(features), domain(features), y, left)
        assert len(swap.a) == len(y) and bool((y[swap.a] != y[swap.b]).all())


def test_the_cycle_asks_the_averaged_encoder_of_a_worn_translation() -> None:
    """It gets no gradient of its own: the two cannot agree on traces."""
    trained = objective(
        swap_share=1.0, swap_across=True, weights={"adversarial": 0.1, "image_cycle": 1.0, "structure": 1.0}
    )
    averaged = objective(weights={"adversarial": 0.1}).model.requires_grad_(False)
    for parameter in averaged.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    now = context()
    now.averaged = averaged
    terms = trained.autoencoder_loss(batch(), now)
    assert {"image_cycle", "structure"} <= terms.keys()
    for name in ("image_cycle", "structure"):
        found = torch.autograd.grad(terms[name], list(trained.model.parameters()), retain_graph=True, allow_unused=True)
        assert any(gradient is not None and float(gradient.abs().sum()) > 0 for gradient in found), name
    now.averaged = None
    alone = trained.autoencoder_loss(Batch(*batch()), context())
    assert not torch.equal(alone["image_cycle"], terms["image_cycle"])


def test_structure_takes_the_critic_s_features() -> None:
    with pytest.raises(ConfigError, match="structure needs the features"):
        objective(weights={"structure": 1.0})
