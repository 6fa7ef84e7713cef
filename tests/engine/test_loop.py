import copy

import pytest
import torch

from i2i_cli.config import updated
from i2i_cli.engine.loop import Loop
from i2i_cli.engine.schedule import TrainingConfig, generator_for
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.models import family
from i2i_cli.models.family import Batch

CPU = torch.device("cpu")

GOLDEN: dict[str, dict[str, list[float]]] = {
    "default": {
        "pixel": [0.5629, 0.5376, 0.5135, 0.4991, 0.4918],
        "content_ridge": [0.0, 0.7251, 0.8233, 0.8467, 0.8342],
        "kl": [0.0514, 0.0599, 0.0733, 0.0806, 0.0984],
        "domain_stream": [0.828, 0.7059, 0.7269, 0.8028, 0.534],
        "domain_critic": [0.618, 0.7166, 0.7168, 0.7285, 0.7192],
    },
    "paper": {
        "pixel": [0.5756, 0.5538, 0.527, 0.5145, 0.5078],
        "content_entropy": [-0.3453, -0.3462, -0.3459, -0.346, -0.3461],
        "content_critic": [0.686, 0.709, 0.6958, 0.7008, 0.6987],
    },
    "dual": {
        "identity": [0.5783, 0.5311, 0.5122, 0.5069, 0.504],
        "adversarial/red_disc": [0.6905, 0.6731, 0.631],
        "adversarial/grey_square": [0.6421, 0.6382, 0.6206],
        "adversarial/grey_disc": [0.702, 0.6901, 0.657],
        "adversarial/red_square": [0.7001, 0.7119, 0.742],
        "cycle": [0.513, 0.5073, 0.5043],
        "critic/red_disc": [1.3401, 1.2673, 1.1685],
        "critic/grey_square": [1.389, 1.3599, 1.2858],
        "critic/grey_disc": [1.3805, 1.3252, 1.1663],
        "critic/red_square": [1.3732, 1.3483, 1.2935],
        "r1": [0.0003],
    },
}

TOLERANCE = 1e-2

GAME_TOLERANCE = 3e-2
"""Of the dual GAN, whose players follow each other's rounding: 0.02 apart on another processor and torch 2.11."""

READ_AT = (0, 4, 9, 14, 19)
"""Steps of twenty at which the golden curves were read."""


def dual_loop(pretraining_steps: int = 2, **training) -> Loop:
    kind = family("dual")
    names = ("grey_disc", "grey_square", "red_disc", "red_square")
    roles = {"inputs": ("grey_disc", "red_square"), "outputs": ("red_disc", "grey_square")}
    networks = updated(kind.networks, {**roles, "width": 0.0625})
    settings = updated(kind.objective, {"critic_width": 0.0625, "pretraining_steps": pretraining_steps, "r1_every": 2})
    torch.manual_seed(0)
    objective = kind.build_objective(kind.build_model(networks, 32, names), settings)
    return Loop(objective, TrainingConfig(**training), CPU, "fp32", 0)


def loop(recipe: str = "default", seed: int = 0, **training) -> Loop:
    kind = family("srae")
    tables = kind.recipes[recipe]
    networks = updated(kind.networks, {**tables.get("networks", {}), "width": 16, "min_width": 8})
    settings = updated(updated(kind.objective, tables.get("objective", {})), {"perceptual": "none", "critic_width": 8})
    if recipe == "paper":
        settings = updated(settings, {"weights": {"pixel": 1.0}})
    torch.manual_seed(seed)
    objective = kind.build_objective(kind.build_model(networks, 32, "ab"), settings)
    return Loop(objective, TrainingConfig(**training), CPU, "fp32", seed)


def batch(step: int) -> Batch:
    return Batch(torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(step)) * 2 - 1, torch.arange(6) % 2)


def dual_batch(step: int) -> Batch:
    return Batch(torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(step)) * 2 - 1, torch.arange(8) % 4)


def advance(trained: Loop, steps: int) -> None:
    for _ in range(steps):
        trained.advance(batch(trained.step))


def same(first: Loop, second: Loop) -> bool:
    a, b = first.state(), second.state()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_a_resumed_loop_is_bit_identical(recipe: str) -> None:
    whole, first, second = loop(recipe), loop(recipe), loop(recipe, seed=0)
    advance(whole, 6)
    advance(first, 3)
    saved = copy.deepcopy(first.state())
    second.load_state(saved, 3)
    advance(second, 3)
    assert same(whole, second)
    assert not same(first, second)


