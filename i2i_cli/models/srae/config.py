"""What can be set of SRAE's training: the weight of every term, and how the terms are made."""

from dataclasses import asdict, dataclass, field

from i2i_cli.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weight of every term, under the name that the journal and the plots use.

    The paper's terms: perceptual L_r; content_entropy L_c; domain_stream L_d; content_critic L_q^c;
    domain_critic L_q^d.

    Differs from the paper: it has no pixel (L1: holds colours, and rebuilds alone where no ImageNet
    features are at hand), content_ridge (drives the domain out of the content code, see
    `RidgeCritic`: by default in the place of L_c and q_c), kl (keeps the learned sigmas from
    vanishing), content_consistency (c of a swapped image = c of its source: its future work),
    domain_consistency (likewise d), content_contrast (c tells an image in any style from all others
    of its domain: for neighbours), adversarial and image_critic (realness of swapped images),
    image_mismatch (real images are no members of other domains: for domains that are easily taken
    for one another), structure (a translation keeps how the places of its input resemble one another),
    image_cycle (its content and the input's own domain code give the input again).
    """

    perceptual: float = 1.0
    pixel: float = 2.0
    content_entropy: float = 0.0
    content_ridge: float = 1.0
    domain_stream: float = 0.1
    kl: float = 1e-4
    content_consistency: float = 0.0
    domain_consistency: float = 0.0
    content_contrast: float = 0.0
    adversarial: float = 0.0
    content_critic: float = 1.0
    domain_critic: float = 1.0
    image_critic: float = 1.0
    image_mismatch: float = 0.0
    structure: float = 0.0
    image_cycle: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """How SRAE is trained.

    Args:
        domain_critic: figure 1b: a second critic q_d, and the domain stream's cross-entropy.
        hiding_ramp: steps over which content_entropy and content_ridge grow to their weights.
            Differs from the paper: at full weight they would drown the first reconstructions.
        entropy_over_log_m: divide the entropy by log m (so 1 is full confusion), not by m.
        latent_terms_reach_trunk: let the entropy and the domain cross-entropy move f_phi too.
            Differs from the paper: with f_phi detached, q_c stays sure of the domain far longer.
        ridge_codes: content codes of the last steps that `RidgeCritic` reads by.
        critic_steps: turns of the latent critics for one of the autoencoder.
        swap_start: step at which the terms on swapped images, and their critic, enter.
        swap_share: share of a batch that is swapped for them: a swap costs as much as an autoencoder's step.
        swap_across: swap with images of other domains alone, not with any image of the batch.
        critic_width: channels of the critics.
        contrast_temperature: of the cosines in `content_contrast`.
        perceptual: "auto", "imagenet", "random", "none" or a file of VGG-16 weights.
        perceptual_layers, perceptual_distance: see `PerceptualLoss`.
        feature_crop: side of the crop, moving from step to step, that the perceptual loss and the
            critic of images look at, as a share of the image's; their cost falls with its square, and
            a crop that moves meets the grid of the features' strides at every place.
            Differs from the paper: twice the images a second on a CPU.
    """

    domain_critic: bool = True
    hiding_ramp: int = 1000
    entropy_over_log_m: bool = True
    latent_terms_reach_trunk: bool = True
    ridge_codes: int = 512
    critic_steps: int = 1
    swap_start: int = 0
    swap_share: float = 0.5
    swap_across: bool = False
    critic_width: int = 64
    contrast_temperature: float = 0.1
    perceptual: str = "auto"
    perceptual_layers: tuple[str, ...] = ("relu1_2", "relu2_2")
    perceptual_distance: str = "relative"
    feature_crop: float = 0.5
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        if self.perceptual_distance not in ("squared", "relative"):
            raise ConfigError(
                f"objective.perceptual_distance = {self.perceptual_distance!r} is not known", "use squared or relative"
            )
        if not 0 < self.feature_crop <= 1:
            raise ConfigError(
                f"objective.feature_crop = {self.feature_crop:g} is out of range", "use a share above 0, up to 1"
            )
        if not 0 < self.swap_share <= 1:
            raise ConfigError(
                f"objective.swap_share = {self.swap_share:g} is out of range", "use a share above 0, up to 1"
            )
        if min(self.critic_steps, self.critic_width, self.ridge_codes) < 1:
            raise ConfigError("objective.critic_steps, critic_width or ridge_codes is below 1")
        if self.contrast_temperature <= 0:
            raise ConfigError(f"objective.contrast_temperature = {self.contrast_temperature:g} is not above 0")
        if min(asdict(self.weights).values()) < 0:
            raise ConfigError("objective.weights cannot be negative")
        if self.weights.structure and not self.weights.adversarial:
            raise ConfigError(
                "objective.weights.structure needs the features of the critic of images",
                "set objective.weights.adversarial above 0 too, or use --recipe sharp",
            )
