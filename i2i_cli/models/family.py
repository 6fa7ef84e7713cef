"""The contract between a method and everything that trains or uses it.

Legend of shape letters, used in every docstring below `models/`:
    B images in a batch, H = W the image side, m domains,
    a = b side of the content code, k content channels, j domain channels.
Images are float tensors (B, 3, H, W) in [-1, 1], RGB. Labels `y` are int64 (B,) in [0, m).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from i2i_cli.models.layers import Place
from i2i_cli.models.peers import ALONE, Draws, Peers

NUM_KEPT_CODES = 64
"""Domain codes of training images that a checkpoint keeps for every domain."""


class Codes(NamedTuple):
    """What an image is, split in two: `content` to keep and `domain` to exchange."""

    content: Tensor
    domain: Tensor


class Batch(NamedTuple):
    """`images` (B, 3, H, W) in [-1, 1] with their domain labels `y` (B,)."""

    images: Tensor
    y: Tensor


@dataclass(kw_only=True)
class Context:
    """What one step knows besides its batch.

    Args:
        step: the absolute step, from 0; schedules are functions of it alone.
        draws: the only source of randomness, seeded from the run's seed and `step`.
        peers: the processes that share the batch.
        place: where this step's crop lies, see `moving_crop`; in a tensor on CUDA.
        averaged: the model with the averaged weights, which takes no gradients.
        left: what an earlier turn of the same step left for a later one (detached rows of the batch).
    """

    step: int
    draws: Draws
    peers: Peers = ALONE
    place: Place = (0.0, 0.0)
    averaged: "TranslationModel | None" = None
    left: dict[str, Tensor] = field(default_factory=dict)

    def leave(self, name: str, tensors: Mapping[int, Tensor]) -> None:
        """Leave several tensors under one name."""
        self.left.update({f"{name}/{key}": tensor for key, tensor in tensors.items()})

    def left_as(self, name: str) -> dict[int, Tensor]:
        """Those that were left under `name`, in order; none where nothing was."""
        found = ((key.partition("/"), tensor) for key, tensor in self.left.items())
        return {int(key): tensor for (owner, _, key), tensor in found if owner == name and key}


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One player's move: the loop lets gradients into `trains` only, and steps their optimiser.

    `loss` returns the named raw terms that have a weight at this step, and `weights` those weights:
    the same keys. Steps are recorded and replayed where they can be (`engine/recorded.py`), and Python does not run
    in a replay. So a loss reads no tensor on the host, copies nothing from it, makes no tensor whose size depends on
    values, draws from `context.draws` alone, and uses `context.step` and Python's own state for nothing but which
    terms are on: what grows or falls with the steps is a weight.
    A turn without weights at a step, or off its `every`, is passed over; one that is played at
    every k-th step is played with k times its weights, so its strength does not depend on k.
    """

    name: str
    trains: tuple[nn.Module, ...]
    loss: Callable[[Batch, Context], dict[str, Tensor]]
    weights: Callable[[int], dict[str, float]]
    every: int = 1


