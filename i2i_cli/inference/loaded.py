"""A trained model run by torch: what `i2i_cli.load` gives."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from i2i_cli.checkpoints.header import Header, read_header
from i2i_cli.checkpoints.names import find_weights
from i2i_cli.checkpoints.tensors import check_shapes, load_into, load_tensors, networks_among
from i2i_cli.config import nearest, updated
from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.engine.device import pick_device
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.inputs import ImageLike, load_image
from i2i_cli.inference.translator import BaseTranslator
from i2i_cli.models import family
from i2i_cli.models.descriptor import Descriptor, descriptor_among
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.latent_classifier import LatentClassifier, classifiers_among

if hasattr(os, "register_at_fork"):
    # Torch's threads stay behind in the parent, and a forked child would wait for them for ever.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

DOMAINS = "domains"
"""Name of the latent classifier that every training ends with: it tells the model's own domains."""


def load(weights: str | Path | None = None, device: str = "auto") -> "Translator":
    """A trained model, ready to translate.

    Args:
        weights: a run folder, a weights file or a name; None is the newest finished run.
        device: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        WeightsError: no such weights, or a file that is damaged or of another kind.
    """
    path = find_weights(str(weights) if weights is not None else None)
    header = read_header(path)
    try:
        kind = family(header.family)
        networks = updated(kind.networks, header.config.get("networks", {}))
        # First without memory: a header that lies costs none.
        with torch.device("meta"):
            check_shapes(kind.build_model(networks, header.image_size, header.domains), path)
        model = kind.build_model(networks, header.image_size, header.domains)
    except ConfigError as error:
        raise WeightsError(f"the header of {path} is damaged: {error.message}", error.hint) from error
    tensors = load_tensors(path)
    load_into(model, networks_among(tensors), path)
    try:
        classes = {name: tuple(facts["classes"]) for name, facts in header.classifiers.items()}
        classifiers = classifiers_among(tensors, classes, model.kept_codes[0, 0].numel())
        descriptor = descriptor_among(tensors, prod(model.content_code_shape))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"what {path} holds beside its networks is damaged ({error})") from error
    return Translator(model.eval().requires_grad_(False), header, path, pick_device(device), classifiers, descriptor)


class Translator(BaseTranslator):
    """A trained model: networks, their header and what was fitted on their codes, on a device."""

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

    @property
    def needs_source(self) -> bool:
        """See `BaseTranslator`."""
        return self.model.needs_source

    def predicted(self, squares: Sequence[NDArray[np.uint8]]) -> list[str]:
        """See `BaseTranslator`."""
        return [self.classifier().classes[place] for place in self.probabilities(squares).argmax(1).tolist()]

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

    def swap_domain(
        self, a: ImageLike, b: ImageLike, *, sources: Sequence[str | None] = (None, None)
    ) -> tuple[Image.Image, Image.Image]:
        """(a with b's domain code, b with a's domain code): SRAE 4.1 with one image as the target.

        Args:
            sources: the domains of a and b: see `translate`.

        Raises:
            DataError: the codes of two such domains are not made for each other.
        """
        loaded = [load_image(image, self.image_size) for image in (a, b)]
        found = self.sources_among(loaded, *sources)
        codes = self.encode([item.square for item in loaded], found)
        if found is not None:
            self._check_swap(*found)
        first, second = self.pixels(Codes(codes.content, codes.domain.flip(0)))
        return loaded[0].frame.restore(first), loaded[1].frame.restore(second)

    def reconstruct(self, image: ImageLike, *, source: str | None = None) -> Image.Image:
        """The image from its own codes: what the model can keep of it at best. `source`: see `translate`.

        Raises:
            ConfigError: the model was not trained to do that.
        """
        if not self.rebuilds:
            raise ConfigError(
                f"{self.path} was never trained to rebuild an image",
                "train with --set objective.weights.identity=10, or translate instead",
            )
        item = load_image(image, self.image_size)
        sources = self.sources_among([item], source)
        codes = self.encode([item.square], sources)
        (pixels,) = self.pixels(codes._replace(domain=self.rebuilding_codes(codes, sources)))
        return item.frame.restore(pixels)

    def classify(self, image: ImageLike, labels: str = DOMAINS, *, source: str | None = None) -> dict[str, float]:
        """Probability of each class, from the image's domain code (SRAE 4.3). `source`: see `translate`."""
        item = load_image(image, self.image_size)
        sources = None if labels == DOMAINS else self.sources_among([item], source)
        (shares,) = self.probabilities([item.square], labels, sources).tolist()
        return dict(zip(self.classifier(labels).classes, shares, strict=True))

    def _check_swap(self, a: str, b: str) -> None:
        ways = [domain for domain in self.domains if self.targets_of(domain)]
        partners = {domain: {self.lender(to) for to in self.targets_of(domain)} for domain in ways}
        if b not in partners.get(a, set()):
            known = [f"{domain} with {' or '.join(others)}" for domain, others in partners.items()]
            raise DataError(
                f"the codes of {a} and {b} cannot be exchanged",
                f"this model takes {', '.join(known)}; say with --from A --from B what the two are",
            )
