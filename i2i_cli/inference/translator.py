"""From an image to its translation, whatever runs the networks (`loaded.py`, `exported.py`). No torch."""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.checkpoints.header import describe
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.coder import Coder
from i2i_cli.inference.image_like import ImageLike, load_image
from i2i_cli.inference.inputs import BATCH, STREAM, Loaded, Part, parse_part
from i2i_cli.inference.latent_classifier import DOMAINS

SIZES = ("input", "model")
"""What a result can be as large as."""


@dataclass(frozen=True)
class Target:
    """A domain code (1, ...) to translate to.

    Args:
        label: names it in file names and results.
        code: as the translator that made it has codes.
        sample: its number among those that were drawn together, from 1.
        domain: the domain that it makes images of; None where that is left to the code.
        kept: its number among the kept codes of its domain, from 1; None where it is that of an image.
    """

    label: str
    code: Any
    sample: int | None = None
    domain: str | None = None
    kept: int | None = None


class Translated(NamedTuple):
    """One image in every target that was asked for, as squares.

    Args:
        source: its own domain, where codes need it.
        unlike: it is unlike what the model was trained on: see `Coder.unlike`.
    """

    squares: Sequence[NDArray[np.uint8]]
    source: str | None
    unlike: bool = False


class Translator(Coder):
    """Targets, and the way from an image to its translation; subclasses run the networks by torch or by onnxruntime."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}: {describe(self.header)}>"

    @overload
    def translate(
        self,
        image: ImageLike,
        to: str | None = None,
        *,
        code: int | None = None,
        like: ImageLike | None = None,
        source: str | None = None,
        strength: float = 1.0,
        size: str = "input",
        crop: str = "none",
    ) -> Image.Image: ...

    @overload
    def translate(
        self,
        image: list[ImageLike] | tuple[ImageLike, ...],
        to: str | None = None,
        *,
        code: int | None = None,
        like: ImageLike | None = None,
        source: str | None = None,
        strength: float = 1.0,
        size: str = "input",
        crop: str = "none",
    ) -> list[Image.Image]: ...

    def translate(
        self,
        image: ImageLike | list[ImageLike] | tuple[ImageLike, ...],
        to: str | None = None,
        *,
        code: int | None = None,
        like: ImageLike | None = None,
        source: str | None = None,
        strength: float = 1.0,
        size: str = "input",
        crop: str = "none",
    ) -> Image.Image | list[Image.Image]:
        """One image in another domain, or a list of them, at its own size and with its own alpha.

        Args:
            image: see `ImageLike`.
            to: the domain; may be left out with `like`.
            code: which of the kept codes of `to` is taken: see `target`.
            like: an image whose domain code is taken instead of a kept one.
            source: the images' own domain, where the family needs it; else their folders', else predicted.
            strength: 0 rebuilds the image, 1 takes the target's domain code, between mixes.
            size: "input", or "model" for the model's own resolution.
            crop: "auto" takes the largest face of each image, "X,Y,W,H" that part, "none" the whole.

        Raises:
            ConfigError: neither `to` nor `like`, both `code` and `like`, an unknown domain, code or size.
            DataError: an image cannot be read, or one of this domain does not translate to that one.
        """
        if like is None and to is None:
            raise ConfigError("nothing to translate to", f"give one of {', '.join(self.domains)}")
        if like is not None and code is not None:
            raise ConfigError("an image lends its own code: like takes no code", "leave one of them out")
        if size not in SIZES:
            raise ConfigError(f"there is no size {size!r}", f"use {' or '.join(SIZES)}")
        part = self.one_part(crop)
        target = self.like(like, to) if like is not None else self.target(str(to), code=code)
        images, made = list(image) if isinstance(image, (list, tuple)) else [image], list[Image.Image]()
        for start in range(0, len(images), BATCH):
            items = [load_image(one, self.image_size, part) for one in images[start : start + BATCH]]
            for item, found in zip(items, self.translated(items, [target], source, strength), strict=True):
                self.check_route(found.source, target.domain)
                made.append(item.frame.restore(found.squares[0], size == "model"))
        return made if isinstance(image, (list, tuple)) else made[0]

    def one_part(self, crop: str | None) -> Part:
        """What `crop` means, of each image: see `parse_part`; None is as the training images are framed.

        Raises:
            ConfigError: no part, or several.
        """
        part = parse_part(crop, self.framing)
        if part.every:
            raise ConfigError(
                "every face is a result of its own", 'use `i2i translate --crop all`, or crop="auto" here'
            )
        return part

    def translated(
        self,
        loaded: Sequence[Loaded],
        targets: Sequence[Target],
        own: str | None = None,
        strength: float = 1.0,
        thorough: bool = False,
    ) -> list[Translated]:
        """Each loaded image in every target: `Frame.restore` gives a square the image's own size again.

        Args:
            own: the domain of all images, where codes need it; else their folders', else predicted.
            strength: see `decode`.
            thorough: see `unlike`.
        """
        if not loaded:
            return []
        sources = self.sources_among(loaded, own)
        codes = self.encode([item.square for item in loaded], sources)
        by_target = [self.decode(codes, target, strength, sources) for target in targets]
        known: Sequence[str | None] = sources or [None] * len(loaded)
        unlike = self.unlike([item.square for item in loaded], codes, thorough).tolist()
        return [
            Translated(squares, source, odd) for *squares, source, odd in zip(*by_target, known, unlike, strict=True)
        ]

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

    def target(self, domain: str, *, code: int | None = None) -> Target:
        """A kept code of `domain`: the first, which is the medoid, or the one that `code` numbers, from 1.

        Raises:
            ConfigError: there is none of this number.
        """
        domain = self.domain(domain)
        codes = self.kept_codes(domain)
        if not len(codes):
            raise WeightsError(f"{self.path} keeps no codes of {domain!r}", "train it longer")
        number = 1 if code is None else code
        if not 1 <= number <= len(codes):
            raise ConfigError(
                f"there is no code {number} of {domain!r}: the weights keep {len(codes)}", f"use 1 to {len(codes)}"
            )
        label = domain if code is None else f"{domain}-code{code}"
        return Target(label, codes[number - 1 : number], domain=domain, kept=number)

    def samples(self, domain: str, count: int, seed: int = 0) -> list[Target]:
        """`count` different kept codes of `domain`, drawn without replacement."""
        domain = self.domain(domain)
        num_kept = len(self.kept_codes(domain))
        if not 1 <= count <= num_kept:
            raise ConfigError(f"cannot draw {count} samples of {domain!r}", f"the weights keep {num_kept} codes of it")
        places = random.Random(seed).sample(range(num_kept), count)
        drawn = [self.target(domain, code=place + 1) for place in places]
        return [replace(target, label=f"{domain}-{i}", sample=i) for i, target in enumerate(drawn, 1)]

    def like(self, reference: ImageLike, to: str | None = None) -> Target:
        """The domain code of an image: translate to "what this looks like".

        Args:
            to: the domain to translate to; names the target.

        Raises:
            DataError: the folder of the reference says that its code does not translate to `to`.
        """
        name = Path(reference).stem if isinstance(reference, (str, os.PathLike)) else "like"
        to = None if to is None else self.domain(to)
        item = load_image(reference, self.image_size)
        known = None if item.source.path == STREAM else self.folder_domain(item.source.path)
        if known is None and to is not None:
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

    def swap_domain(
        self, a: ImageLike, b: ImageLike, *, sources: Sequence[str | None] = (None, None), crop: str | None = "none"
    ) -> tuple[Image.Image, Image.Image]:
        """(a with b's domain code, b with a's domain code): SRAE 4.1 with one image as the target.

        Args:
            sources: the domains of a and b: see `translate`.
            crop: see `translate`; None is as the training images are framed.

        Raises:
            DataError: the codes of two such domains are not made for each other.
        """
        loaded = [load_image(image, self.image_size, self.one_part(crop)) for image in (a, b)]
        found = self.sources_among(loaded, *sources)
        codes = self.encode([item.square for item in loaded], found)
        if found is not None:
            self._check_swap(*found)
        first, second = self.pixels(codes._replace(domain=codes.domain[[1, 0]]))
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
