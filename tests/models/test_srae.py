"""SRAE against its paper: shapes, who is moved by what, and losses worked by hand."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from i2i_cli.config import merged, updated
from i2i_cli.errors import ConfigError
from i2i_cli.models.adversarial import hinge_critic
from i2i_cli.models.family import Batch, Context
from i2i_cli.models.peers import Draws
from i2i_cli.models.srae import FAMILY, SRAE, NetworksConfig, ObjectiveConfig, SRAEObjective
from i2i_cli.models.srae.critics import ImageCritic, RidgeCritic
from i2i_cli.models.srae.networks import Gaussian

PAPER = FAMILY.recipes["paper"]


def objective(recipe: str = "default", **changes) -> SRAEObjective:
    tables = FAMILY.recipes[recipe]
    quick = {"perceptual": "none"} if "perceptual" not in changes else {}
    if recipe == "paper" and quick:
        quick["weights"] = {"pixel": 1.0}  # something has to rebuild the image where VGG-16 is left out
    settings = updated(updated(ObjectiveConfig(), tables.get("objective", {})), merged(quick, changes))
    torch.manual_seed(0)
    return SRAEObjective(SRAE(updated(NetworksConfig(), tables.get("networks", {})), 32, "ab"), settings)


def batch() -> Batch:
    return Batch(
        torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1, torch.tensor([0, 1, 0, 1])
    )


def context(step: int = 5000) -> Context:
    return Context(step=step, draws=Draws(torch.Generator().manual_seed(7)))


@pytest.mark.parametrize("size", [32, 64, 128, 256])
@pytest.mark.parametrize("num_domains", [2, 5])
def test_shapes_at_every_size(size: int, num_domains: int) -> None:
    config = NetworksConfig(width=16, min_width=8, content_channels=6, domain_channels=3)
    model = SRAE(config, size, "abcde"[:num_domains])
    codes = model.encode(torch.zeros(2, 3, size, size))
    assert codes.content.shape == (2, 6, 8, 8) and codes.domain.shape == (2, 3)
    assert model.decode(*codes).shape == (2, 3, size, size)


@pytest.mark.parametrize(("before", "patch"), [(1, 2), (1, 4), (2, 2)])
def test_a_model_grows_into_larger_images_and_gives_what_it_gave(before: int, patch: int) -> None:
    """Of an image whose patches are of one colour each: the same codes, and the same image as patches."""
    torch.manual_seed(0)
    small = NetworksConfig(width=16, min_width=8, content_channels=6, domain_channels=3, patch=before)
    model = SRAE(small, 32 * before, "ab").eval()
    large = SRAE(replace(small, patch=patch * before), 32 * before * patch, "ab").eval()
    large.load_state_dict(large.grown(model.state_dict()))
    images = torch.rand(2, 3, 32 * before, 32 * before) * 2 - 1
    codes, grown = model.encode(images), large.encode(F.interpolate(images, scale_factor=patch))
    assert torch.allclose(grown.content, codes.content, atol=1e-4)
    assert torch.allclose(grown.domain, codes.domain, atol=1e-4)
    seen = [
        F.pixel_unshuffle(x, side)
        for x, side in ((images, before), (F.interpolate(images, scale_factor=patch), before * patch))
    ]
    first, second = (net.encoder.trunk[0][0](x) for net, x in zip((model, large), seen, strict=True))
    assert torch.allclose(second, first, atol=1e-5), "before any normalisation hides a factor"
    assert torch.allclose(large.decode(*codes), F.interpolate(model.decode(*codes), scale_factor=patch), atol=1e-5)
    assert large.grown(large.state_dict()).keys() == large.state_dict().keys()


def test_a_patch_is_encoded_with_its_details_and_needs_the_shared_trunk() -> None:
    torch.manual_seed(0)
    model = SRAE(NetworksConfig(width=16, min_width=8, patch=2), 64, "ab").eval()
    images = torch.zeros(1, 3, 64, 64)
    fine = images.clone()
    fine[:, :, ::2] = 0.5
    fine[:, :, 1::2] = -0.5  # each patch has the mean of before
    assert not torch.allclose(model.encode(images).content, model.encode(fine).content, atol=1e-2)
    with pytest.raises(ConfigError, match=r"networks.patch = 2 does not go with a content_trunk of edges"):
        NetworksConfig(patch=2, content_trunk="edges")
    with pytest.raises(ConfigError, match=r"networks.patch = 3 is not possible"):
        NetworksConfig(patch=3)
    with pytest.raises(ConfigError, match="images of 32 pixels"):
        SRAE(NetworksConfig(patch=4), 32, "ab")


def test_default_networks_have_their_stated_size() -> None:
    model = SRAE(NetworksConfig(), 64, "ab")
    assert sum(p.numel() for p in model.encoder.parameters()) == 1_430_448
    assert sum(p.numel() for p in model.decoder.parameters()) == 1_034_419


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="images of 48 pixels"):
        SRAE(NetworksConfig(), 48, "ab")
    with pytest.raises(ConfigError, match="content_size = 7"):
        NetworksConfig(content_size=7)


def test_the_content_means_carry_no_instance_statistics_by_default() -> None:
    model = SRAE(NetworksConfig(), 32, "ab")
    content = model.encode(batch().images).content
    assert content.mean((2, 3)).abs().max() < 1e-4
    assert (content.var((2, 3), unbiased=False) - 1).abs().max() < 1e-2


def test_sampling_multiplies_by_sigma() -> None:
    draws = Draws(torch.Generator().manual_seed(0))
    found = Gaussian(torch.full((100_000,), 2.0), torch.full((100_000,), 3.0)).sample(draws)
    assert float(found.mean()) == pytest.approx(2.0, abs=0.05)
    assert float(found.std()) == pytest.approx(3.0, abs=0.05)


def test_entropy_term_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.9, 0.1]]))
    entropy = (math.log(2) - 0.9 * math.log(0.9) - 0.1 * math.log(0.1)) / 2
    assert float(objective()._negative_entropy(logits)) == pytest.approx(-entropy / math.log(2), rel=1e-5)
    assert float(objective("paper")._negative_entropy(logits)) == pytest.approx(-entropy / 2, rel=1e-5)


def test_kl_by_hand() -> None:
    code = Gaussian(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]))
    assert float(code.kl()) == pytest.approx((0.5 * 1 + 0.5 * (4 - 2 * math.log(2) - 1)) / 2)
    assert float(Gaussian(torch.ones(2), 0.7).kl()) == 0


def test_the_critics_see_detached_codes_of_the_same_step() -> None:
    trained = objective(domain_critic=True)
    now = context()
    trained.autoencoder_loss(batch(), now)
    loss = torch.stack(list(trained.latent_loss(batch(), now).values())).sum()
    gradients = torch.autograd.grad(loss, list(trained.model.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def reaches(term: str, trained: SRAEObjective) -> set[str]:
    """Which parts of the model `term` moves."""
    terms = trained.autoencoder_loss(batch(), context())
    names, parameters = zip(*trained.model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(terms[term], parameters, allow_unused=True)
    moved = {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None and gradient.any()}
    return {".".join(name.split(".")[:2]) for name in moved}


def test_the_paper_moves_each_stream_by_its_own_loss_alone() -> None:
    trained = objective("paper", domain_critic=True, weights={"pixel": 1.0})
    assert reaches("content_entropy", trained) == {"encoder.content_stream"}
    assert reaches("domain_stream", trained) == {"encoder.domain_stream"}
    everything = {"encoder.trunk", "encoder.content_stream", "encoder.domain_stream", "decoder.blocks", "decoder.image"}
    assert reaches("pixel", trained) == everything


def test_the_default_lets_the_latent_terms_reach_the_trunk() -> None:
    trained, streams = objective(weights={"content_entropy": 0.3}), {"encoder.trunk", "encoder.content_stream"}
    assert reaches("content_entropy", trained) == streams
    trained.autoencoder_loss(batch(), context())  # now enough codes are known
    trained.before_step()
    assert reaches("content_ridge", trained) == streams


def test_a_step_against_the_entropy_term_raises_the_critic_s_entropy() -> None:
    trained = objective("paper")
    for parameter in trained.content_critic.parameters():
        parameter.data.mul_(4)
    before = trained.autoencoder_loss(batch(), context())["content_entropy"]
    stream = list(trained.model.encoder.content_stream.parameters())
    gradients = torch.autograd.grad(before, stream)
    with torch.no_grad():
        for parameter, gradient in zip(stream, gradients, strict=True):
            parameter.sub_(0.02 * gradient / gradient.norm().clamp_min(1e-8))
    assert trained.autoencoder_loss(batch(), context())["content_entropy"] < before


@pytest.mark.parametrize(
    ("critic", "terms"), [(False, {"content_critic"}), (True, {"content_critic", "domain_critic"})]
)
def test_the_two_variants_of_figure_1(critic: bool, terms: set[str]) -> None:
    trained = objective("paper", domain_critic=critic)
    assert ("domain_stream" in trained.autoencoder_weights(0)) is critic
    assert trained.latent_weights(0).keys() == terms
    assert (trained.domain_critic is not None) is critic


def test_the_paper_recipe_has_no_term_that_the_paper_lacks() -> None:
    trained = objective("paper", perceptual="random", domain_critic=True)
    assert trained.autoencoder_weights(0).keys() == {"perceptual", "content_entropy", "domain_stream"}


def test_the_terms_that_hide_the_domain_are_ramped_by_the_absolute_step() -> None:
    trained = objective(hiding_ramp=100, weights={"content_entropy": 0.3, "content_ridge": 2.0})
    assert trained.autoencoder_weights(49)["content_entropy"] == pytest.approx(0.15)
    assert trained.autoencoder_weights(49)["content_ridge"] == pytest.approx(1.0)
    assert trained.autoencoder_weights(99) == trained.autoencoder_weights(10_000)


def two_domains(told: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of two domains with equal means: numbers side by side agree in one domain and differ in the other."""
    generator = torch.Generator().manual_seed(seed)
    codes, y = torch.randn(256, 4, 8, 8, generator=generator), torch.arange(256) % 2
    codes[..., 1::2] = told * codes[..., ::2] * (1 - 2 * y[:, None, None, None]) + (1 - told) * codes[..., 1::2]
    return codes, y


