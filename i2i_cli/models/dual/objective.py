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
            x = torch.cat(self._decoded(self._rebuilding({label: codes[label] for label in images})))
            return {"identity": _error(x, torch.cat(list(images.values())))}
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
        """Named terms of encoders and generator at this step; leaves real images and translations for the critics."""
        wanted = self.generator_weights(context.step)
        images = self._images(batch)
        codes = self._codes(images if "identity" in wanted else {label: images[label] for label in self.sources})
        pairs = self._translating(codes, self.tasks)
        again = self._rebuilding({label: codes[label] for label in images}) if "identity" in wanted else []
        x = self._decoded([*pairs, *again])  # in one pass
        made = dict(zip(self.tasks, x, strict=False))
        context.leave("made", {label: x.detach() for label, x in made.items()})
        context.leave("real", {label: images[label] for label in self.tasks})
        terms = {
            self._term("adversarial", label): self.generator_loss(critic(self._seen(made[label], context)))
            for label, critic in self._opponents()
        }
        if "cycle" in wanted:
            back = self._decoded(self._translating(self._codes(made), self.sources))
            terms["cycle"] = _error(torch.cat(back), torch.cat([images[label] for label in self.sources]))
        if "identity" in wanted:
            terms["identity"] = _error(torch.cat(x[len(pairs) :]), torch.cat(list(images.values())))
        return {name: terms[name] for name in wanted}

    def _rebuilding(self, codes: ByDomain) -> list[tuple[Tensor, Tensor]]:
        """(z, z') that rebuild the image of z, where z' is of the other category in the same expression."""
        return [(code, codes[self.model.roles.partner(label)]) for label, code in codes.items()]

    def _translating(self, codes: ByDomain, targets: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Codes of images of `targets`: {z_1, z_2} and, reversed, {z_2, z_1} (Algorithm 1, lines 3 and 4)."""
        roles = self.model.roles
        return [(codes[roles.counterpart(label)], codes[roles.partner(label)]) for label in targets]

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
        """The batch by domain, as many of each: they meet at random, whatever shows the same thing.

        Of B images each domain has B // m or more (see `data/sampling.py`), and so many of each are taken:
        to count them would be to wait for the device.
        """
        m = self.model.num_domains
        count = len(batch.y) // m
        order = batch.y.argsort(stable=True)
        belongs = batch.y[:, None] == torch.arange(m, device=batch.y.device)
        counts = belongs.sum(0)
        first = counts.cumsum(0) - counts
        rows = order[first[:, None] + torch.arange(count, device=batch.y.device)]
        images = batch.images[rows.flatten()].contiguous(memory_format=torch.channels_last)
        return dict(enumerate(images.split(count)))

    # Lines 3 to 5: the critics.

    def critic_losses(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """Each critic's loss between real images of its domain and this step's translations, seen in one pass."""
        terms, images, translations = {}, context.left_as("real"), context.left_as("made")
        for label, critic in self._opponents():
            both = torch.cat([images[label], translations[label]])
            real, made = critic(self._seen(both, context)).chunk(2)
            terms[self._term("critic", label)] = self.critic_loss(real, made)
        return terms

    def r1_loss(self, batch: Batch, context: Context) -> dict[str, Tensor]:
        """R1, mean over the critics, in a turn of its own: its double gradient is expensive."""
        penalties, images = [], context.left_as("real")
        for label, critic in self._opponents():
            seen = self._seen(images[label], context).detach().requires_grad_()
            penalties.append(r1_penalty(critic(seen), seen))
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
