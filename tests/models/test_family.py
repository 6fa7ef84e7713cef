"""The contract, over every family: what the loop, the jobs and the commands rely on."""

import pytest
import torch

from i2i_cli.config import merged, updated
from i2i_cli.errors import ConfigError
from i2i_cli.models import FAMILIES, family
from i2i_cli.models.family import NUM_KEPT_CODES, Batch, Codes, Context, Family, Objective, TranslationModel
from i2i_cli.models.peers import Draws

DOMAINS = ("photo_bag", "photo_shoe", "sketch_bag", "sketch_shoe")
SIZE = 32
SETTINGS = {
    "srae": {"objective": {"perceptual": "random"}},
    "dual": {
        "networks": {"inputs": ("sketch_bag", "photo_shoe"), "outputs": ("photo_bag", "sketch_shoe"), "width": 0.125},
        "objective": {"critic_width": 0.125},
    },
}
CHANGES = {
    "srae": ({}, {"domain_critic": True}, {"weights": {"adversarial": 0.1, "content_consistency": 1.0}}),
    "dual": ({}, {"pretraining_steps": 5, "freeze_encoders": True}, {"augmentation": True, "weights": {"r1": 2.0}}),
}
VARIANTS = [
    pytest.param(name, recipe, changes, id=f"{name}-{recipe}-{'-'.join(changes) or 'plain'}")
    for name, kind in FAMILIES.items()
    for recipe in kind.recipes
    for changes in CHANGES[name]
]
STEPS = (0, 16_000)
"""A step of any pre-training, and one long after it that is due for every turn."""


def build(name: str, recipe: str, changes: dict) -> Objective:
    kind: Family = family(name)
    tables = merged(kind.recipes[recipe], merged(SETTINGS[name], {"objective": changes}))
    torch.manual_seed(0)
    model = kind.build_model(updated(kind.networks, tables.get("networks", {})), SIZE, DOMAINS)
    return kind.build_objective(model, updated(kind.objective, tables["objective"]))


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.rand(8, 3, SIZE, SIZE, generator=generator) * 2 - 1, torch.arange(8) % len(DOMAINS))


def encode(model: TranslationModel, images: torch.Tensor) -> Codes:
    """Codes of the first images of `batch()`."""
    return model.encode(images, batch().y[: len(images)])


def context(step: int = 0) -> Context:
    return Context(step=step, draws=Draws(torch.Generator().manual_seed(step)))


@pytest.mark.parametrize(("name", "recipe", "changes"), VARIANTS)
def test_every_turn_gives_the_terms_it_has_weights_for_and_trains_only_its_own(name, recipe, changes) -> None:
    objective = build(name, recipe, changes)
    everything = dict(objective.named_parameters())
    reached = {}
    for step in STEPS:
        now = context(step)
        for turn in objective.turns():
            if not (weights := turn.weights(step)):
                continue
            terms = turn.loss(batch(), now)
            assert terms.keys() == weights.keys()
            assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
            own = [parameter for module in turn.trains for parameter in module.parameters()]
            total = torch.stack([terms[key] * weight for key, weight in weights.items()]).sum()
            gradients = torch.autograd.grad(total, own, allow_unused=True)
            names = [key for key, value in everything.items() if any(value is parameter for parameter in own)]
            moved = [key for key, gradient in zip(names, gradients, strict=True) if gradient is not None]
            reached |= dict.fromkeys(moved)
    assert reached.keys() == everything.keys(), "a parameter that no turn moves is dead weight"


@pytest.mark.parametrize(("name", "recipe", "changes"), VARIANTS)
def test_turns_of_a_step_train_disjoint_networks(name, recipe, changes) -> None:
    for step in STEPS:
        owners: dict[int, str] = {}
        for turn in build(name, recipe, changes).turns():
            for module in turn.trains if turn.weights(step) else ():
                for parameter in module.parameters():
                    assert owners.setdefault(id(parameter), turn.name) == turn.name


@pytest.mark.parametrize("name", FAMILIES)
def test_every_domain_is_reached_by_its_lender_s_codes(name: str) -> None:
    model = build(name, "default", {}).model
    labels = range(len(DOMAINS))
    assert {b for _, b in model.routes()} == set(labels) == {model.code_lender(label) for label in labels}
    for label in labels:
        model.keep_codes(label, torch.full(model.kept_codes.shape[2:], float(label))[None])
    for label in labels:
        assert float(model.target_codes(label).mean()) == model.code_lender(label)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_codes_matter_and_an_image_s_codes_do_not_depend_on_its_batch(name: str) -> None:
    model = build(name, "default", {}).model.eval()
    images = batch().images[:2]
    codes = encode(model, images)
    rebuilt = model.decode(*codes)
    assert rebuilt.shape == images.shape and rebuilt.abs().max() <= 1
    for changed in (codes._replace(domain=codes.domain.flip(0)), codes._replace(content=codes.content.flip(0))):
        assert not torch.allclose(model.decode(*changed), rebuilt, atol=1e-4)
    alone = model.encode(images[1:], batch().y[1:2])
    assert all(torch.allclose(one, both[1:], atol=1e-4) for one, both in zip(alone, codes, strict=True))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_saved_model_gives_the_same_images(name: str) -> None:
    model, other = build(name, "default", {}).model.eval(), build(name, "default", {}).model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    images = batch().images
    assert not torch.equal(model.decode(*encode(model, images)), other.decode(*encode(other, images)))
    other.load_state_dict(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(encode(model, images), encode(other, images), strict=True))
    assert torch.equal(model.decode(*encode(model, images)), other.decode(*encode(other, images)))


@pytest.mark.parametrize("name", FAMILIES)
def test_kept_codes_open_with_their_medoid(name: str) -> None:
    model = build(name, "default", {}).model
    shape = model.kept_codes.shape[2:]
    codes = torch.stack([torch.full(shape, value) for value in (0.0, 9.0, 1.0, -8.0, 1.5)])
    model.keep_codes(1, codes)
    kept = model.target_codes(lent := next(label for label in range(4) if model.code_lender(label) == 1))
    assert len(kept) == 5 and torch.equal(kept[0], torch.full(shape, 1.0))
    assert sorted(kept.flatten(1)[:, 0].tolist()) == [-8.0, 0.0, 1.0, 1.5, 9.0]
    assert len(model.target_codes((lent + 1) % 4)) == 0
    model.keep_codes(1, torch.zeros(2 * NUM_KEPT_CODES, *shape))
    assert len(model.target_codes(lent)) == NUM_KEPT_CODES


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        family("srea")
    assert "'srae'" in caught.value.hint
