"""Classify image files by their domain code (SRAE 4.3)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2i_cli.data.geometry import Crop
from i2i_cli.errors import I2IError
from i2i_cli.inference.coder import Coder
from i2i_cli.inference.inputs import Failure, Loaded, Source, load_batches
from i2i_cli.inference.latent_classifier import DOMAINS


@dataclass(frozen=True, kw_only=True)
class Classified:
    """What one image was taken for.

    Args:
        label: the most probable class; "" for an image that could not be read.
        probabilities: of every class.
        crop, faceless: as of what was `Loaded`.
    """

    source: Path
    label: str = ""
    probabilities: dict[str, float]
    note: str = ""
    crop: Crop | None = None
    faceless: bool = False
    error: I2IError | None = None


def classify_files(
    translator: Coder,
    sources: Sequence[Source],
    labels: str = DOMAINS,
    own: str | None = None,
    read_stdin: Callable[[], bytes] = bytes,
) -> Iterator[Classified]:
    """Each image's class, in order, by the classifier called `labels`; `own` is the domain of all images, if known.

    Raises:
        ConfigError: the weights hold no such classifier, or no such domain.
    """
    classifier = translator.classifier(labels)
    if own is not None:
        translator.label_of(own)
    for batch in load_batches(sources, translator.image_size, read_stdin):
        loaded = [item for item in batch if isinstance(item, Loaded)]
        found = iter(_probabilities(translator, loaded, labels, own) if loaded else [])
        for item in batch:
            if isinstance(item, Failure):
                yield Classified(source=item.source.path, probabilities={}, error=item.error)
            else:
                shares = dict(zip(classifier.classes, next(found), strict=True))
                label = max(shares, key=lambda name: shares[name])
                yield Classified(
                    source=item.source.path, label=label, probabilities=shares,
                    note=item.note, crop=item.crop, faceless=item.faceless,
                )  # fmt: skip


def _probabilities(translator: Coder, loaded: Sequence[Loaded], labels: str, own: str | None) -> list[list[float]]:
    domains = None if labels == DOMAINS else translator.sources_among(loaded, own)
    return translator.probabilities([item.square for item in loaded], labels, domains).tolist()