def test_a_resumed_dual_loop_is_bit_identical_across_the_end_of_pretraining() -> None:
    whole, first, second = dual_loop(), dual_loop(), dual_loop()
    for trained, steps in ((whole, 6), (first, 1)):
        for _ in range(steps):
            trained.advance(dual_batch(trained.step))
    second.load_state(copy.deepcopy(first.state()), 1)
    for _ in range(5):
        second.advance(dual_batch(second.step))
    assert same(whole, second)


def test_a_turn_leaves_no_gradient_behind() -> None:
    trained = loop()
    advance(trained, 1)
    assert all(parameter.grad is None for parameter in trained.objective.parameters())


def test_every_network_of_the_objective_moves() -> None:
    trained = loop()
    before = copy.deepcopy(trained.objective.state_dict())
    advance(trained, 2)
    after = trained.objective.state_dict()
    still = [name for name, value in before.items() if "kept_codes" not in name and torch.equal(value, after[name])]
    assert not still


def test_the_average_trails_the_weights_and_can_be_off() -> None:
    trailing, plain = loop(ema=0.9), loop(ema=0.0)
    advance(trailing, 3)
    advance(plain, 3)
    current = dict(plain.objective.model.named_parameters())
    assert all(torch.equal(value, current[name]) for name, value in plain.averaged.named_parameters())
    current = dict(trailing.objective.model.named_parameters())
    assert any(not torch.equal(value, current[name]) for name, value in trailing.averaged.named_parameters())


def test_terms_are_means_since_the_last_reading() -> None:
    trained = loop()
    advance(trained, 2)
    terms = trained.take_terms()
    assert {"pixel", "content_ridge", "domain_critic"} <= terms.keys()
    assert terms["domain_critic"] != terms["domain_stream"], "one number under two names is one too many"
    assert trained.take_terms() == {}


def test_divergence_is_noticed() -> None:
    trained = loop()
    with torch.no_grad():
        next(trained.objective.parameters()).fill_(float("nan"))
    advance(trained, 1)
    with pytest.raises(I2IError, match="a weight is not a finite number"):
        trained.state()
    with pytest.raises(I2IError, match="diverged before step 1") as caught:
        trained.take_terms()
    assert "learning_rate=0.0002" in caught.value.hint


def test_the_learning_rate_warms_up_by_the_absolute_step() -> None:
    trained = loop(warmup=4, learning_rate=0.1)
    rates = []
    for _ in range(6):
        advance(trained, 1)
        rates.append(trained._optimisers["autoencoder"].param_groups[0]["lr"])
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_the_learning_rate_cools_down_to_nothing_over_the_last_steps_or_minutes() -> None:
    by_steps = TrainingConfig(warmup=0, learning_rate=0.1, steps=8, cooldown=0.5)
    rates = [by_steps.learning_rate_at(step, by_steps.share_done(step, seconds=1e6)) for step in range(9)]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0])
    by_time = TrainingConfig(warmup=0, learning_rate=0.1, steps=0, minutes=2, cooldown=0.5)
    rates = [by_time.learning_rate_at(7, by_time.share_done(7, seconds)) for seconds in (0, 60, 90, 120, 130)]
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.0, 0.0])
    both = TrainingConfig(warmup=0, learning_rate=0.1, steps=10, minutes=1, cooldown=0.5)
    assert both.share_done(5, seconds=6) == 0.5 and both.share_done(5, seconds=54) == 0.9, "what ends it first"
    assert both.learning_rate_at(5, share=0.9) == 0.1, "the same steps give the same weights, however long they take"


def test_a_step_is_played_at_the_rate_of_its_share() -> None:
    trained = loop(warmup=0, learning_rate=0.1, steps=0, minutes=1.0, cooldown=0.5)
    trained.advance(batch(0), 0.75)
    assert trained._optimisers["autoencoder"].param_groups[0]["lr"] == pytest.approx(0.05)


def test_generators_depend_on_their_arguments_alone() -> None:
    def draw(*key) -> float:
        return float(torch.rand((), generator=generator_for(*key)))

    assert draw(1, 2, "x") == draw(1, 2, "x")
    assert len({draw(1, 2, "x"), draw(2, 2, "x"), draw(1, 3, "x"), draw(1, 2, "y")}) == 4


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"batch_size": 1}, {"learning_rate": 2.0}, {"cooldown": 1.5}, {"checkpoint_minutes": 0.0}]
)
def test_settings_are_checked(changes: dict) -> None:
    with pytest.raises(ConfigError):
        TrainingConfig(**changes)


