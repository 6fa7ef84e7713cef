"""The contract, over every family: what the loop, the jobs and the commands rely on."""

import pytest
import torch

from i2i_cli.config import updated
from i2i_cli.errors import ConfigError
from i2i_cli.models import FAMILIES, family
from i2i_cli.models.family import NUM_KEPT_CODES, Batch, Context, Family, Objective

NUM_DOMAINS = 3
SIZE = 32
VARIANTS = [
    pytest.param(name, recipe, changes, id=f"{name}-{recipe}-{'-'.join(changes) or 'plain'}")
    for name, kind in FAMILIES.items()
    for recipe in kind.recipes
    for changes in ({}, {"domain_critic": True}, {"weights": {"adversarial": 0.1, "content_consistency": 1.0}})
]


def build(name: str, recipe: str, changes: dict) -> Objective:
    kind: Family = family(name)
    tables = kind.recipes[recipe]
    networks = updated(kind.networks, tables.get("networks", {}))
    objective = updated(updated(kind.objective, tables.get("objective", {})), {**changes, "perceptual": "random"})
    torch.manual_seed(0)
    model = kind.build_model(networks, SIZE, NUM_DOMAINS)
    return kind.build_objective(model, objective)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.rand(6, 3, SIZE, SIZE, generator=generator) * 2 - 1, torch.arange(6) % NUM_DOMAINS)


def context(step: int = 0) -> Context:
    return Context(step=step, generator=torch.Generator().manual_seed(step))


@pytest.mark.parametrize(("name", "recipe", "changes"), VARIANTS)
def test_every_turn_gives_the_terms_it_has_weights_for_and_trains_only_its_own(name, recipe, changes) -> None:
    objective = build(name, recipe, changes)
    everything = dict(objective.named_parameters())
    now = context()
    reached = {}
    for turn in objective.turns():
        weights = turn.weights(0)
        terms = turn.loss(batch(), now)
        assert terms.keys() == weights.keys()
        assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
        own = [parameter for module in turn.trains for parameter in module.parameters()]
        total = torch.stack([terms[key] * weight for key, weight in weights.items()]).sum()
        gradients = torch.autograd.grad(total, own, allow_unused=True)
        names = [key for key, value in everything.items() if any(value is parameter for parameter in own)]
        reached |= dict.fromkeys(key for key, gradient in zip(names, gradients, strict=True) if gradient is not None)
    assert reached.keys() == everything.keys(), "a parameter that no turn moves is dead weight"


@pytest.mark.parametrize(("name", "recipe", "changes"), VARIANTS)
def test_turns_train_disjoint_networks(name, recipe, changes) -> None:
    owners: dict[int, str] = {}
    for turn in build(name, recipe, changes).turns():
        for module in turn.trains:
            for parameter in module.parameters():
                assert owners.setdefault(id(parameter), turn.name) == turn.name


@pytest.mark.parametrize("name", FAMILIES)
def test_both_codes_matter_and_an_image_s_codes_do_not_depend_on_its_batch(name: str) -> None:
    model = build(name, "default", {}).model.eval()
    images = batch().images[:2]
    codes = model.encode(images)
    rebuilt = model.decode(*codes)
    assert rebuilt.shape == images.shape and rebuilt.abs().max() <= 1
    for changed in (codes._replace(domain=codes.domain.flip(0)), codes._replace(content=codes.content.flip(0))):
        assert not torch.allclose(model.decode(*changed), rebuilt, atol=1e-4)
    alone = model.encode(images[1:])
    assert all(torch.allclose(one, both[1:], atol=1e-4) for one, both in zip(alone, codes, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_saved_model_gives_the_same_images(name: str) -> None:
    model, other = build(name, "default", {}).model.eval(), build(name, "default", {}).model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    assert not torch.equal(model.decode(*model.encode(batch().images)), other.decode(*other.encode(batch().images)))
    other.load_state_dict(model.state_dict())
    codes = zip(model.encode(batch().images), other.encode(batch().images), strict=True)
    assert all(torch.equal(a, b) for a, b in codes)
    assert torch.equal(model.decode(*model.encode(batch().images)), other.decode(*other.encode(batch().images)))


@pytest.mark.parametrize("name", FAMILIES)
def test_kept_codes_open_with_their_medoid(name: str) -> None:
    model = build(name, "default", {}).model
    shape = model.kept_codes.shape[2:]
    codes = torch.stack([torch.full(shape, value) for value in (0.0, 9.0, 1.0, -8.0, 1.5)])
    model.keep_codes(1, codes)
    kept = model.target_codes(1)
    assert len(kept) == 5 and torch.equal(kept[0], torch.full(shape, 1.0))
    assert sorted(kept.flatten(1)[:, 0].tolist()) == [-8.0, 0.0, 1.0, 1.5, 9.0]
    assert len(model.target_codes(0)) == 0
    model.keep_codes(1, torch.zeros(2 * NUM_KEPT_CODES, *shape))
    assert len(model.target_codes(1)) == NUM_KEPT_CODES


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        family("srea")
    assert "'srae'" in caught.value.hint
