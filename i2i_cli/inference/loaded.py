"""A trained model: its weights brought to life, images of its square to codes and back."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.config import nearest, updated
from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.checkpoints.header import Header
from i2i_cli.errors import ConfigError
from i2i_cli.inference.translator import BaseTranslator
from i2i_cli.models import family
from i2i_cli.models.descriptor import Descriptor
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.latent_classifier import LatentClassifier

if hasattr(os, "register_at_fork"):
    # Torch's threads stay behind in the parent, and a forked child would wait for them for ever.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

DOMAINS = "domains"
"""Name of the latent classifier that every training ends with: it tells the model's own domains."""


class TrainedModel(BaseTranslator):
    """Networks, their header and their latent classifiers, on a device. Squares are (S, S, 3) uint8."""

    def __init__(
        self,
        model: TranslationModel,
        header: Header,
        path: Path,
        device: torch.device,
        classifiers: Mapping[str, LatentClassifier] | None = None,
        descriptor: Descriptor | None = None,
    ) -> None:
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.header = header
        self.path = path
        self.device = device
        self.classifiers = {name: classifier.to(device) for name, classifier in (classifiers or {}).items()}
        self.descriptor = descriptor.to(device) if descriptor is not None else None

    @property
    def rebuilds(self) -> bool:
        """Whether the model was trained to rebuild an image from its own codes."""
        kind = family(self.header.family)
        return kind.rebuilds(updated(kind.objective, self.header.config.get("objective", {})))

    def targets_of(self, source: str) -> list[str]:
        """The domains that an image of domain `source` can be translated to."""
        return [self.domains[label] for label in self.model.targets_of(self.label_of(source))]

    def lender(self, domain: str) -> str:
        """See `BaseTranslator`."""
        return self.domains[self.model.code_lender(self.label_of(domain))]

    def kept_codes(self, domain: str) -> Tensor:
        """See `BaseTranslator`."""
        return self.model.target_codes(self.label_of(domain)).to(self.device)

    def comparable_with(self, source: str) -> list[str]:
        """The other domains whose codes can be compared with those of `source`."""
        return [self.domains[label] for label in self.model.comparable_with(self.label_of(source))]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the networks and of the descriptor: codes of two models with one fingerprint can be compared."""
        digest, beside = hashlib.sha256(), self.descriptor.to_tensors() if self.descriptor is not None else {}
        for name, tensor in sorted((self.model.state_dict() | beside).items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def code_sizes(self) -> tuple[int, int, int]:
        """Numbers in a content code, a domain code and a descriptor, 0 of weights without one."""
        content, domain = prod(self.model.content_code_shape), prod(self.model.kept_codes.shape[2:])
        return content, domain, len(self.descriptor.bias) if self.descriptor is not None else 0

    def classifier(self, labels: str = DOMAINS) -> LatentClassifier:
        """The latent classifier called `labels`; the default one tells the model's domains.

        Raises:
            ConfigError: the weights hold none of that name.
        """
        if labels not in self.classifiers:
            hint = nearest(labels, self.classifiers) if self.classifiers else "fit one: i2i fit-classifier DATA"
            raise ConfigError(f"{self.path} holds no classifier called {labels!r}", hint)
        return self.classifiers[labels]

    def sources_of(self, squares: Sequence[NDArray[np.uint8]], known: Sequence[str | None]) -> list[str] | None:
        """The domain of each image, as `known` says or else as it is classified; None where codes need no source.

        Raises:
            ConfigError: a domain that the model does not know.
        """
        if not self.model.needs_source:
            return None
        for name in {name for name in known if name is not None}:
            self.label_of(name)
        unknown = [square for square, name in zip(squares, known, strict=True) if name is None]
        found = iter(self.probabilities(unknown).argmax(1).tolist() if unknown else [])
        return [self.classifier().classes[next(found)] if name is None else name for name in known]

    def probabilities(
        self, squares: Sequence[NDArray[np.uint8]], labels: str = DOMAINS, sources: Sequence[str] | None = None
    ) -> Tensor:
        """Of each class of the classifier called `labels`, from domain codes (SRAE 4.3): (n, classes).

        The classifier of the model's domains reads codes without a source, since it serves to find that.
        """
        return self.classifier(labels)(self.encode(squares, None if labels == DOMAINS else sources).domain)

    @torch.no_grad()
    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Codes:
        """Codes of images. `sources`: their domains, as `sources_of` gives them."""
        return self.model.encode(self.as_images(squares), self._labels(sources))

    def rebuilding_codes(self, codes: Codes, sources: Sequence[str] | None) -> Tensor:
        """See `BaseTranslator`."""
        return self.model.rebuilding_codes(codes, self._labels(sources))

    def _labels(self, sources: Sequence[str] | None) -> Tensor | None:
        return None if sources is None else torch.tensor([self.label_of(s) for s in sources], device=self.device)

    def as_images(self, squares: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Squares as the networks take them: (B, 3, S, S) in [-1, 1]."""
        return to_model_range(torch.from_numpy(np.stack(squares)), self.device)

    @torch.no_grad()
    def describe(self, images: Tensor, content: Tensor) -> Tensor:
        """Descriptors (B, numbers) of images (B, 3, S, S) with these content codes; (B, 0) of weights without one."""
        return images.new_zeros(len(images), 0) if self.descriptor is None else self.descriptor(images, content)

    @torch.no_grad()
    def pixels(self, codes: Codes) -> NDArray[np.uint8]:
        """See `BaseTranslator`."""
        domain = codes.domain.expand(len(codes.content), *codes.domain.shape[1:])
        return to_bytes(self.model.decode(codes.content, domain)).numpy()