def test_the_ridge_critic_reads_second_moments_and_nothing_where_nothing_is() -> None:
    for told, low, high in ((1.0, 0.1, 1.0), (0.0, -0.08, 0.08)):
        ridge = RidgeCritic(256, 2, 512)
        assert float(ridge(*two_domains(told, 9))) == 0, "nothing is known yet"
        for seed in (1, 2):
            ridge.remember(*two_domains(told, seed))
        ridge.solve()
        assert low < float(ridge(*two_domains(told, 9))) < high


def test_the_ridge_critic_keeps_the_latest_codes() -> None:
    ridge = RidgeCritic(256, 2, 300)
    for seed in (1, 2):
        ridge.remember(*two_domains(0.5, seed))
    latest = two_domains(0.5, 2)[0].flatten(1)
    kept = {tuple(row) for row in ridge.codes.tolist()}
    assert {tuple(row) for row in latest.tolist()} <= kept and len(kept) == 300
    ridge.remember(torch.ones(400, 4, 8, 8), torch.zeros(400, dtype=torch.int64))
    assert bool((ridge.codes == 1).all())


def test_the_ridge_critic_goes_on_from_its_state_and_spreads_what_is_no_number() -> None:
    first, second = RidgeCritic(256, 2, 512), RidgeCritic(256, 2, 512)
    first.remember(*two_domains(1.0, 1))
    second.remember(*two_domains(0.0, 2))
    second.remember(*two_domains(0.0, 3))
    second.load_state_dict(first.state_dict())
    asked = two_domains(1.0, 9)
    for ridge in (first, second):
        ridge.solve()
    assert float(first(*asked)) == float(second(*asked)) != 0
    first.remember(torch.full((4, 4, 8, 8), float("nan")), torch.tensor([0, 1, 0, 1]))
    first.solve()
    assert not bool(torch.isfinite(first(*asked)))


