"""The dual GAN against its paper: the appendix's tables, who meets whom, and what each term moves."""

import pytest
import torch
from torch import nn

from i2i_cli.config import merged, updated
from i2i_cli.errors import ConfigError
from i2i_cli.models.dual import FAMILY, DualGAN, DualObjective, NetworksConfig, ObjectiveConfig
from i2i_cli.models.dual.critics import Critic
from i2i_cli.models.dual.networks import Encoder, Generator
from i2i_cli.models.dual.roles import Roles, roles_of
from i2i_cli.models.family import Batch, Context, Turn
from i2i_cli.models.peers import Draws

DOMAINS = ("photo_bag", "photo_shoe", "sketch_bag", "sketch_shoe")
PHOTO_BAG, PHOTO_SHOE, SKETCH_BAG, SKETCH_SHOE = range(4)
ROLES = {"inputs": ("sketch_bag", "photo_shoe"), "outputs": ("photo_bag", "sketch_shoe")}
TABLES = NetworksConfig(**FAMILY.recipes["paper"]["networks"], **ROLES)

ENCODER = """
conv1 64x64x16, conv3 32x32x16, conv5 32x32x32, conv3 32x32x32, conv5 16x16x64, conv3 16x16x64, conv5 8x8x128,
conv3 8x8x128, conv5 4x4x256, conv3 4x4x256, conv5 2x2x512, conv3 2x2x1024
"""
GENERATOR = """
conv3 4x4x512, deconv3 8x8x512, conv3 8x8x256, deconv3 16x16x256, conv3 16x16x128, deconv3 32x32x128, conv3 32x32x64,
deconv3 64x64x64, conv3 64x64x32, conv3 64x64x32, conv1 64x64x3
"""
CRITIC = """
conv1 64x64x16, pool2 32x32x16, conv5 32x32x32, conv3 32x32x64, pool2 16x16x64, conv3 16x16x128, pool2 8x8x128,
conv3 8x8x256, pool2 4x4x256, conv3 4x4x256, pool2 2x2x256, conv3 2x2x128, dense 1
"""


def objective(recipe: str = "default", **changes) -> DualObjective:
    tables = merged(FAMILY.recipes[recipe], {"networks": {**ROLES, "width": 0.125}, "objective": changes})
    torch.manual_seed(0)
    model = DualGAN(updated(NetworksConfig(), tables["networks"]), 32, DOMAINS)
    return DualObjective(model, updated(ObjectiveConfig(), merged({"critic_width": 0.125}, tables["objective"])))


def batch(count: int = 8) -> Batch:
    images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(images, torch.arange(count) % 4)


def context(step: int = 5000) -> Context:
    return Context(step=step, draws=Draws(torch.Generator().manual_seed(7)))