class TranslationModel(nn.Module, ABC):
    """The networks that survive training, and the codes kept as translation targets.

    The first kept code of a domain is the medoid of all of them: the default target.
    """

    needs_source: bool = False
    """Whether `encode` depends on the domain that an image comes from."""

    splits_codes: bool = True
    """Whether content and domain are codes of their own, rather than one code twice."""

    kept_codes: Tensor
    num_kept_codes: Tensor

    def __init__(
        self,
        image_size: int,
        num_domains: int,
        content_code_shape: tuple[int, ...],
        domain_code_shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.num_domains = num_domains
        self.content_code_shape = content_code_shape
        self.register_buffer("kept_codes", torch.zeros(num_domains, NUM_KEPT_CODES, *domain_code_shape))
        self.register_buffer("num_kept_codes", torch.zeros(num_domains, dtype=torch.int64))

    def grown(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """`tensors` of a model for smaller images, brought to this one's shapes, where its networks can grow."""
        return tensors

    @abstractmethod
    def encode(self, images: Tensor, source: Tensor | None = None) -> Codes:
        """Codes of `images` without any noise.

        Args:
            source: labels (B,) of the domains that the images come from. Without them a model that
                `needs_source` still gives codes, which tell the domains apart and serve nothing else.
        """

    @abstractmethod
    def decode(self, content: Tensor, domain: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] from content and domain codes."""

    def rebuilding_codes(self, codes: Codes, source: Tensor | None) -> Tensor:
        """The domain codes (B, ...) that rebuild the images of `codes`: their own, unless a family says otherwise.

        Args:
            source: as for `encode`; a model that `needs_source` has to know it.
        """
        return codes.domain

    def rebuild(self, images: Tensor, source: Tensor | None = None) -> Tensor:
        """Images (B, 3, H, W) from their own codes: what the model can keep of them at best."""
        codes = self.encode(images, source)
        return self.decode(codes.content, self.rebuilding_codes(codes, source))

    def sample_codes(self, images: Tensor, draws: Draws) -> Codes:
        """Codes as the decoder meets them in training; `encode`'s where a family adds no noise."""
        return self.encode(images)

    @torch.no_grad()
    def keep_codes(self, label: int, codes: Tensor) -> None:
        """Keep up to 64 domain codes (n, ...) of training images of domain `label`, medoid first."""
        codes = codes[:NUM_KEPT_CODES]
        flat = codes.flatten(1)
        medoid = int(torch.cdist(flat, flat).sum(1).argmin())
        order = [medoid, *(i for i in range(len(codes)) if i != medoid)]
        self.kept_codes[label, : len(codes)] = codes[order].to(self.kept_codes)
        self.num_kept_codes[label] = len(codes)

    def code_lender(self, label: int) -> int:
        """The domain whose codes turn an image into one of domain `label`: itself, unless a family says otherwise."""
        return label

    def targets_of(self, label: int) -> tuple[int, ...]:
        """The domains that an image of domain `label` can be translated to."""
        return tuple(range(self.num_domains))

    def comparable_with(self, label: int) -> tuple[int, ...]:
        """The other domains whose codes mean the same as those of domain `label`."""
        return tuple(other for other in range(self.num_domains) if other != label)

    def routes(self) -> list[tuple[int, int]]:
        """Every translation between two domains, as (source, target)."""
        return [(a, b) for a in range(self.num_domains) for b in self.targets_of(a) if a != b]

    def target_codes(self, label: int) -> Tensor:
        """The kept codes (n, ...) that translate to domain `label`, the medoid first."""
        lender = self.code_lender(label)
        return self.kept_codes[lender, : int(self.num_kept_codes[lender])]


class Objective(nn.Module, ABC):
    """A model in training: it, its opponents and its losses, as turns."""

    model: TranslationModel

    def before_step(self) -> None:
        """Done before the turns of every step: what they need that does not depend on the batch."""

    @abstractmethod
    def turns(self) -> list[Turn]:
        """The turns of a step, in order."""


def all_domains(networks: Any, found: Sequence[str]) -> tuple[str, ...]:
    """What most families train on: every domain that is there."""
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Family:
    """A method: how to build it, train it and configure it.

    Args:
        networks: default settings of the networks that survive (frozen dataclass).
        objective: default settings of the training (frozen dataclass).
        recipes: name -> nested tables laid over a run's config; "paper" is the plain paper.
        build_model: (networks, image_size, domain names) -> model.
        build_objective: (model, objective settings) -> objective.
        sample_set: which built-in images it is trained on where no others are given.
        sample_settings: nested tables laid over the config with them.
        needs_every_domain: a step takes an image of every domain, so a batch has to be that large.
        choose_domains: (networks, domains that are there) -> those that are trained on, in their order;
            raises ConfigError.
        rebuilds: (objective settings) -> whether images are trained to be rebuilt: see `TranslationModel.rebuild`.
    """

    name: str
    networks: Any
    objective: Any
    recipes: Mapping[str, Mapping[str, Any]]
    build_model: Callable[[Any, int, Sequence[str]], TranslationModel]
    build_objective: Callable[[TranslationModel, Any], Objective]
    sample_set: str = "styles"
    sample_settings: Mapping[str, Any] = field(default_factory=dict)
    needs_every_domain: bool = False
    choose_domains: Callable[[Any, Sequence[str]], tuple[str, ...]] = all_domains
    rebuilds: Callable[[Any], bool] = lambda objective: True
