"""SRAE's training: who is moved by what (paper 3.3)."""

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_cli.errors import ConfigError
from i2i_cli.models.adversarial import hinge_critic
from i2i_cli.models.augmentation import moved, restyled, worn
from i2i_cli.models.backbone import Backbone
from i2i_cli.models.contrast import within_domain_contrast
from i2i_cli.models.family import Batch, Codes, Context, Objective, Turn
from i2i_cli.models.layers import moving_crop
from i2i_cli.models.srae.config import ObjectiveConfig
from i2i_cli.models.srae.critics import ContentCritic, DomainCritic, ImageCritic, RidgeCritic
from i2i_cli.models.srae.networks import SRAE, Gaussian
from i2i_cli.models.srae.structure import STAGES, structure_distance

if TYPE_CHECKING:
    from i2i_cli.models.perceptual import PerceptualLoss

_HIDING_TERMS = ("content_entropy", "content_ridge")
"""What drives the domain out of the content code."""

_REENCODED_TERMS = ("content_consistency", "domain_consistency", "image_cycle")
"""What is asked of the codes of a swapped image."""

_IMAGE_SWAP_TERMS = (*_REENCODED_TERMS, "adversarial", "structure")


class Swap(NamedTuple):
    """Which images of the whole batch lend their content (`a`) and their domain code (`b`).

    Args:
        codes: sampled content of a, mean domain code of b: what x_ab is decoded from.
        of_a: the mean codes of a.
    """

    a: Tensor
    b: Tensor
    codes: Codes
    of_a: Codes


