"""The dual GAN's training: Algorithm 1 of the paper, and what closes its cycle."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from i2i_cli.errors import ConfigError
from i2i_cli.models.adversarial import OBJECTIVES, r1_penalty
from i2i_cli.models.augmentation import critic_augmented
from i2i_cli.models.dual.config import ObjectiveConfig
from i2i_cli.models.dual.critics import Critic
from i2i_cli.models.dual.networks import DualGAN
from i2i_cli.models.family import Batch, Context, Objective, Turn

ByDomain = dict[int, Tensor]
"""Tensors of one size each, by the label of their domain."""


class DualObjective(Objective):
    """Two encoders and a generator against a critic for each domain that comes out.

    A task is a domain that comes out: the outputs, and with both directions the inputs too.
    """

    def __init__(self, model: DualGAN, config: ObjectiveConfig) -> None:
        super().__init__()
        self.model: DualGAN = model
        self.config = config
        roles = model.roles
        both = model.config.both_directions
        if config.weights.cycle and not both:
            raise ConfigError(
                "there is no way back: objective.weights.cycle takes both directions",
                "set it to 0, or networks.both_directions to true",
            )
        self.tasks = (*roles.outputs, *roles.inputs) if both else roles.outputs
        self.sources = tuple(roles.counterpart(label) for label in self.tasks)
        wide = replace(model.config, width=config.critic_width)
        self.critics = nn.ModuleList(Critic(wide, model.image_size, config.critic_kernel) for _ in self.tasks)
        self.critic_loss, self.generator_loss = OBJECTIVES[config.adversarial_loss]

    def turns(self) -> list[Turn]:
        """Pre-training, then generator and critics: the generator leaves its images for the critics."""
        moved = (self.model.generator,) if self.config.freeze_encoders else (self.model,)
        critics = (self.critics,)
        return [
            Turn(
                name="autoencoder", trains=(self.model,), loss=self.autoencoder_loss, weights=self.autoencoder_weights
            ),
            Turn(name="generator", trains=moved, loss=self.generator_losses, weights=self.generator_weights),
            Turn(name="critics", trains=critics, loss=self.critic_losses, weights=self._late("critic", per_task=True)),
            Turn(
                name="critics", trains=critics, loss=self.r1_loss, weights=self._late("r1"), every=self.config.r1_every
            ),
        ]

    # Line 1 of Algorithm 1.

    def autoencoder_weights(self, step: int) -> dict[str, float]:
        """The one term of pre-training, until it ends."""
        weights = self.config.weights
        if step >= self.config.pretraining_steps:
            return {}
        return {"identity": weights.identity} if weights.identity else {"reconstruction": weights.reconstruction}

    def autoencoder_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Mean absolute error of rebuilt images.

        From an image's code twice: the paper names no decoder, and G(z, z) needs none. Where `identity`
        has a weight, from its code and one of its expression: the places then mean the same from the start.
        """
        images = self._images(batch)
        codes = self._codes(images)
        if "identity" in self.autoencoder_weights(context.step):
            return {"identity": self._identity(images, codes)}
        z = torch.cat([codes[label] for label in images])
        return {"reconstruction": _error(self.model.decode(z, z), torch.cat(list(images.values())))}

    # Lines 3 to 5: encoders and generator.

    def generator_weights(self, step: int) -> dict[str, float]:
        """Weights of the terms that are on once pre-training is over."""
        return {
            **self._late("adversarial", per_task=True)(step),
            **self._late("cycle")(step),
            **self._late("identity")(step),
        }

    def generator_losses(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Named terms of encoders and generator at this step; leaves the translations for the critics."""
        wanted = self.generator_weights(context.step)
        images = self._images(batch)
        codes = self._codes(images if "identity" in wanted else {label: images[label] for label in self.sources})
        made = self._translations(codes, self.tasks)
        context.left.update({f"made/{label}": x.detach() for label, x in made.items()})
        terms = {
            self._term("adversarial", label): self.generator_loss(critic(self._seen(made[label], context)))
            for label, critic in self._opponents()
        }
        if "cycle" in wanted:
            back = self._translations(self._codes(made), self.sources)
            errors = [_error(back[label], images[label]) for label in self.sources]
            terms["cycle"] = torch.stack(errors).mean()
        if "identity" in wanted:
            terms["identity"] = self._identity(images, codes)
        return {name: terms[name] for name in wanted}

    def _identity(self, images: ByDomain, codes: ByDomain) -> Tensor:
        """Error of G(z, z') against the image of z, where z' is of the other category in the same expression."""
        roles = self.model.roles
        again = self._decoded([(codes[label], codes[roles.partner(label)]) for label in images])
        return _error(torch.cat(again), torch.cat(list(images.values())))

    def _translations(self, codes: ByDomain, targets: Sequence[int]) -> ByDomain:
        """G's images of the domains `targets`: {z_1, z_2} and, reversed, {z_2, z_1} (Algorithm 1, lines 3 and 4)."""
        roles = self.model.roles
        pairs = [(codes[roles.counterpart(label)], codes[roles.partner(label)]) for label in targets]
        return dict(zip(targets, self._decoded(pairs), strict=True))

    def _decoded(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
        """G of every (first, second), in one pass."""
        first, second = (torch.cat(codes) for codes in zip(*pairs, strict=True))
        return self.model.decode(first, second).chunk(len(pairs))

    def _codes(self, images: ByDomain) -> ByDomain:
        """z of images, by the encoder of their category, in one pass each."""
        codes: ByDomain = {}
        for category, encoder in enumerate(self.model.encoders):
            labels = [label for label in images if self.model.roles.category(label) == category]
            joined = torch.cat([images[label] for label in labels]).contiguous(memory_format=torch.channels_last)
            codes |= dict(zip(labels, encoder(joined).chunk(len(labels)), strict=True))
        return codes

    def _images(self, batch: Batch) -> ByDomain:
        """The batch by domain, as many of each: they meet at random, whatever shows the same thing."""
        own = {label: batch.images[batch.y == label] for label in range(self.model.num_domains)}
        count = min(len(images) for images in own.values())
        return {label: images[:count] for label, images in own.items()}

    # Lines 3 to 5: the critics.

    def critic_losses(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Each critic's loss between real images of its domain and this step's translations."""
        terms = {}
        for label, critic in self._opponents():
            real = critic(self._seen(batch.images[batch.y == label], context))
            made = critic(self._seen(context.left[f"made/{label}"], context))
            terms[self._term("critic", label)] = self.critic_loss(real, made)
        return terms

    def r1_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """R1, mean over the critics, in a turn of its own: its double gradient is dear."""
        penalties = []
        for label, critic in self._opponents():
            images = self._seen(batch.images[batch.y == label], context).detach().requires_grad_()
            penalties.append(r1_penalty(critic(images), images))
        return {"r1": torch.stack(penalties).mean()}

    def _opponents(self) -> Iterator[tuple[int, nn.Module]]:
        return zip(self.tasks, self.critics, strict=True)

    def _seen(self, images: Tensor, context: Context) -> Tensor:
        """What a critic is shown of `images`."""
        return critic_augmented(images, context.draws) if self.config.augmentation else images

    def _term(self, name: str, label: int) -> str:
        return f"{name}/{self.model.domains[label]}"

    def _late(self, name: str, per_task: bool = False) -> Callable[[int], dict[str, float]]:
        """The weight of a term that enters after pre-training; `per_task`: shared by a term for every task."""
        weight, start = getattr(self.config.weights, name), self.config.pretraining_steps
        tasks = [self._term(name, label) for label in self.tasks] if per_task else [name]
        weights = dict.fromkeys(tasks, weight / len(tasks))
        return lambda step: weights if weight and step >= start else {}


def _error(images: Tensor, wanted: Tensor) -> Tensor:
    return (images - wanted).abs().mean()
