"""A trained model with its images' way in and out: what `i2i_cli.load` gives."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch
from PIL import Image

from i2i_cli.config import updated
from i2i_cli.data.geometry import Frame, fit
from i2i_cli.data.images import Picture
from i2i_cli.engine.checkpoint import check_shapes, load_into, load_tensors, networks_among
from i2i_cli.engine.device import pick_device
from i2i_cli.engine.header import read_header
from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.jobs.base_translator import ImageLike, Target, folder_of, open_image
from i2i_cli.jobs.publishing import find_weights
from i2i_cli.jobs.trained import DOMAINS, TrainedModel
from i2i_cli.models import family
from i2i_cli.models.descriptor import descriptor_among
from i2i_cli.models.family import Codes
from i2i_cli.models.latent_classifier import classifiers_among

__all__ = ["DOMAINS", "Target", "Translator", "load"]


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


class Translator(TrainedModel):
    """A trained model with its images' way in and out."""

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
        codes, frames, sources = self._encode([open_image(image)], [source or folder_of(self, image)])
        self.check_route(sources[0] if sources else None, target.domain)
        (pixels,) = self.decode(codes, target, strength, sources)
        return frames[0].restore(pixels, at_model_size)

    def swap_domain(
        self, a: ImageLike, b: ImageLike, *, sources: Sequence[str | None] = (None, None)
    ) -> tuple[Image.Image, Image.Image]:
        """(a with b's domain code, b with a's domain code): SRAE 4.1 with one image as the target.

        Args:
            sources: the domains of a and b: see `translate`.

        Raises:
            DataError: the codes of two such domains are not made for each other.
        """
        known = [told or folder_of(self, image) for told, image in zip(sources, (a, b), strict=True)]
        codes, frames, found = self._encode([open_image(a), open_image(b)], known)
        if found is not None:
            self._check_swap(*found)
        first, second = self.pixels(Codes(codes.content, codes.domain.flip(0)))
        return frames[0].restore(first), frames[1].restore(second)

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
        codes, frames, sources = self._encode([open_image(image)], [source or folder_of(self, image)])
        (pixels,) = self.pixels(codes._replace(domain=self.rebuilding_codes(codes, sources)))
        return frames[0].restore(pixels)

    def classify(self, image: ImageLike, labels: str = DOMAINS, *, source: str | None = None) -> dict[str, float]:
        """Probability of each class, from the image's domain code (SRAE 4.3). `source`: see `translate`."""
        squares = [fit(open_image(image), self.image_size)[0]]
        sources = None if labels == DOMAINS else self.sources_of(squares, [source or folder_of(self, image)])
        (shares,) = self.probabilities(squares, labels, sources).tolist()
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

    def _encode(
        self, pictures: Sequence[Picture], known: Sequence[str | None]
    ) -> tuple[Codes, list[Frame], list[str] | None]:
        """Codes of pictures, where they lie in the square, and their domains where codes need them."""
        fitted = [fit(picture, self.image_size) for picture in pictures]
        squares = [square for square, _ in fitted]
        sources = self.sources_of(squares, known)
        return self.encode(squares, sources), [frame for _, frame in fitted], sources