class SRAEObjective(Objective):
    """Autoencoder and latent critics, with an optional critic of swapped images."""

    perceptual: "PerceptualLoss | None"

    def __init__(self, model: SRAE, config: ObjectiveConfig) -> None:
        super().__init__()
        self.model: SRAE = model
        self.config = config
        networks, width, m = model.encoder.config, config.critic_width, model.num_domains
        weights, channels, size = config.weights, networks.content_channels, networks.content_size
        self.content_critic = ContentCritic(channels, size, m, width) if weights.content_entropy else None
        self.ridge_critic = RidgeCritic(channels * size**2, m, config.ridge_codes) if weights.content_ridge else None
        self.domain_critic = DomainCritic(networks.domain_channels, m, width) if config.domain_critic else None
        has_perceptual = weights.perceptual > 0 and config.perceptual != "none"
        if not has_perceptual and not weights.pixel:
            raise ConfigError(
                "nothing rebuilds the image: no perceptual loss, and pixel has no weight",
                "give --perceptual random or imagenet, or --set objective.weights.pixel=2",
            )
        self.perceptual = None
        if has_perceptual:
            # Late: torchvision takes as long to import as torch, and only training needs it.
            from i2i_cli.models.perceptual import PerceptualLoss

            self.perceptual = PerceptualLoss(config.perceptual, config.perceptual_layers, config.perceptual_distance)
        self.image_critic = ImageCritic(m, width, self._shared_backbone()) if weights.adversarial else None

    def _shared_backbone(self) -> Backbone | None:
        """The perceptual loss's features, where they are those that the critic of images looks at."""
        network = self.perceptual.network if self.perceptual is not None else None
        return network if isinstance(network, Backbone) else None

    def before_step(self) -> None:
        """The ridge reads the codes of the steps before."""
        if self.ridge_critic is not None:
            self.ridge_critic.solve()

    def turns(self) -> list[Turn]:
        """The autoencoder first: it leaves its codes for the critics, so the encoder runs once a step."""
        latent_critics = [critic for critic in (self.content_critic, self.domain_critic) if critic is not None]
        turns = [
            Turn(
                name="autoencoder", trains=(self.model,), loss=self.autoencoder_loss, weights=self.autoencoder_weights
            ),
        ]
        if latent_critics:
            trains = tuple(latent_critics)
            turn = Turn(name="latent_critics", trains=trains, loss=self.latent_loss, weights=self.latent_weights)
            turns += [turn] * self.config.critic_steps
        if self.image_critic is not None:
            critic = (self.image_critic,)
            turns.append(Turn(name="image_critic", trains=critic, loss=self.image_loss, weights=self.image_weights))
        return turns

    # The autoencoder's turn: Theta_phi, Theta_c, Theta_d and the decoder.

    def autoencoder_weights(self, step: int) -> dict[str, float]:
        """Weights at `step` of the terms that are on."""
        names = ["perceptual", "pixel", *_HIDING_TERMS, "kl", "content_contrast", *_IMAGE_SWAP_TERMS]
        weights = {name: getattr(self.config.weights, name) for name in names}
        if self.config.hiding_ramp:
            for name in _HIDING_TERMS:
                weights[name] *= min(1.0, (step + 1) / self.config.hiding_ramp)
        if self.perceptual is None:
            weights["perceptual"] = 0.0
        if self.domain_critic is not None:
            weights["domain_stream"] = self.config.weights.domain_stream
        if step < self.config.swap_start:
            weights |= dict.fromkeys(_IMAGE_SWAP_TERMS, 0.0)
        return {name: weight for name, weight in weights.items() if weight}

    def autoencoder_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Named terms of the autoencoder at this step; leaves the codes for the critics' turns."""
        wanted, draws = self.autoencoder_weights(context.step), context.draws
        encoder = self.model.encoder
        features = encoder.features(batch.images)
        content, domain = encoder.content(features), encoder.domain(features)
        z = Codes(content.sample(draws), domain.sample(draws))
        # q_d learns from a draw of its own: of the same codes its term would be domain_stream again.
        context.left.update(content=z.content.detach(), domain=domain.sample(draws).detach())
        swaps = any(name in wanted for name in _IMAGE_SWAP_TERMS)
        swap = self._swap(content, domain, batch.y, context) if swaps else None
        given = [z] if swap is None else [z, swap.codes]
        x, *x_ab = self.model.decode(*map(torch.cat, zip(*given, strict=True))).split([len(c.domain) for c in given])
        terms = self._rebuilding_terms(x, batch, wanted, context)
        if not self.config.latent_terms_reach_trunk:
            # The paper moves Theta_c and Theta_d by the latent terms, and f_phi by L_r alone.
            features = features.detach()
            z = Codes(encoder.content(features).sample(draws), encoder.domain(features).sample(draws))
        terms |= self._latent_terms(z, batch, context)
        if "kl" in wanted:
            terms["kl"] = domain.kl() + content.kl()
        if "content_contrast" in wanted:
            terms["content_contrast"] = self._contrast(batch, context)
        if swap is not None:
            terms |= self._swap_terms(swap, x_ab[0], x, batch, wanted, context)
        return {name: terms[name] for name in wanted}

    def _rebuilding_terms(
        self, x: Tensor, batch: Batch, wanted: dict[str, float], context: Context
    ) -> dict[str, Tensor]:
        """Distances of the rebuilt images `x` to the images."""
        terms = {"pixel": (x - batch.images).abs().mean()}
        if "perceptual" in wanted and self.perceptual is not None:
            features = self.perceptual.features(self._seen(batch.images, context))
            if self.image_critic is not None and self._shared_backbone() is not None:
                context.leave("real", dict(enumerate(features)))
            terms["perceptual"] = self.perceptual(self._seen(x, context), features, context.peers)
        return terms

    def _latent_terms(self, z: Codes, batch: Batch, context: Context) -> dict[str, Tensor]:
        """What the latent critics make of the codes."""
        terms, peers = {}, context.peers
        if self.content_critic is not None:
            terms["content_entropy"] = self._negative_entropy(self.content_critic(z.content))
        if self.ridge_critic is not None:
            # Its size over the whole batch: what the ridge has not seen, it reads by chance on either side of 0.
            read = self.ridge_critic(z.content, batch.y)
            terms["content_ridge"] = read * peers.mean(read).sign()
            self.ridge_critic.remember(peers.gather(z.content.detach()), peers.gather(batch.y))
        if self.domain_critic is not None:
            terms["domain_stream"] = F.cross_entropy(self.domain_critic(z.domain), batch.y)
        return terms

    def _seen(self, images: Tensor, context: Context) -> Tensor:
        """What fixed features are taken of at this step."""
        return moving_crop(images, context.place, self.config.feature_crop)

    def _negative_entropy(self, logits: Tensor) -> Tensor:
        """L_c, to be minimised so that q_c's entropy grows ("maximize the entropy", 3.3).

        Differs from the paper: the printed 1/m is log m where `entropy_over_log_m` is set, so that
        -1 is full confusion whatever the number of domains.
        """
        log_q = F.log_softmax(logits.float(), dim=1)  # bf16 cannot tell 0.996 from 1
        m = logits.shape[1]
        scale = math.log(m) if self.config.entropy_over_log_m else m
        return (log_q.exp() * log_q).sum(1).mean() / scale

    def _contrast(self, batch: Batch, context: Context) -> Tensor:
        """InfoNCE between content means of an image as it is and in another style, moved a little.

        Only images of the same domain are told apart, so that the domain is of no use to the code. A
        code of two halves is asked of each: together they would soon tell all apart, and learn no more.
        """
        draws, encoder = context.draws, self.model.encoder
        plain = moved(batch.images, draws, shift=0.04, zoom=0.1, rotate=4)
        styled = restyled(moved(batch.images, draws, shift=0.06, zoom=0.25, rotate=8), draws)
        views = torch.cat([plain, styled]).contiguous(memory_format=torch.channels_last)
        parts = encoder.content_of(views).mean.chunk(encoder.config.content_parts, dim=1)
        y, losses = context.peers.gather(batch.y), []
        for part in parts:
            first, second = map(context.peers.gather, F.normalize(part.flatten(1), dim=1).chunk(2))
            losses.append(within_domain_contrast(first, second, y, self.config.contrast_temperature))
        return torch.stack(losses).mean()

    def _swap(self, content: Gaussian, domain: Gaussian, y: Tensor, context: Context) -> Swap:
        """Draw which images of the batch are swapped with which."""
        peers, draws, y = context.peers, context.draws, context.peers.gather(y)
        count = max(1, round(len(content.mean) * self.config.swap_share)) * peers.count
        a, b = draws.permutation(len(y))[:count], draws.permutation(len(y))[:count]
        if self.config.swap_across:
            b = draws.choices(y[a][:, None] != y)
        a, b = peers.own(a), peers.own(b)
        z_a, d = peers.gather(content.sample(draws))[a], peers.gather(domain.mean.detach())
        return Swap(a, b, Codes(z_a, d[b]), Codes(peers.gather(content.mean.detach())[a], d[a]))

    def _swap_terms(
        self, swap: Swap, x_ab: Tensor, x: Tensor, batch: Batch, wanted: dict[str, float], context: Context
    ) -> dict[str, Tensor]:
        """Terms on x_ab: the content of a with the domain code of another image of the batch."""
        peers, a = context.peers, swap.a
        terms = self._reencoded_terms(swap, x_ab, batch, wanted, context)
        if self.image_critic is not None:
            y = peers.gather(batch.y)
            # Some reconstructions too: else what is sharp is a sign of a swap, and exaggerated there.
            again = a[: max(1, len(a) // 2)]
            made, y_made = torch.cat([x_ab, peers.gather(x)[again]]), torch.cat([y[swap.b], y[again]])
            seen = self.image_critic.see(self._seen(made, context))
            context.leave("made", {place: maps.detach() for place, maps in enumerate(seen)})
            context.left["y_made"] = y_made
            terms["adversarial"] = self.image_critic.shortfall(seen, y_made)
            if "structure" in wanted:
                features = context.left_as("real")
                real = features or dict(enumerate(self.image_critic.see(self._seen(batch.images, context))))
                wanted_maps = [peers.gather(real[stage])[a] for stage in STAGES]
                terms["structure"] = structure_distance([seen[stage][: len(a)] for stage in STAGES], wanted_maps)
        return terms

    def _reencoded_terms(
        self, swap: Swap, x_ab: Tensor, batch: Batch, wanted: dict[str, float], context: Context
    ) -> dict[str, Tensor]:
        """What the codes of x_ab still say of a and b.

        With image_cycle the codes are those of a worn x_ab, by the averaged encoder: it learns from no
        gradient of these terms, so the two cannot agree on traces that nobody sees.
        """
        peers, draws = context.peers, context.draws
        terms: dict[str, Tensor] = {}
        if "image_cycle" in wanted:
            averaged = context.averaged if isinstance(context.averaged, SRAE) else self.model
            features = averaged.encoder.features(worn(x_ab, draws))
            content = averaged.encoder.content(features)
            c_ab, d_ab = content.mean, averaged.encoder.domain(features).mean
            x_aba = self.model.decode(content.sample(draws), swap.of_a.domain)
            terms["image_cycle"] = (x_aba - peers.gather(batch.images)[swap.a]).abs().mean()
        elif any(name in wanted for name in _REENCODED_TERMS):
            c_ab, d_ab = self.model.encode(x_ab)
        else:
            return {}
        terms["content_consistency"] = (c_ab - swap.of_a.content).abs().mean()
        terms["domain_consistency"] = (d_ab - swap.codes.domain).abs().mean()
        return {name: term for name, term in terms.items() if name in wanted}

    # The critics' turns.

    def latent_weights(self, step: int) -> dict[str, float]:
        """Weights of the latent critics' terms; the same at every step."""
        critics = {"content_critic": self.content_critic, "domain_critic": self.domain_critic}
        return {name: getattr(self.config.weights, name) for name, critic in critics.items() if critic is not None}

    def latent_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """L_q: the critics' cross-entropies on the sampled codes (3.3; both lack their minus in print)."""
        terms = {}
        if self.content_critic is not None:
            terms["content_critic"] = F.cross_entropy(self.content_critic(context.left["content"]), batch.y)
        if self.domain_critic is not None:
            terms["domain_critic"] = F.cross_entropy(self.domain_critic(context.left["domain"]), batch.y)
        return terms

    def image_weights(self, step: int) -> dict[str, float]:
        """Weights of the image critic's terms, which enter at `swap_start`."""
        if step < self.config.swap_start:
            return {}
        weights = {name: getattr(self.config.weights, name) for name in ("image_critic", "image_mismatch")}
        return {name: weight for name, weight in weights.items() if weight}

    def image_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Hinge losses of the image critic: real images against what was made of them at this step, and real
        images against themselves as members of other domains."""
        critic = self.image_critic
        assert critic is not None
        images = self._seen(batch.images, context)
        features, made = (list(context.left_as(name).values()) for name in ("real", "made"))
        # Real and made images in one pass; the features are those of the autoencoder's turn.
        seen = zip([*features, images] if features else critic.see(images), made, strict=True)
        sizes = [len(batch.y), len(context.left["y_made"])]
        scores = critic.scores([torch.cat(pair) for pair in seen])
        of_real, of_made = zip(*(logits.split(sizes) for logits in scores), strict=True)
        real, fake = critic.as_members(of_real, batch.y), critic.as_members(of_made, context.left["y_made"])
        critic.remember(real, batch.y, context.peers)
        terms = {"image_critic": torch.stack([hinge_critic(r, f) for r, f in zip(real, fake, strict=True)]).mean()}
        if self.config.weights.image_mismatch:
            m = self.model.num_domains
            others = (batch.y + context.draws.integers(1, m, batch.y.shape)) % m
            strangers = critic.as_members(of_real, others)
            terms["image_mismatch"] = torch.stack([F.relu(1 + logits).mean() for logits in strangers]).mean()
        return terms