def rows(network: nn.Module, *inputs: torch.Tensor) -> list[str]:
    """What each layer of `network` is and gives, in order, as the appendix writes it."""
    found: list[str] = []

    def note(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        names = {nn.Conv2d: "conv", nn.ConvTranspose2d: "deconv", nn.AvgPool2d: "pool", nn.Linear: "dense"}
        if type(layer) not in names:
            return
        kernel = "" if isinstance(layer, nn.Linear) else layer.kernel_size
        kernel = kernel[0] if isinstance(kernel, tuple) else kernel
        shape = "x".join(map(str, [*output.shape[2:], output.shape[1]]))
        found.append(f"{names[type(layer)]}{kernel} {shape}")

    for layer in network.modules():
        layer.register_forward_hook(note)
    network(*inputs)
    return found


def listed(text: str) -> list[str]:
    return [row.strip() for row in text.replace("\n", " ").split(",")]


def test_the_networks_are_the_appendix_s_tables_row_by_row() -> None:
    images = torch.zeros(1, 3, 64, 64)
    encoder, generator, critic = Encoder(TABLES, 64), Generator(TABLES, 64), Critic(TABLES, 64)
    assert encoder(images).shape == (1, 4096)
    assert rows(encoder, images) == listed(ENCODER)
    assert rows(generator, torch.zeros(1, 4096), torch.zeros(1, 4096)) == listed(GENERATOR)
    assert rows(critic, images) == listed(CRITIC)
    counts = [sum(p.numel() for p in network.parameters()) for network in (encoder, generator, critic)]
    assert counts == [9_871_632, 7_070_755, 1_286_049]


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize(("width", "code_side", "length"), [(0.125, 2, 512), (0.25, 4, 1024), (0.25, 0, 1024)])
@pytest.mark.parametrize("upsampling", ["deconvolution", "resize"])
def test_shapes_at_every_size_and_width(size: int, width: float, code_side: int, length: int, upsampling: str) -> None:
    config = NetworksConfig(**ROLES, width=width, code_side=code_side, upsampling=upsampling)
    model = DualGAN(config, size, DOMAINS)
    codes = model.encode(torch.zeros(4, 3, size, size), torch.arange(4))
    assert codes.content.shape == (4, length) and torch.equal(codes.content, codes.domain)
    assert model.decode(*codes).shape == (4, 3, size, size)
    assert Critic(config, size)(torch.zeros(4, 3, size, size)).shape == (4, 1)


def test_by_default_the_code_has_an_eighth_of_the_image_s_side() -> None:
    assert [NetworksConfig().code_shape(size) for size in (32, 64, 128)] == [(256, 4), (64, 8), (16, 16)]
    for side in (3, 32):
        with pytest.raises(ConfigError, match=f"code_side = {side} does not fit images of 64 pixels"):
            NetworksConfig(code_side=side).code_shape(64)


def test_a_number_of_the_code_stays_in_its_quarter_of_the_image() -> None:
    """The generator's reshape puts the upper left of the encoder's last row into the upper left."""
    last = torch.zeros(1, 1024, 2, 2)
    last[:, :, 0, 0] = 1
    code = nn.Sequential(nn.PixelShuffle(2), nn.Flatten())(last)
    first = torch.cat([code, torch.zeros(1, 4096)], dim=1).view(1, 512, 4, 4)
    assert first[:, :256, :2, :2].min() == 1 and first.sum() == 1024


def test_each_category_has_its_encoder() -> None:
    model = objective().model
    images, y = batch()
    z = model.encode(images, y).content
    for label, encoder in ((PHOTO_BAG, 0), (SKETCH_BAG, 0), (PHOTO_SHOE, 1), (SKETCH_SHOE, 1)):
        assert torch.allclose(z[y == label], model.encoders[encoder](images[y == label]), atol=1e-5)
    assert torch.allclose(model.encode(images).content, model.encoders[0](images), atol=1e-5)


def test_roles_of_the_paper_s_experiment() -> None:
    roles = roles_of(ROLES["inputs"], ROLES["outputs"], DOMAINS)
    assert roles == Roles((SKETCH_BAG, PHOTO_SHOE), (PHOTO_BAG, SKETCH_SHOE))
    assert [roles.category(label) for label in range(4)] == [0, 1, 0, 1]
    assert [roles.counterpart(label) for label in range(4)] == [SKETCH_BAG, SKETCH_SHOE, PHOTO_BAG, PHOTO_SHOE]
    assert [roles.partner(label) for label in range(4)] == [PHOTO_SHOE, PHOTO_BAG, SKETCH_SHOE, SKETCH_BAG]


@pytest.mark.parametrize(
    ("inputs", "outputs", "said", "hint"),
    [
        ((), (), "needs to know", "the domains are photo_bag"),
        (("sketch_bag",), ("photo_bag", "sketch_shoe"), "--inputs sketch_bag are 1 domains", "the domains are"),
        (("sketch_bag", "photo_sho"), ("photo_bag", "sketch_shoe"), "'photo_sho'", "did you mean 'photo_shoe'?"),
        (("sketch_bag", "photo_shoe"), ("photo_bag", "sketch_bag"), "a domain twice", "four"),
    ],
)
def test_roles_that_make_no_sense_are_refused(inputs, outputs, said: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        roles_of(inputs, outputs, DOMAINS)
    assert hint in caught.value.hint


class Recorder(nn.Module):
    """Stands in for the generator: remembers which codes met, by the domain in their first number."""

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[int, int]] = []
        self.shade = nn.Parameter(torch.zeros(()))

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        self.met += [(int(a[0]), int(b[0])) for a, b in zip(first, second, strict=True)]
        return self.shade + first[:, :1, None, None].expand(-1, 3, 32, 32)


class Labeller(nn.Module):
    """Stands in for an encoder: the code of an image is its brightness, which the tests set to its domain."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3))[:, None].expand(-1, 512)


def recorded(recipe: str, **changes) -> tuple[DualObjective, Batch]:
    trained = objective(recipe, **changes)
    trained.model.generator = Recorder()
    trained.model.encoders = nn.ModuleList([Labeller(), Labeller()])
    y = torch.arange(8) % 4
    return trained, Batch(y[:, None, None, None].expand(-1, 3, 32, 32).float(), y)


def test_the_paper_s_loss_has_the_two_orders_of_one_direction_and_no_more() -> None:
    trained, images = recorded("paper")
    terms = trained.generator_losses(images, context())
    assert terms.keys() == {"adversarial/photo_bag", "adversarial/sketch_shoe"}
    met = trained.model.generator.met
    assert met == [(SKETCH_BAG, PHOTO_SHOE)] * 2 + [(PHOTO_SHOE, SKETCH_BAG)] * 2
    assert trained.critic_losses(images, context_with(trained, images)).keys() == {
        "critic/photo_bag", "critic/sketch_shoe",
    }  # fmt: skip


def context_with(trained: DualObjective, images: Batch) -> Context:
    now = context()
    trained.generator_losses(images, now)
    return now


def test_both_directions_make_every_domain_from_its_counterpart_and_its_partner() -> None:
    trained, images = recorded("default", weights={"cycle": 0.0, "identity": 0.0})
    trained.generator_losses(images, context())
    wanted = [(SKETCH_BAG, PHOTO_SHOE), (PHOTO_SHOE, SKETCH_BAG), (PHOTO_BAG, SKETCH_SHOE), (SKETCH_SHOE, PHOTO_BAG)]
    assert trained.model.generator.met == [pair for pair in wanted for _ in range(2)]
    trained, images = recorded("default", weights={"cycle": 0.0}, pretraining_steps=9)
    trained.autoencoder_loss(images, context(0))
    mates = {label: trained.model.roles.partner(label) for label in range(4)}
    assert trained.model.generator.met == [(label, mates[label]) for label in range(4) for _ in range(2)]


def test_a_perfect_generator_pays_for_neither_cycle_nor_identity() -> None:
    """`Recorder` gives an image of the first code's brightness: content kept, so both come back as they were."""
    trained, images = recorded("default")
    errors = {}
    for shade in (0.0, 0.5):
        trained.model.generator.shade.data.fill_(shade)
        terms = trained.generator_losses(images, context())
        errors[shade] = [float(terms[name].detach()) for name in ("identity", "cycle")]
    assert errors[0.0] == pytest.approx([0, 0], abs=1e-5)
    assert errors[0.5] == pytest.approx([0.5, 1.0], abs=1e-5)  # there and back: the shade is added twice


def test_a_batch_that_is_no_multiple_of_four_is_trained_on() -> None:
    terms = objective().generator_losses(batch(11), context())
    assert all(torch.isfinite(term) for term in terms.values())


def turns_at(trained: DualObjective, step: int) -> list[Turn]:
    return [turn for turn in trained.turns() if turn.weights(step) and step % turn.every == 0]


def test_pretraining_ends_and_the_game_begins() -> None:
    trained = objective(pretraining_steps=32)
    assert [turn.name for turn in turns_at(trained, 31)] == ["autoencoder"]
    assert [turn.name for turn in turns_at(trained, 32)] == ["generator", "critics", "critics"]
    assert [turn.name for turn in turns_at(trained, 33)] == ["generator", "critics"]
    plain = objective("paper", pretraining_steps=5)
    assert plain.autoencoder_weights(0) == {"reconstruction": 1.0}
    assert plain.autoencoder_loss(batch(), context(0)).keys() == {"reconstruction"}


def test_frozen_encoders_move_in_pretraining_alone() -> None:
    trained = objective(freeze_encoders=True)
    (first, *_), (second, *_) = turns_at(trained, 0), turns_at(trained, 5000)
    assert first.trains == (trained.model,) and second.trains == (trained.model.generator,)


def test_the_critics_see_what_the_generator_left_without_its_gradient() -> None:
    trained = objective()
    loss = torch.stack(list(trained.critic_losses(batch(), context_with(trained, batch())).values())).sum()
    gradients = torch.autograd.grad(loss, list(trained.model.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def test_each_critic_judges_its_own_domain() -> None:
    trained = objective()
    now, images = context_with(trained, batch()), batch()
    for label, critic in zip(trained.tasks, trained.critics, strict=True):
        term = trained.critic_losses(images, now)[f"critic/{DOMAINS[label]}"]
        real, made = critic(images.images[images.y == label]), critic(now.left[f"made/{label}"])
        assert torch.allclose(term, trained.critic_loss(real, made), atol=1e-5)


def test_without_a_grid_a_flat_code_gives_a_flat_image() -> None:
    """Away from the border, what "resize" draws of a constant map is constant; stride-2 deconvolution leaves a grid."""
    unevenness = {}
    for kind in ("resize", "deconvolution"):
        torch.manual_seed(0)
        generator = Generator(NetworksConfig(**ROLES, width=0.125, upsampling=kind, normalise=False), 64).eval()
        code = torch.ones(1, 32, 4, 4).flatten(1)
        middle = generator(code, code).detach()[:, :, 28:36, 28:36]
        unevenness[kind] = float(middle.std((2, 3)).mean())
    assert unevenness["resize"] < 0.3 * unevenness["deconvolution"]


def test_settings_are_checked() -> None:
    wrong = (
        {"adversarial_loss": "wasserstein"}, {"r1_every": 0}, {"pretraining_steps": -1}, {"weights": {"r1": -1.0}},
        {"freeze_encoders": True, "pretraining_steps": 0}, {"critic_width": 0.0},
        {"critic_kernel": 2}, {"weights": {"adversarial": 0.0}}, {"weights": {"identity": 0.0, "reconstruction": 0.0}},
    )  # fmt: skip
    for changes in wrong:
        with pytest.raises(ConfigError):
            updated(ObjectiveConfig(), changes)
    for changes in ({"width": 9.0}, {"upsampling": "magic"}):
        with pytest.raises(ConfigError):
            updated(NetworksConfig(), changes)
    with pytest.raises(ConfigError, match="there is no way back"):
        objective("paper", weights={"cycle": 1.0})
    with pytest.raises(ConfigError, match="images of 48 pixels"):
        DualGAN(NetworksConfig(**ROLES), 48, DOMAINS)


def test_the_table_s_critic_is_blind_to_fine_stripes() -> None:
    """Its first row looks at pixels one by one, then pools: where they lie in a square of four is lost."""
    images = batch().images
    turned = images.unflatten(2, (16, 2)).unflatten(4, (16, 2)).flip(5).flatten(4).flatten(2, 3)
    assert not torch.equal(turned, images)
    torch.manual_seed(0)
    table, default = (Critic(NetworksConfig(**ROLES, width=0.125), 32, kernel) for kernel in (1, 3))
    assert torch.allclose(table(turned), table(images), atol=1e-4)
    assert not torch.allclose(default(turned), default(images), atol=1e-4)


def test_images_are_rebuilt_by_their_own_code_and_a_kept_one_of_their_expression() -> None:
    """As the identity term trains it: G(z, z) is never seen in training."""
    trained, images = recorded("default")
    model, y = trained.model, images.y
    for label in range(4):
        model.keep_codes(label, torch.full((3, 512), float(label)))
    model.generator.met.clear()
    model.rebuild(images.images, y)
    mates = {label: model.roles.partner(label) for label in range(4)}
    assert model.generator.met == [(label, mates[label]) for label in y.tolist()]
    codes = model.encode(images.images, y)
    assert torch.equal(
        model.rebuilding_codes(codes, y)[:, 0], torch.tensor([float(mates[label]) for label in y.tolist()])
    )


def test_only_the_identity_term_trains_rebuilding() -> None:
    assert ObjectiveConfig().rebuilds()
    paper = FAMILY.recipes["paper"]["objective"]
    assert not updated(ObjectiveConfig(), paper).rebuilds()
    assert not updated(ObjectiveConfig(), merged(paper, {"pretraining_steps": 100})).rebuilds(), (
        "then G(z, z) is trained"
    )
    assert updated(ObjectiveConfig(), merged(paper, {"weights": {"identity": 1.0}})).rebuilds()


def test_one_direction_makes_the_outputs_alone() -> None:
    model = objective("paper").model
    assert model.routes() == [(PHOTO_SHOE, SKETCH_SHOE), (SKETCH_BAG, PHOTO_BAG)]
    assert len(objective().model.routes()) == 4
    terms = objective("paper", weights={"identity": 1.0}).generator_losses(batch(), context())
    assert terms.keys() == {"adversarial/photo_bag", "adversarial/sketch_shoe", "identity"}


def test_other_domains_of_a_folder_are_left_alone() -> None:
    found = ("hat", *DOMAINS, "tie")
    assert FAMILY.choose_domains(NetworksConfig(**ROLES), found) == DOMAINS
