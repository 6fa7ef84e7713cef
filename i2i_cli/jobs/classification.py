"""Classify image files by their domain code (SRAE 4.3)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from i2i_cli.errors import I2IError
from i2i_cli.jobs.sources import Failure, Loaded, Source, load_batches
from i2i_cli.jobs.translation import DOMAINS, Translator


@dataclass(frozen=True, kw_only=True)
class Classified:
    """What one image was taken for.

    Args:
        label: the most probable class; "" for an image that could not be read.
        probabilities: of every class.
    """

    source: Path
    label: str = ""
    probabilities: dict[str, float]
    note: str = ""
    error: I2IError | None = None


def classify_files(
    translator: Translator, sources: Sequence[Source], labels: str = DOMAINS, read_stdin: Callable[[], bytes] = bytes
) -> Iterator[Classified]:
    """Each image's class, in order, by the classifier called `labels`.

    Raises:
        ConfigError: the weights hold no such classifier.
    """
    classifier = translator.classifier(labels)
    for batch in load_batches(sources, translator.image_size, read_stdin):
        loaded = [item for item in batch if isinstance(item, Loaded)]
        domain = translator.encode([item.square for item in loaded]).domain if loaded else torch.empty(0)
        found = iter(classifier(domain).tolist() if loaded else [])
        for item in batch:
            if isinstance(item, Failure):
                yield Classified(source=item.source.path, probabilities={}, error=item.error)
            else:
                shares = dict(zip(classifier.classes, next(found), strict=True))
                label = max(shares, key=lambda name: shares[name])
                yield Classified(source=item.source.path, label=label, probabilities=shares, note=item.note)