FAST = {"learning_rate": 5e-4, "warmup": 1}
"""Twenty steps at this rate move terms far beyond the tolerance, and processors without AVX by two thirds of it."""


def golden_loop(name: str) -> Loop:
    return dual_loop(pretraining_steps=6, **FAST) if name == "dual" else loop(name, **FAST)


def curves(name: str) -> dict[str, list[float]]:
    """The terms of twenty steps on one batch, at fp32 on one thread."""
    trained, same = golden_loop(name), dual_batch(0) if name == "dual" else batch(0)
    found: dict[str, list[float]] = {}
    for step in range(READ_AT[-1] + 1):
        trained.advance(same)
        terms = trained.take_terms()
        for term, value in terms.items() if step in READ_AT else ():
            found.setdefault(term, []).append(round(value, 4))
    return found


@pytest.mark.parametrize("name", ["default", "paper", "dual"])
def test_golden_curve(name: str) -> None:
    """A change of these numbers is a change of the method."""
    found = curves(name)
    assert found.keys() == GOLDEN[name].keys()
    for term, values in GOLDEN[name].items():
        assert found[term] == pytest.approx(values, abs=GAME_TOLERANCE if name == "dual" else TOLERANCE), term
    rebuilds = "identity" if name == "dual" else "pixel"
    assert found[rebuilds][-1] < found[rebuilds][0] - 6 * TOLERANCE, "what is trained on again and again is learned"
    if name == "dual":
        assert found["critic/grey_disc"][-1] < found["critic/grey_disc"][0] - 6 * TOLERANCE, "so do its opponents"


@pytest.mark.parametrize("name", ["dual", "default", "sharp"])
def test_a_fused_optimiser_steps_every_weight_by_its_own_gradient(name: str) -> None:
    """R1's gradients come in plain strides, where the parameters are channels last."""
    fused, plain, still = (golden_loop(name) if name != "sharp" else loop("sharp", **FAST) for _ in range(3))
    betas = (plain.config.beta1, plain.config.beta2)
    for turn, own in plain._parameters.items():
        plain._optimisers[turn] = torch.optim.Adam(own, FAST["learning_rate"], betas, fused=False, foreach=False)
    for trained in (fused, plain):
        trained.step = 12  # past pre-training
        for _ in range(4):
            trained.advance(dual_batch(0) if name == "dual" else batch(0))
    # Where a gradient is next to nothing, rounding decides its sign, and Adam follows signs.
    assert distance(fused, plain) < 0.05 * distance(fused, still)


def distance(first: Loop, second: Loop) -> float:
    pairs = zip(first.objective.parameters(), second.objective.parameters(), strict=True)
    return float(torch.cat([(a - b).detach().flatten() for a, b in pairs]).norm())


def test_gradients_reach_the_optimiser_in_the_layout_of_their_parameters() -> None:
    trained = dual_loop(pretraining_steps=0)
    seen: list[bool] = []
    for name, optimiser in trained._optimisers.items():

        def step(name: str = name) -> None:
            own = trained._parameters[name]
            seen.extend(p.grad.stride() == p.stride() and p.grad.dtype == p.dtype for p in own if p.grad is not None)

        optimiser.step = step  # type: ignore[method-assign]
    trained.advance(dual_batch(0))
    assert len(seen) > 100 and all(seen)


@pytest.mark.parametrize("name", ["dual", "default"])
def test_a_turn_is_as_strong_however_seldom_it_is_played(name: str) -> None:
    """What a turn's gradients add up to over twelve steps of the same weights does not depend on `every`."""
    sums = {}
    for every in (1, 2, 4):
        trained, total = golden_loop(name), [0.0]
        last = trained.turns[-1]
        object.__setattr__(last, "every", every)
        trained.turns = [last]
        average = trained.peers.averaged
        trained.peers = copy.copy(trained.peers)

        def kept(gradients, total=total, average=average):
            total[0] += sum(float(gradient.sum()) for gradient in gradients if gradient is not None)
            return [None for _ in average(gradients)]

        trained.peers.averaged = kept  # type: ignore[method-assign]
        trained.step = 12
        same = dual_batch(0) if name == "dual" else batch(0)
        context = trained.context()
        first = trained.objective.generator_losses if name == "dual" else trained.objective.autoencoder_loss
        first(same, context)
        trained.context = lambda context=context: context  # type: ignore[method-assign]
        for _ in range(12):
            trained.advance(same)
        sums[every] = total[0]
    assert sums[1] == pytest.approx(sums[2], rel=1e-3) == pytest.approx(sums[4], rel=1e-3) != 0
