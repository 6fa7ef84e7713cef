"""Codes of images and images from codes, run by torch (`loaded.py`) or by onnxruntime (`exported.py`). No torch."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i_cli.checkpoints.weights import Weights
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.inference.inputs import STREAM, Loaded
from i2i_cli.inference.latent_classifier import DOMAINS, LatentClassifier

FAR = 3.5
"""Squared Mahalanobis distance of a number of a domain code from the kept ones, above which it is like none of them:
1 is usual; of images like the training images fewer than one in twenty is above it (benchmarks/unlike.py)."""

POORLY = 2.0
"""Rebuild error above which an image is unlike the training images, over the error on held-out images."""

MIN_KEPT = 16
"""Of fewer kept codes no distance is told."""


class Coder(Weights, ABC):
    """Codes of squares (S, S, 3) uint8, squares from codes, and what codes tell of an image's domain."""

    classifiers: Mapping[str, LatentClassifier]
    """The latent classifiers in the weights, by name."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the networks and of the descriptor: codes of two models with one fingerprint can be compared."""

    @property
    @abstractmethod
    def content_code_shape(self) -> tuple[int, ...]:
        """Shape of one content code."""

    @property
    @abstractmethod
    def code_sizes(self) -> tuple[int, int, int]:
        """Numbers in a content code, a domain code and a descriptor, 0 of weights without one."""

    @property
    @abstractmethod
    def needs_source(self) -> bool:
        """Whether images are encoded by their domain, which has to be known."""

    @property
    @abstractmethod
    def rebuilds(self) -> bool:
        """Whether the model was trained to rebuild an image from its own codes."""

    @abstractmethod
    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Any:
        """Codes of images: `.content` and `.domain`. `sources`: their domains, as `sources_of` gives them."""

    @abstractmethod
    def described(self, squares: Sequence[NDArray[np.uint8]], codes: Any) -> Any:
        """Descriptors (B, numbers) of images and their codes; (B, 0) of weights without one."""

    @abstractmethod
    def numbers(self, code: Any) -> NDArray[np.float32]:
        """Codes (B, ...) of any kind as rows of numbers (B, n)."""

    @abstractmethod
    def rebuilding_codes(self, codes: Any, sources: Sequence[str] | None) -> Any:
        """The domain codes that make images of `codes` what they are; `sources` as for `encode`."""

    @abstractmethod
    def pixels(self, codes: Any) -> NDArray[np.uint8]:
        """Squares (B, S, S, 3) from codes; one domain code (1, ...) may serve all contents."""

    @abstractmethod
    def targets_of(self, source: str) -> list[str]:
        """The domains that an image of domain `source` can be translated to."""

    @abstractmethod
    def lender(self, domain: str) -> str:
        """The domain whose codes turn an image into one of `domain`."""

    @abstractmethod
    def comparable_with(self, source: str) -> list[str]:
        """The other domains whose codes can be compared with those of `source`."""

    @abstractmethod
    def kept_codes(self, domain: str) -> Any:
        """The kept codes (n, ...) that translate to `domain`, the medoid first."""

    def classifier(self, labels: str = DOMAINS) -> LatentClassifier:
        """The latent classifier called `labels`; the default one tells the model's domains.

        Raises:
            ConfigError: the weights hold none of that name.
        """
        if labels not in self.classifiers:
            hint = nearest(labels, self.classifiers) if self.classifiers else "fit one: i2i fit-classifier DATA"
            raise ConfigError(f"{self.path} holds no classifier called {labels!r}", hint)
        return self.classifiers[labels]

    def probabilities(
        self, squares: Sequence[NDArray[np.uint8]], labels: str = DOMAINS, sources: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """Of each class of the classifier called `labels`, from domain codes (SRAE 4.3): (n, classes).

        The classifier of the model's domains reads codes without a source, since it serves to find that.
        """
        codes = self.encode(squares, None if labels == DOMAINS else sources)
        return self.classifier(labels)(self.numbers(codes.domain))

    def predicted(self, squares: Sequence[NDArray[np.uint8]]) -> list[str]:
        """The most probable domain of each image, by the latent classifier of the model's domains (SRAE 4.3).

        Raises:
            ConfigError: there is no such classifier.
        """
        if DOMAINS not in self.classifiers:
            raise ConfigError(f"{self.path} cannot tell an image's domain", "give it with --from")
        return [self.classifier().classes[place] for place in self.probabilities(squares).argmax(1).tolist()]

    def unlike(self, squares: Sequence[NDArray[np.uint8]], codes: Any, thorough: bool = True) -> NDArray[np.bool_]:
        """Whether each image is unlike what the model was trained on: (B,).

        Its domain code is far from the kept ones of every domain; or, where it is asked for, the image rebuilt from
        its own codes is far from it. Neither sees all that is strange: see docs/images.md. Of a model that needs an
        image's domain, whose codes are of several encoders, nothing is said.

        Args:
            codes: of the images, by `encode`.
            thorough: rebuild the images too, which takes as long as a translation.
        """
        if self.needs_source:
            return np.zeros(len(squares), bool)
        rows = self.numbers(codes.domain)
        kept = [self.numbers(self.kept_codes(domain)) for domain in self.domains]
        far = [_distance(rows, of_domain) for of_domain in kept if len(of_domain) >= MIN_KEPT]
        found = np.min(far, axis=0) > FAR if far else np.zeros(len(rows), bool)
        usual = self.header.figures.get("reconstruction_l1")
        if thorough and usual:
            rebuilt = self.pixels(codes).astype(np.float32)
            found |= np.abs(rebuilt - np.stack(squares)).mean((1, 2, 3)) / 127.5 > POORLY * usual
        return found

    def sources_of(self, squares: Sequence[NDArray[np.uint8]], known: Sequence[str | None]) -> list[str] | None:
        """The domain of each image, as `known` says or else as it is classified; None where codes need no source.

        Raises:
            ConfigError: a domain that the model does not know.
        """
        if not self.needs_source:
            return None
        for name in {name for name in known if name is not None}:
            self.label_of(name)
        unknown = [square for square, name in zip(squares, known, strict=True) if name is None]
        found = iter(self.predicted(unknown) if unknown else [])
        return [next(found) if name is None else name for name in known]

    def sources_among(self, loaded: Sequence[Loaded], *own: str | None) -> list[str] | None:
        """The domain of each image, where codes need it: as told, or else its folder's, or else as it is classified.

        Args:
            own: one domain for all images, or one for each; None where it is not told.
        """
        told = own * len(loaded) if len(own) == 1 else own
        paths = [item.source.path for item in loaded]
        folders = [None if path == STREAM else self.folder_domain(path) for path in paths]
        known = [name or folder for name, folder in zip(told, folders, strict=True)]
        return self.sources_of([item.square for item in loaded], known)

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
            raise DataError(f"{what} is of {source}, which this model only writes", f"give one of {' or '.join(made)}")
        raise DataError(
            f"{what} is of {source}, which translates to {' or '.join(reached)}, not {target}",
            f"use --to {reached[0]}, or give its domain with --from",
        )


def _distance(rows: NDArray[np.float32], kept: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared Mahalanobis distance of rows (B, j) from codes (n, j), over j; n may be little more than j."""
    centred = rows - kept.mean(0)
    spread = np.cov(kept, rowvar=False).reshape(kept.shape[1], -1).astype(np.float64)
    spread += 0.01 * np.trace(spread) / len(spread) * np.eye(len(spread))
    return np.einsum("ij,ij->i", centred, np.linalg.solve(spread, centred.T).T) / len(spread)
