"""A trained model: its weights brought to life, images of its square to codes and back."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.config import nearest, updated
from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.engine.header import Header
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.models import family
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.latent_classifier import LatentClassifier

DOMAINS = "domains"
"""Name of the latent classifier that every training ends with: it tells the model's own domains."""


class TrainedModel:
    """Networks, their header and their latent classifiers, on a device. Squares are (S, S, 3) uint8."""

    def __init__(
        self,
        model: TranslationModel,
        header: Header,
        path: Path,
        device: torch.device,
        classifiers: Mapping[str, LatentClassifier] | None = None,
    ) -> None:
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.header = header
        self.path = path
        self.device = device
        self.classifiers = {name: classifier.to(device) for name, classifier in (classifiers or {}).items()}

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in order of their labels."""
        return self.header.domains

    @property
    def image_size(self) -> int:
        """Side of the model's square, pixels."""
        return self.header.image_size

    @property
    def rebuilds(self) -> bool:
        """Whether the model was trained to rebuild an image from its own codes."""
        kind = family(self.header.family)
        return kind.rebuilds(updated(kind.objective, self.header.config.get("objective", {})))

    def label_of(self, domain: str) -> int:
        """The label of `domain`.

        Raises:
            ConfigError: the model knows no domain of that name.
        """
        if domain not in self.domains:
            raise ConfigError(f"{self.path} has no domain {domain!r}", nearest(domain, self.domains))
        return self.domains.index(domain)

    def targets_of(self, source: str) -> list[str]:
        """The domains that an image of domain `source` can be translated to."""
        return [self.domains[label] for label in self.model.targets_of(self.label_of(source))]

    def comparable_with(self, source: str) -> list[str]:
        """The other domains whose codes can be compared with those of `source`."""
        return [self.domains[label] for label in self.model.comparable_with(self.label_of(source))]

    def check_route(self, source: str | None, target: str | None, what: str = "the image") -> None:
        """Refuse a translation that the model was not made for.

        Args:
            source, target: domains; None where codes need none.
            what: the image's name.

        Raises:
            DataError: images of `source` become others than `target`.
        """
        if source is None or target is None or target in (reached := self.targets_of(source)):
            return
        if not reached:
            made = [domain for domain in self.domains if self.targets_of(domain)]
            raise DataError(f"{what} is of {source}, which this model only makes", f"give one of {' or '.join(made)}")
        raise DataError(
            f"{what} is of {source}, which becomes {' or '.join(reached)}, not {target}",
            f"use --to {reached[0]}, or say with --from what it is",
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the networks: codes of two models with one fingerprint can be compared."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def classifier(self, labels: str = DOMAINS) -> LatentClassifier:
        """The latent classifier called `labels`; the default one tells the model's domains.

        Raises:
            ConfigError: the weights hold none of that name.
        """
        if labels not in self.classifiers:
            hint = nearest(labels, self.classifiers) if self.classifiers else "fit one: i2i fit-classifier DATA"
            raise ConfigError(f"{self.path} holds no classifier called {labels!r}", hint)
        return self.classifiers[labels]

    def folder_domain(self, path: Path) -> str | None:
        """The domain that the innermost folder above `path` is called after, if any."""
        return next((folder.name for folder in path.absolute().parents if folder.name in self.domains), None)

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
        images = to_model_range(torch.from_numpy(np.stack(squares)), self.device)
        labels = None if sources is None else torch.tensor([self.label_of(name) for name in sources])
        return self.model.encode(images, None if labels is None else labels.to(self.device))

    @torch.no_grad()
    def pixels(self, codes: Codes) -> NDArray[np.uint8]:
        """Squares (B, S, S, 3) from codes."""
        return to_bytes(self.model.decode(*codes)).numpy()
