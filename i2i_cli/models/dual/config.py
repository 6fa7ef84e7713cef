"""What can be set of the dual GAN's training: the weight of every term, and how the terms are made."""

from dataclasses import asdict, dataclass, field

from i2i_cli.errors import ConfigError
from i2i_cli.models.adversarial import OBJECTIVES


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weight of every term. The journal's `adversarial/D` and `critic/D` are those of the domain D that comes out.

    The paper's terms: reconstruction (of pre-training, Algorithm 1 line 1); adversarial and critic (the GAN
    loss of lines 3 and 4, equation 4, for generator and critics).

    Differs from the paper: it has no cycle (an image translated there and back is itself again: its two
    directions are each other's inverse), identity (an image is itself again from its own code and that of
    another of its expression: what figure 3 says of the two places), r1 (steadies the critics).
    """

    reconstruction: float = 1.0
    identity: float = 10.0
    adversarial: float = 1.0
    cycle: float = 5.0
    critic: float = 1.0
    r1: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How the dual GAN is trained.

    Args:
        adversarial_loss: "non_saturating" (the paper's equation 4) or "hinge".
        pretraining_steps: steps in which encoders and generator only rebuild images.
        freeze_encoders: leave the encoders as pre-training made them.
        critic_width: factor on the critics' channels of the paper's table 2.
            Differs from the paper: the critics keep a width of their own; a narrow critic sees no lines.
        critic_kernel: side of the critics' first kernel, before anything is pooled; 1 is the table's.
            Differs from the paper: a critic that pools pixels taken one by one is blind to fine stripes.
        r1_every: critics' steps between two turns of R1.
        augmentation: change what the critics see, so that few images last longer (DiffAugment).
    """

    adversarial_loss: str = "non_saturating"
    pretraining_steps: int = 800
    freeze_encoders: bool = False
    critic_width: float = 0.5
    critic_kernel: int = 3
    r1_every: int = 16
    augmentation: bool = False
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        if self.adversarial_loss not in OBJECTIVES:
            raise ConfigError(
                f"objective.adversarial_loss = {self.adversarial_loss!r} is not known", f"use {' or '.join(OBJECTIVES)}"
            )
        if not 1 / 16 <= self.critic_width <= 4:
            raise ConfigError(
                f"objective.critic_width = {self.critic_width:g} is out of range", "use a factor from 0.0625 to 4"
            )
        if self.critic_kernel not in (1, 3, 5):
            raise ConfigError(f"objective.critic_kernel = {self.critic_kernel} is not possible", "use 1, 3 or 5")
        if self.pretraining_steps < 0 or self.r1_every < 1:
            raise ConfigError("objective.pretraining_steps is below 0, or objective.r1_every below 1")
        if self.freeze_encoders and not self.pretraining_steps:
            raise ConfigError("objective.freeze_encoders needs pre-training", "set objective.pretraining_steps")
        if min(asdict(self.weights).values()) < 0:
            raise ConfigError("objective.weights cannot be negative")
        if not (self.weights.adversarial and self.weights.critic):
            raise ConfigError("objective.weights.adversarial or critic is 0", "set both above 0; a GAN needs them")
        if self.pretraining_steps and not (self.weights.identity or self.weights.reconstruction):
            raise ConfigError(
                "pre-training has no loss term", "give objective.weights.reconstruction or identity a weight"
            )

    def rebuilds(self) -> bool:
        """Whether an image is itself again from its own code and that of another of its expression."""
        return bool(self.weights.identity)
