"""Dual disentangled GAN: two categories in two expressions, each translated with a code of the other.

| paper | here |
|---|---|
| E_1, E_2 (3.1, figure 2, table 1) | `Encoder`, `DualGAN.encoders` |
| G of the concatenated codes (3.1, figure 2, table 3) | `Generator`, `DualGAN.decode` |
| D_1, D_2 (3.1, figure 2, table 2), called critics here | `Critic` |
| what the first and the second code settle (3.2, figure 3) | `Roles` |
| Algorithm 1, line 1: pre-training | turn `autoencoder`, term `reconstruction` |
| Algorithm 1, lines 3 and 4: GAN loss of {z_1, z_2} and {z_2, z_1} | terms `adversarial/D`, `critic/D` |
| Algorithm 1, line 5: encoders trained or not | `objective.freeze_encoders` |
| the two directions of the experiment (4) | `networks.both_directions` |
| "the random seed" of an input: the other code (4) | the kept codes of `code_lender` |
"""

from collections.abc import Sequence

from i2i_cli.models.dual.config import ObjectiveConfig
from i2i_cli.models.dual.networks import DualGAN, NetworksConfig
from i2i_cli.models.dual.objective import DualObjective
from i2i_cli.models.dual.roles import roles_of
from i2i_cli.models.family import Family


def _choose_domains(networks: NetworksConfig, found: Sequence[str]) -> tuple[str, ...]:
    """The four domains that play a part."""
    roles = roles_of(networks.inputs, networks.outputs, found)
    return tuple(found[label] for label in sorted((*roles.inputs, *roles.outputs)))


FAMILY = Family(
    name="dual",
    networks=NetworksConfig(),
    objective=ObjectiveConfig(),
    recipes={
        "default": {"training": {"learning_rate": 1e-3, "batch_size": 16}},
        "paper": {
            "networks": {
                "both_directions": False,
                "code_side": 2,
                "upsampling": "deconvolution",
                "normalise": False,
            },
            "objective": {
                "pretraining_steps": 0,
                "critic_width": 1.0,
                "critic_kernel": 1,
                "weights": {"identity": 0.0, "cycle": 0.0, "r1": 0.0},
            },
            "training": {"learning_rate": 2e-4, "ema": 0.0},
        },
    },
    build_model=DualGAN,
    build_objective=DualObjective,  # type: ignore[arg-type]  # built for the model it gets
    sample_set="factors",
    sample_settings={
        "networks": {
            "inputs": ("outline_letter", "filled_digit"),
            "outputs": ("filled_letter", "outline_digit"),
        }
    },
    needs_every_domain=True,
    choose_domains=_choose_domains,
    rebuilds=ObjectiveConfig.rebuilds,
)