def test_a_step_against_the_ridge_hides_the_domain_from_it() -> None:
    ridge = RidgeCritic(256, 2, 512)
    ridge.remember(*two_domains(1.0, 1))
    ridge.solve()
    codes, y = two_domains(1.0, 9)
    codes.requires_grad_()
    before = ridge(codes, y)
    (gradient,) = torch.autograd.grad(before, codes)
    assert float(ridge(codes.detach() - 20 * gradient, y)) < float(before.detach())


def test_the_image_critic_enters_late() -> None:
    trained = objective(swap_start=10, weights={"adversarial": 0.1})
    assert "adversarial" not in trained.autoencoder_weights(9) and "adversarial" in trained.autoencoder_weights(10)
    image_turns = [turn for turn in trained.turns() if turn.name == "image_critic"]
    assert [turn.weights(9) for turn in image_turns] == [{}]
    assert [turn.weights(10) for turn in image_turns] == [{"image_critic": 1.0}]


def test_swapped_images_are_a_share_of_the_batch() -> None:
    trained, left = objective(swap_share=0.5, weights={"adversarial": 0.1, "content_consistency": 1.0}), context()
    terms = trained.autoencoder_loss(batch(), left)
    assert {"adversarial", "content_consistency"} <= terms.keys() and "domain_consistency" not in terms
    assert len(left.left["made/4"]) == 3, "two swaps, and a reconstruction"
    assert left.left["y_made"].shape == (3,)


