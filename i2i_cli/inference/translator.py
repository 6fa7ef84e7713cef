"""From an image to its translation, whatever runs the networks (`loaded.py`, `exported.py`). No torch."""

import os
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.checkpoints.header import Header
from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.inputs import STREAM, ImageLike, Loaded, load_image


@dataclass(frozen=True)
class Target:
    """A domain code (1, ...) to translate to.

    Args:
        label: names it in file names and results.
        code: as the translator that made it has codes.
        domain: the domain that it makes images of; None where that is left to the code.
    """

    label: str
    code: Any
    sample: int | None = None
    domain: str | None = None


class Translated(NamedTuple):
    """One image in every target that was asked for, as squares, and its own domain where codes need it."""

    squares: Sequence[NDArray[np.uint8]]
    source: str | None


class BaseTranslator(ABC):
    """Domains, routes between them, targets, and the way from an image to its translation.

    Whatever runs the networks gives codes of squares (S, S, 3) uint8, and squares from codes.
    """

    header: Header
    path: Path

    @abstractmethod
    def encode(self, squares: Sequence[NDArray[np.uint8]], sources: Sequence[str] | None = None) -> Any:
        """Codes of images: `.content` and `.domain`. `sources`: their domains, as `sources_of` gives them."""

    @abstractmethod
    def rebuilding_codes(self, codes: Any, sources: Sequence[str] | None) -> Any:
        """The domain codes that make images of `codes` what they are; `sources` as for `encode`."""

    @abstractmethod
    def pixels(self, codes: Any) -> NDArray[np.uint8]:
        """Squares (B, S, S, 3) from codes; one domain code (1, ...) may serve all contents."""

    @property
    @abstractmethod
    def needs_source(self) -> bool:
        """Whether images are encoded by their domain, which has to be known."""

    @abstractmethod
    def predicted(self, squares: Sequence[NDArray[np.uint8]]) -> list[str]:
        """The most probable domain of each image, by the latent classifier of the model's domains (SRAE 4.3).

        Raises:
            ConfigError: there is no such classifier.
        """

    @abstractmethod
    def targets_of(self, source: str) -> list[str]:
        """The domains that an image of domain `source` can be translated to."""

    @abstractmethod
    def lender(self, domain: str) -> str:
        """The domain whose codes turn an image into one of `domain`."""

    @abstractmethod
    def kept_codes(self, domain: str) -> Any:
        """The kept codes (n, ...) that translate to `domain`, the medoid first."""

    def translate(
        self,
        image: ImageLike,
        to: str | None = None,
        *,
        like: ImageLike | None = None,
        source: str | None = None,
        strength: float = 1.0,
        at_model_size: bool = False,
    ) -> Image.Image:
        """One image in another domain, at its own size and with its own alpha.

        Args:
            image: see `ImageLike`.
            to: the domain; may be left out with `like`.
            like: an image whose domain code is taken instead of the domain's default one.
            source: the image's own domain, where the family needs it; else its folder's, else predicted.
            strength: 0 rebuilds the image, 1 takes the target's domain code, between mixes.
            at_model_size: leave the result at the model's resolution.

        Raises:
            ConfigError: neither `to` nor `like`, or an unknown domain.
            DataError: an image of this domain does not translate to that one.
        """
        if like is None and to is None:
            raise ConfigError("nothing to translate to", f"give one of {', '.join(self.domains)}")
        target = self.like(like, to) if like is not None else self.target(str(to))
        item = load_image(image, self.image_size)
        (found,) = self.translated([item], [target], source, strength)
        self.check_route(found.source, target.domain)
        return item.frame.restore(found.squares[0], at_model_size)

    def translated(
        self, loaded: Sequence[Loaded], targets: Sequence[Target], own: str | None = None, strength: float = 1.0
    ) -> list[Translated]:
        """Each loaded image in every target: `Frame.restore` gives a square the image's own size again.

        Args:
            own: the domain of all images, where codes need it; else their folders', else predicted.
            strength: see `decode`.
        """
        if not loaded:
            return []
        sources = self.sources_among(loaded, own)
        codes = self.encode([item.square for item in loaded], sources)
        by_target = [self.decode(codes, target, strength, sources) for target in targets]
        known: Sequence[str | None] = sources or [None] * len(loaded)
        return [Translated(squares, source) for *squares, source in zip(*by_target, known, strict=True)]

    def decode(
        self, codes: Any, target: Target, strength: float = 1.0, sources: Sequence[str] | None = None
    ) -> NDArray[np.uint8]:
        """Squares (B, S, S, 3) of the contents in `codes` with the domain code of `target`.

        Args:
            strength: from the codes that rebuild the images (0) to the target's (1).
            sources: the images' domains, as for `encode`.

        Raises:
            ConfigError: a strength outside 0 to 1.
        """
        if not 0 <= strength <= 1:
            raise ConfigError(
                f"a strength of {strength:g} is out of range", "use 0 (the image's own look) to 1 (the target's)"
            )
        domain = target.code
        if strength < 1:
            own = self.rebuilding_codes(codes, sources)
            domain = own + strength * (domain - own)
        return self.pixels(codes._replace(domain=domain))

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

    def folder_domain(self, path: Path) -> str | None:
        """The domain that the innermost folder above `path` is called after, if any."""
        return next((folder.name for folder in path.absolute().parents if folder.name in self.domains), None)

    def target(self, domain: str, place: int = 0) -> Target:
        """The kept code of `domain` at `place`; the first is the medoid, the default."""
        self.label_of(domain)
        codes = self.kept_codes(domain)
        if not len(codes):
            raise WeightsError(f"{self.path} keeps no codes of {domain!r}", "train it longer")
        return Target(domain, codes[place : place + 1], domain=domain)

    def samples(self, domain: str, count: int, seed: int = 0) -> list[Target]:
        """`count` different kept codes of `domain`, drawn without replacement."""
        self.label_of(domain)
        num_kept = len(self.kept_codes(domain))
        if not 1 <= count <= num_kept:
            raise ConfigError(f"cannot draw {count} samples of {domain!r}", f"the weights keep {num_kept} codes of it")
        places = random.Random(seed).sample(range(num_kept), count)
        codes = [self.target(domain, place).code for place in places]
        return [Target(f"{domain}-{i}", code, i, domain) for i, code in enumerate(codes, 1)]

    def like(self, reference: ImageLike, to: str | None = None) -> Target:
        """The domain code of an image: translate to "what this looks like".

        Args:
            to: the domain to translate to; names the target.

        Raises:
            DataError: the folder of the reference says that its code does not translate to `to`.
        """
        name = Path(reference).stem if isinstance(reference, (str, os.PathLike)) else "like"
        item = load_image(reference, self.image_size)
        known = None if item.source.path == STREAM else self.folder_domain(item.source.path)
        if known is None and to is not None:
            self.label_of(to)
            known = self.lender(to)
        sources = self.sources_of([item.square], [known])
        code = self.encode([item.square], sources).domain
        if sources is None:
            return Target(to or name, code)
        lent = [domain for domain in self.domains if self.lender(domain) == sources[0]]
        if to is not None and to not in lent:
            raise DataError(
                f"{name} is an image of {sources[0]}, whose codes translate to {', '.join(lent)}, not to {to}",
                f"give an image of {self.lender(to)}",
            )
        return Target(to or name, code, domain=to or lent[0])
