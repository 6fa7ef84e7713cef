"""A trained model with its images' way in and out: what `i2i_cli.load` gives."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from i2i_cli.config import nearest, updated
from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.data.geometry import Frame, fit
from i2i_cli.data.images import Picture, read_image, upright
from i2i_cli.engine.checkpoint import load_into, load_tensors
from i2i_cli.engine.device import pick_device
from i2i_cli.engine.header import Header, read_header
from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.publishing import find_weights
from i2i_cli.models import family
from i2i_cli.models.family import Codes, TranslationModel
from i2i_cli.models.latent_classifier import LatentClassifier, classifiers_among, networks_among

DOMAINS = "domains"
"""Name of the latent classifier that every training ends with: it tells the model's own domains."""

ImageLike = Image.Image | str | Path


@dataclass(frozen=True)
class Target:
    """A domain code (1, ...) to translate to; `label` names it in file names and results."""

    label: str
    code: Tensor
    sample: int | None = None


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
        model = kind.build_model(networks, header.image_size, len(header.domains))
    except ConfigError as error:
        raise WeightsError(f"the header of {path} is damaged: {error.message}", error.hint) from error
    tensors = load_tensors(path)
    load_into(model, networks_among(tensors), path)
    try:
        classes = {name: tuple(facts["classes"]) for name, facts in header.classifiers.items()}
        classifiers = classifiers_among(tensors, classes, model.kept_codes[0, 0].numel())
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"a latent classifier in {path} is damaged ({error})") from error
    return Translator(model.eval().requires_grad_(False), header, path, pick_device(device), classifiers)


class Translator:
    """A trained model with its images' way in and out."""

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

    def label_of(self, domain: str) -> int:
        """The label of `domain`.

        Raises:
            ConfigError: the model knows no domain of that name.
        """
        if domain not in self.domains:
            raise ConfigError(f"{self.path} has no domain {domain!r}", nearest(domain, self.domains))
        return self.domains.index(domain)

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

    def classify(self, image: ImageLike, labels: str = DOMAINS) -> dict[str, float]:
        """Probability of each class, from the image's domain code (SRAE 4.3)."""
        classifier = self.classifier(labels)
        (probabilities,) = classifier(self._encode([_open(image)])[0].domain).tolist()
        return dict(zip(classifier.classes, probabilities, strict=True))

    def target(self, domain: str, place: int = 0) -> Target:
        """The kept code of `domain` at `place`; the first is the medoid, the default."""
        codes = self.model.target_codes(self.label_of(domain))
        if not len(codes):
            raise WeightsError(f"{self.path} keeps no codes of {domain!r}", "train it a little longer")
        return Target(domain, codes[place : place + 1].to(self.device))

    def samples(self, domain: str, count: int, seed: int = 0) -> list[Target]:
        """`count` different kept codes of `domain`, drawn without replacement."""
        num_kept = len(self.model.target_codes(self.label_of(domain)))
        if not 1 <= count <= num_kept:
            raise ConfigError(
                f"{count} samples of {domain!r} cannot be drawn", f"the weights keep {num_kept} codes of it"
            )
        places = random.Random(seed).sample(range(num_kept), count)
        return [Target(f"{domain}-{i}", self.target(domain, place).code, i) for i, place in enumerate(places, 1)]

    def like(self, reference: ImageLike, label: str | None = None) -> Target:
        """The domain code of an image: translate to "what this looks like"."""
        name = Path(reference).stem if isinstance(reference, (str, Path)) else "like"
        return Target(label or name, self._encode([_open(reference)])[0].domain)

    def translate(
        self,
        image: ImageLike,
        to: str | None = None,
        *,
        like: ImageLike | None = None,
        strength: float = 1.0,
        at_model_size: bool = False,
    ) -> Image.Image:
        """One image in another domain, at its own size and with its own alpha.

        Args:
            image: a Pillow image or a path.
            to: the domain; may be left out with `like`.
            like: an image whose domain code is taken instead of the domain's default one.
            strength: 0 keeps the image's own domain code, 1 takes the target's, between mixes.
            at_model_size: leave the result at the model's resolution.

        Raises:
            ConfigError: neither `to` nor `like`, or an unknown domain.
        """
        if like is None and to is None:
            raise ConfigError("nothing to translate to", f"give one of {', '.join(self.domains)}")
        target = self.like(like) if like is not None else self.target(str(to))
        codes, frames = self._encode([_open(image)])
        (pixels,) = self.decode(codes, target, strength)
        return frames[0].restore(pixels, at_model_size)

    def swap_domain(self, a: ImageLike, b: ImageLike) -> tuple[Image.Image, Image.Image]:
        """(a with b's domain code, b with a's domain code): SRAE 4.1 with one image as the target."""
        codes, frames = self._encode([_open(a), _open(b)])
        first, second = self._pixels(Codes(codes.content, codes.domain.flip(0)))
        return frames[0].restore(first), frames[1].restore(second)

    def reconstruct(self, image: ImageLike) -> Image.Image:
        """The image from its own codes: what the model can keep of it at best."""
        codes, frames = self._encode([_open(image)])
        return frames[0].restore(self._pixels(codes)[0])

    @torch.no_grad()
    def encode(self, squares: Sequence[NDArray[np.uint8]]) -> Codes:
        """Codes of images that fill the model's square, each (S, S, 3)."""
        return self.model.encode(to_model_range(torch.from_numpy(np.stack(squares)), self.device))

    def decode(self, codes: Codes, target: Target, strength: float = 1.0) -> NDArray[np.uint8]:
        """Squares (B, S, S, 3) of the contents in `codes` with the domain code of `target`."""
        domain = torch.lerp(codes.domain, target.code.expand_as(codes.domain), strength)
        return self._pixels(Codes(codes.content, domain))

    @torch.no_grad()
    def _pixels(self, codes: Codes) -> NDArray[np.uint8]:
        return to_bytes(self.model.decode(*codes)).numpy()

    def _encode(self, pictures: Sequence[Picture]) -> tuple[Codes, list[Frame]]:
        fitted = [fit(picture, self.image_size) for picture in pictures]
        return self.encode([square for square, _ in fitted]), [frame for _, frame in fitted]


def _open(image: ImageLike) -> Picture:
    return upright(image) if isinstance(image, Image.Image) else read_image(Path(image))
