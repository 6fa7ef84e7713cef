"""Split-representation autoencoder (arXiv 2006.11404).

| paper | here |
|---|---|
| f_phi, f_c, f_d (3.2, figure 2a) | `Encoder.trunk`, `.content_stream`, `.domain_stream` |
| mu, sigma and the sampling of Z_c, Z_d (3.2) | `Gaussian`, `Encoder.content`, `Encoder.domain` |
| Z_d upscaled to a x b, g(Z_d, Z_c) (3.2, figure 2b) | `Decoder` |
| q_c, q_d (figure 1), called critics here | `ContentCritic`, `DomainCritic` |
| L_r (3.3, figure 3) | term `perceptual`, `models/perceptual.py` |
| L_q^c, L_q^d (3.3) | terms `content_critic`, `domain_critic` |
| L_c, entropy of q_c(Z_c) (3.3) | term `content_entropy` |
| L_d, cross-entropy of q_d(Z_d) (3.3) | term `domain_stream` |
| G(X_1) = g(Z_c^1, Z_d^2) (4.1) | `decode(encode(a).content, encode(b).domain)` |
"""

from i2i_cli.models.family import Family
from i2i_cli.models.srae.config import ObjectiveConfig
from i2i_cli.models.srae.networks import SRAE, NetworksConfig
from i2i_cli.models.srae.objective import SRAEObjective

_BY_CRITIC = {"content_entropy": 0.3, "content_ridge": 0.0}
"""The domain hidden from q_c alone, as the figures of the recipes below were measured."""

FAMILY = Family(
    name="srae",
    networks=NetworksConfig(),
    objective=ObjectiveConfig(),
    recipes={
        "default": {},
        "paper": {
            "networks": {"standardise_content": False, "modulate": False, "content_noise": 0.0},
            "objective": {
                "domain_critic": False,
                "hiding_ramp": 0,
                "entropy_over_log_m": False,
                "latent_terms_reach_trunk": False,
                "perceptual_distance": "squared",
                "feature_crop": 1.0,
                "weights": {
                    "perceptual": 1.0,
                    "pixel": 0.0,
                    "content_entropy": 1.0,
                    "content_ridge": 0.0,
                    "domain_stream": 1.0,
                    "kl": 0.0,
                },
            },
            "training": {"ema": 0.0},
        },
        # Sharper outputs, by a perceptual loss and a critic of images; at 0.39 of the images a second.
        "sharp": {
            "training": {"steps": 2600, "cooldown": 0.5},
            "objective": {
                "perceptual": "bundled",
                "feature_crop": 0.9,
                "swap_start": 800,
                "weights": {
                    "perceptual": 0.2,
                    "domain_stream": 0.3,
                    "content_consistency": 0.3,
                    "domain_consistency": 0.3,
                    "adversarial": 0.2,
                },
            },
        },
        # Content codes that know an image again in another style: for `i2i neighbours`.
        "neighbours": {
            "networks": {
                "content_trunk": "backbone",
                "standardise_content": False,
                "content_noise": 0.3,
                "content_size": 4,
                "content_channels": 128,
            },
            "objective": {"weights": {"content_contrast": 1.0, **_BY_CRITIC}},
            "training": {"batch_size": 128},
        },
        # Domain codes that know a class again in images of another origin: for `i2i classify`.
        "classification": {
            "data": {"shift": 0.08, "zoom": 0.2, "rotate": 8.0, "tone": 0.5, "sharpness": 1.0},
            "networks": {"standardise_input": True, "domain_trunk": "backbone"},
            "objective": {"weights": {"domain_stream": 0.3, **_BY_CRITIC}},
        },
    },
    build_model=SRAE,
    build_objective=SRAEObjective,  # type: ignore[arg-type]  # built for the model it gets
)