def test_a_swap_has_the_domain_code_of_the_image_whose_domain_it_is_judged_as(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, given, moved = objective(swap_share=1.0, weights={"adversarial": 0.1}), [], 0
    means, decode, y = trained.model.encode(batch().images), trained.model.decode, batch().y
    monkeypatch.setattr(trained.model, "decode", lambda *codes: given.append(codes) or decode(*codes))
    for seed in range(4):
        left = Context(step=5000, draws=Draws(torch.Generator().manual_seed(seed)))
        trained.autoencoder_loss(batch(), left)
        content, domain = (codes[len(y) :] for codes in given[-1])  # behind those that are rebuilt
        lenders = torch.cdist(domain, means.domain).argmin(1)
        owners = torch.cdist(content.flatten(1), means.content.flatten(1)).argmin(1)
        assert torch.equal(domain, means.domain[lenders]), "codes are of images of the batch"
        assert torch.equal(y[lenders], left.left["y_made"][: len(lenders)])
        moved += int((y[lenders] != y[owners]).sum())
    assert moved, "some go to the other domain"


def test_the_image_critic_learns_what_is_of_a_domain() -> None:
    """Bright images of domain 0 and dark ones of domain 1 are real; the same under the other label are not."""
    torch.manual_seed(0)
    critic = ImageCritic(2, 16)
    images = torch.cat([torch.full((4, 3, 32, 32), 0.8), torch.full((4, 3, 32, 32), -0.8)])
    y = torch.tensor([0] * 4 + [1] * 4)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)
    for _ in range(30):
        pairs = zip(critic(critic.see(images), y), critic(critic.see(images), 1 - y), strict=True)
        loss = torch.stack([hinge_critic(real, fake) for real, fake in pairs]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 1
    assert [logits.shape[1] for logits in critic(critic.see(images), y)] == [16, 8, 4, 2, 4]


def test_real_images_are_no_members_of_other_domains_where_that_is_asked_for() -> None:
    torch.manual_seed(0)
    trained, left = objective(weights={"adversarial": 0.1, "image_mismatch": 0.5}), context()
    assert trained.image_weights(0) == {"image_critic": 1.0, "image_mismatch": 0.5}
    trained.autoencoder_loss(batch(), left)
    critic = trained.image_critic
    assert critic is not None
    critic.eval()  # in training, every call moves the spectral norms
    terms = trained.image_loss(batch(), left)
    strangers = critic(critic.see(trained._seen(batch().images, left)), 1 - batch().y)
    expected = torch.stack([torch.relu(1 + logits).mean() for logits in strangers]).mean()
    assert float(terms["image_mismatch"].detach()) == pytest.approx(float(expected.detach()), rel=1e-3)


def test_what_is_as_real_as_real_images_is_not_pushed_further() -> None:
    torch.manual_seed(0)
    critic, images, y = ImageCritic(2, 16), torch.rand(4, 3, 32, 32) * 2 - 1, torch.tensor([0, 0, 1, 1])
    maps = critic(critic.see(images), y)
    for _ in range(100):
        critic.remember(maps, y)
    assert torch.allclose(critic.levels[4, 1], maps[4][2:].mean(), atol=1e-3)
    critic.levels -= 100
    assert float(critic.shortfall(critic.see(images), y).detach()) == 0
    critic.levels += 200
    assert float(critic.shortfall(critic.see(images), y).detach()) > 50
    before = critic.levels.clone()
    critic.remember([logits[:2] for logits in maps], y[:2])
    assert torch.equal(critic.levels[:, 1], before[:, 1]), "a batch without a domain says nothing of it"


def test_the_image_critic_sees_a_grid_that_is_finer_than_its_features() -> None:
    torch.manual_seed(0)
    critic, y = ImageCritic(2, 16), torch.zeros(8, dtype=torch.int64)
    smooth = torch.nn.functional.interpolate(torch.rand(8, 3, 8, 8) * 2 - 1, (32, 32), mode="bilinear")
    grid = 0.15 * (torch.arange(32) % 2 * 2.0 - 1)
    optimiser = torch.optim.Adam(critic.patches.parameters(), 1e-3)
    for _ in range(60):
        loss = hinge_critic(critic(critic.see(smooth), y)[-1], critic(critic.see(smooth + grid), y)[-1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.5


def test_something_has_to_rebuild_the_image() -> None:
    with pytest.raises(ConfigError, match="nothing rebuilds the image"):
        objective(weights={"pixel": 0.0})


def test_settings_are_checked() -> None:
    for changes in (
        {"perceptual_distance": "far"},
        {"critic_steps": 0},
        {"ridge_codes": 0},
        {"weights": {"kl": -1.0}},
        {"feature_crop": 0.0},
        {"swap_share": 0.0},
    ):
        with pytest.raises(ConfigError):
            updated(ObjectiveConfig(), changes)


def test_with_edges_only_the_content_sees_no_colours() -> None:
    torch.manual_seed(0)
    model = SRAE(NetworksConfig(content_trunk="edges", width=16, min_width=8), 32, "ab")
    images = batch().images
    first, second = model.encode(images), model.encode(images.roll(1, 1))
    assert torch.allclose(first.content, second.content, atol=1e-4)
    assert not torch.allclose(first.domain, second.domain, atol=1e-4)


def test_with_standardised_input_no_code_knows_the_brightness() -> None:
    torch.manual_seed(0)
    model = SRAE(NetworksConfig(standardise_input=True, width=16, min_width=8), 32, "ab")
    images = batch().images
    first, second = model.encode(images), model.encode(0.6 * images - 0.2)
    assert torch.allclose(first.content, second.content, atol=0.05) and torch.allclose(
        first.domain, second.domain, atol=0.05
    )


def test_contrast_falls_as_the_content_stream_follows_it() -> None:
    whole = objective("neighbours")
    optimiser = torch.optim.Adam(whole.model.encoder.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = whole.autoencoder_loss(batch(), context())["content_contrast"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_beside_the_backbone_both_halves_of_the_code_weigh_alike() -> None:
    torch.manual_seed(0)
    model = SRAE(NetworksConfig(content_trunk="backbone", standardise_content=False, width=16, min_width=8), 32, "ab")
    content = model.encode(batch().images).content
    halves = content.square().mean((2, 3)).chunk(2, dim=1)
    assert all(torch.allclose(half.mean(1), torch.ones(4), atol=1e-2) for half in halves)
    assert not [name for name in model.state_dict() if "backbone" in name], "it comes with the package"
    images = batch().images.requires_grad_()
    content = model.encode(images).content
    own, known = (torch.autograd.grad(content[:, k].sum(), images, retain_graph=True)[0] for k in (0, 8))
    assert own.abs().max() > 0 and known.abs().max() == 0, "no loss moves an image by the backbone"
    with pytest.raises(ConfigError, match="content_trunk"):
        NetworksConfig(content_trunk="colours")
    for changes in ({"content_noise": 0.0}, {"content_channels": 5}):
        with pytest.raises(ConfigError, match=r"sigma_c|is odd"):
            NetworksConfig(content_trunk="backbone", **changes)


def test_a_domain_stream_over_the_backbone_is_linear_and_leaves_the_trunk_to_the_content() -> None:
    torch.manual_seed(0)
    settings = {"domain_trunk": "backbone", "width": 16, "min_width": 8}
    model = SRAE(NetworksConfig(standardise_input=True, **settings), 32, "ab")
    assert not [name for name in model.state_dict() if "backbone" in name], "it comes with the package"
    images = batch().images
    first, second = model.encode(images), model.encode(0.6 * images - 0.2)
    assert torch.allclose(first.domain, second.domain, atol=0.05), "the brightness is taken out before it"
    plain = SRAE(NetworksConfig(**settings), 32, "ab")
    assert not torch.allclose(plain.encode(images).domain, plain.encode(0.6 * images - 0.2).domain, atol=0.05)
    model.encode(images).domain.sum().backward()
    moved = {name.split(".")[1] for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert moved == {"domain_stream"}
    for changes in ({"domain_trunk": "colours"}, {"domain_trunk": "backbone", "content_trunk": "edges"}):
        with pytest.raises(ConfigError, match=r"domain_trunk"):
            NetworksConfig(**changes)
