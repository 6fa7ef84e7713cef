import copy

import pytest
import torch
from torch import nn

from i2i_cli.config import updated
from i2i_cli.engine.loop import Loop, TrainingConfig, generator_for
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.models import family
from i2i_cli.models.family import Batch

CPU = torch.device("cpu")

GOLDEN = {
    "default": {
        "pixel": [0.5629, 0.5597, 0.557, 0.5632, 0.5605],
        "content_ridge": [0.0, 0.0, 0.0049, 0.051, 0.0109],
        "kl": [0.0514, 0.064, 0.058, 0.0519, 0.0667],
        "domain_stream": [0.828, 0.6747, 0.7718, 0.7609, 0.7294],
        "domain_critic": [0.828, 0.6747, 0.7718, 0.7609, 0.7294],
    },
    "paper": {
        "pixel": [0.5756, 0.5788, 0.5759, 0.5794, 0.5781],
        "content_entropy": [-0.3457, -0.3446, -0.3459, -0.3453, -0.3455],
        "content_critic": [0.686, 0.6917, 0.6905, 0.7003, 0.7072],
    },
}


GOLDEN_DUAL = {
    "identity": [0.5783, 0.5794, 0.5784, 0.5758, 0.5779, 0.5831],
    "adversarial/red_disc": [0.6903, 0.687, 0.688, 0.7017],
    "adversarial/grey_square": [0.6382, 0.6447, 0.6421, 0.6402],
    "adversarial/grey_disc": [0.7208, 0.7137, 0.7074, 0.6923],
    "adversarial/red_square": [0.7101, 0.701, 0.6995, 0.7102],
    "cycle": [0.5769, 0.5745, 0.5769, 0.5764],
    "critic/red_disc": [1.387, 1.3886, 1.3838, 1.3724],
    "critic/grey_square": [1.4101, 1.4033, 1.4083, 1.408],
    "critic/grey_disc": [1.3926, 1.3992, 1.4039, 1.4208],
    "critic/red_square": [1.3712, 1.3828, 1.383, 1.3712],
    "r1": [0.0001, 0.0001],
}


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
        trained.advance(batch(trained.step), trained.context())


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
            trained.advance(dual_batch(trained.step), trained.context())
    second.load_state(copy.deepcopy(first.state()), 1)
    for _ in range(5):
        second.advance(dual_batch(second.step), second.context())
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


def test_the_learning_rate_cools_down_to_nothing_over_the_last_steps() -> None:
    trained = loop(warmup=0, learning_rate=0.1, steps=8, cooldown=0.5)
    rates = []
    for _ in range(9):
        rates.append(trained.learning_rate())
        trained.step += 1
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025, 0.0])
    assert loop(steps=0, minutes=1.0, cooldown=0.5).learning_rate() > 0, "minutes have no last step"


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


@pytest.mark.parametrize("recipe", ["default", "paper"])
def test_golden_curve(recipe: str) -> None:
    """Five steps at fp32 on one thread; a change of these numbers is a change of the method."""
    trained = loop(recipe)
    assert isinstance(trained.objective, nn.Module)
    found: dict[str, list[float]] = {}
    for _ in range(5):
        advance(trained, 1)
        for name, value in trained.take_terms().items():
            found.setdefault(name, []).append(round(value, 4))
    assert found.keys() == GOLDEN[recipe].keys()
    for name, values in GOLDEN[recipe].items():
        assert found[name] == pytest.approx(values, abs=2e-3), name


def test_golden_curve_of_the_dual_family() -> None:
    """Two steps of pre-training, four of the game: a change of these numbers is a change of the method."""
    trained = dual_loop()
    found: dict[str, list[float]] = {}
    for step in range(6):
        trained.advance(dual_batch(step), trained.context())
        for name, value in trained.take_terms().items():
            found.setdefault(name, []).append(round(value, 4))
    assert found.keys() == GOLDEN_DUAL.keys()
    for name, values in GOLDEN_DUAL.items():
        assert found[name] == pytest.approx(values, abs=2e-3), name
