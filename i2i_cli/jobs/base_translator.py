"""What translating images takes, whatever runs the networks. No torch: see `exported.py`."""

import os
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.config import nearest
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import Picture, read_image, upright
from i2i_cli.engine.header import Header
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.jobs.sources import STREAM, Loaded

ImageLike = Image.Image | str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8]
"""A Pillow image, a path, the bytes of an image file, such a file opened for reading, or levels (H, W), (H, W, 3) or
(H, W, 4) of 0 to 255."""


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


class BaseTranslator(ABC):
    """Domains, routes between them, and targets. Squares are (S, S, 3) uint8."""

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

    @abstractmethod
    def sources_of(self, squares: Sequence[NDArray[np.uint8]], known: Sequence[str | None]) -> list[str] | None:
        """The domain of each image, as `known` says or else as it is classified; None where codes need no source.

        Raises:
            ConfigError: a domain that the model does not know.
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
        known = folder_of(self, reference)
        if known is None and to is not None:
            self.label_of(to)
            known = self.lender(to)
        squares = [fit(open_image(reference), self.image_size)[0]]
        sources = self.sources_of(squares, [known])
        code = self.encode(squares, sources).domain
        if sources is None:
            return Target(to or name, code)
        lent = [domain for domain in self.domains if self.lender(domain) == sources[0]]
        if to is not None and to not in lent:
            raise DataError(
                f"{name} is an image of {sources[0]}, whose codes translate to {', '.join(lent)}, not to {to}",
                f"give an image of {self.lender(to)}",
            )
        return Target(to or name, code, domain=to or lent[0])


def sources_of(translator: BaseTranslator, loaded: Sequence[Loaded], own: str | None = None) -> list[str] | None:
    """The domain of each image, where codes need it: `own`, or else its folder's, or else as it is classified."""
    paths = [item.source.path for item in loaded]
    known = [own or (None if path == STREAM else translator.folder_domain(path)) for path in paths]
    return translator.sources_of([item.square for item in loaded], known)


def folder_of(translator: BaseTranslator, image: ImageLike) -> str | None:
    """The domain that the folder of `image` is called after, where it is a file."""
    return translator.folder_domain(Path(image)) if isinstance(image, (str, os.PathLike)) else None


def open_image(image: ImageLike) -> Picture:
    """An image as the models see it.

    Raises:
        DataError: it cannot be read.
        ConfigError: it is nothing that an image can be taken from.
    """
    if isinstance(image, Image.Image):
        try:
            return upright(image)
        except Exception as error:  # whatever Pillow trips over: its file is closed, damaged or cut
            raise DataError(f"the image given cannot be read: {error or type(error).__name__}") from error
    if isinstance(image, (str, os.PathLike)):
        return read_image(Path(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return read_image(bytes(image))
    if isinstance(image, np.ndarray):
        return upright(_from_levels(image))
    data = _bytes_in(image) if hasattr(image, "read") else None
    if not isinstance(data, bytes):
        raise ConfigError(f"an object of type {type(image).__name__} is not an image", _IMAGES)
    return read_image(data)


def _bytes_in(file: Any) -> object:
    """What is read of a file object; None of one that is opened as text."""
    try:
        return file.read()
    except UnicodeDecodeError:
        return None
    except (OSError, ValueError) as error:  # a ValueError: it is closed
        raise DataError(f"the file given cannot be read: {error}") from error


_IMAGES = "give a path, a Pillow image, the bytes of a file, a file opened as binary, or an array of uint8"


def _from_levels(levels: NDArray[Any]) -> Image.Image:
    shape = levels.shape
    if levels.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise ConfigError(
            f"an array of {levels.dtype} with the shape {shape} is not an image",
            "give values of 0 to 255 as uint8: (height, width), or with 3 or 4 channels last",
        )
    return Image.fromarray(np.ascontiguousarray(levels))
