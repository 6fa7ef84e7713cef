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
from torch import Tensor

from i2i_cli.checkpoints.header import Header
from i2i_cli.checkpoints.names import CLASSIFIERS
from i2i_cli.checkpoints.tensors import check_shapes, load_into, load_tensors, networks_among
from i2i_cli.checkpoints.weights import Weights, open_weights
from i2i_cli.config import updated
from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.engine.device import pick_device
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.inference.latent_classifier import LatentClassifier, classifiers_among
from i2i_cli.inference.translator import Translator
from i2i_cli.models import family
from i2i_cli.models.descriptor import Descriptor, descriptor_among
from i2i_cli.models.family import Codes, TranslationModel

if hasattr(os, "register_at_fork"):
    # Torch's threads stay behind in the parent, and a forked child would wait for them for ever.
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def load(weights: str | Path | Weights | None = None, device: str = "auto") -> "TorchTranslator":
    """A trained model, ready to translate, run by torch.

    Args:
        weights: a run folder, a weights file or a name; None: see `open_weights`.
        device: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        WeightsError: no such weights, or a file that is damaged or of another kind.
    """
    found = weights if isinstance(weights, Weights) else open_weights(weights)
    path, header = found.path, found.header
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
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if name.startswith(CLASSIFIERS)}
        classifiers = classifiers_among(arrays, classes, model.kept_codes[0, 0].numel())
        descriptor = descriptor_among(tensors, prod(model.content_code_shape))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"what {path} holds beside its networks is damaged ({error})") from error
    return TorchTranslator(
        model.eval().requires_grad_(False), header, path, pick_device(device), classifiers, descriptor
    )


class TorchTranslator(Translator):
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
        super().__init__(path, header)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.device = device
        self.classifiers = dict(classifiers or {})
        self.descriptor = descriptor.to(device) if descriptor is not None else None

    @property
    def rebuilds(self) -> bool:
        """See `Coder`."""
        kind = family(self.header.family)
        return kind.rebuilds(updated(kind.objective, self.header.config.get("objective", {})))

    def targets_of(self, source: str) -> list[str]:
        """See `Coder`."""
        return [self.domains[label] for label in self.model.targets_of(self.label_of(source))]

    def lender(self, domain: str) -> str:
        """See `Coder`."""
        return self.domains[self.model.code_lender(self.label_of(domain))]

    def kept_codes(self, domain: str) -> Tensor:
        """See `Coder`."""
        return self.model.target_codes(self.label_of(domain)).to(self.device)

    def comparable_with(self, source: str) -> list[str]:
        """See `Coder`."""
        return [self.domains[label] for label in self.model.comparable_with(self.label_of(source))]

    @cached_property
    def fingerprint(self) -> str:
        """See `Coder`."""
        digest, beside = hashlib.sha256(), self.descriptor.to_tensors() if self.descriptor is not None else {}
        for name, tensor in sorted((self.model.state_dict() | beside).items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def content_code_shape(self) -> tuple[int, ...]:
        """See `Coder`."""
        return self.model.content_code_shape

    @property
    def code_sizes(self) -> tuple[int, int, int]:
        """See `Coder`."""
        content, domain = prod(self.model.content_code_shape), prod(self.model.kept_codes.shape[2:])
        return content, domain, len(self.descriptor.bias) if self.descriptor is not None else 0

    @property
    def needs_source(self) -> bool:
        """See `Coder`."""
        return self.model.needs_source

    @torch.no_grad()
    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Codes:
        """See `Coder`."""
        return self.model.encode(self.as_images(squares), self._labels(sources))

    def rebuilding_codes(self, codes: Codes, sources: Sequence[str] | None) -> Tensor:
        """See `Coder`."""
        return self.model.rebuilding_codes(codes, self._labels(sources))

    def _labels(self, sources: Sequence[str] | None) -> Tensor | None:
        return None if sources is None else torch.tensor([self.label_of(s) for s in sources], device=self.device)

    def as_images(self, squares: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Squares as the networks take them: (B, 3, S, S) in [-1, 1]."""
        return to_model_range(torch.from_numpy(np.stack(squares)), self.device)

    def described(self, squares: Sequence[NDArray[np.uint8]], codes: Codes) -> Tensor:
        """See `Coder`."""
        return self.describe(self.as_images(squares), codes.content)

    def numbers(self, code: Tensor) -> NDArray[np.float32]:
        """See `Coder`."""
        return code.flatten(1).float().cpu().numpy()

    @torch.no_grad()
    def describe(self, images: Tensor, content: Tensor) -> Tensor:
        """Descriptors (B, numbers) of images (B, 3, S, S) with these content codes; (B, 0) of weights without one."""
        return images.new_zeros(len(images), 0) if self.descriptor is None else self.descriptor(images, content)

    @torch.no_grad()
    def pixels(self, codes: Codes) -> NDArray[np.uint8]:
        """See `Coder`."""
        domain = codes.domain.expand(len(codes.content), *codes.domain.shape[1:])
        return to_bytes(self.model.decode(codes.content, domain)).numpy()
