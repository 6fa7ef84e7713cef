"""What a run keeps of its codes: translation targets, the latent classifier, the descriptor, the gallery."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from i2i_cli.data.augment import augmented, to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.engine.loop import Loop
from i2i_cli.engine.schedule import generator_for
from i2i_cli.errors import I2IError
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.classification.fitting import FittedClassifier, fit_classifier, fit_discriminant, score_if_any
from i2i_cli.jobs.retrieval.gallery import TRAINED
from i2i_cli.jobs.retrieval.indexing import entry, index_entries
from i2i_cli.jobs.training.config import RunConfig
from i2i_cli.jobs.training.folder import RunFolder
from i2i_cli.jobs.training.observer import Observer
from i2i_cli.models.descriptor import BackboneFeatures, Descriptor, fit_descriptor
from i2i_cli.models.family import NUM_KEPT_CODES
from i2i_cli.models.peers import Draws

FEW, MANY = 256, 1000
"""Images of a domain that the latent classifier and the descriptor are fitted on: on the way, and at the end."""

MOST = 8000
"""Images of all domains that the descriptor is fitted on: they are thousands of numbers each."""

NUM_VIEWS = 4
"""Changed versions of a training image that the latent classifier of a run for other devices is fitted on."""

_CHUNK = 128


class RunCodes:
    """Codes of a run's own images, by the averaged weights as they are when asked."""

    def __init__(self, dataset: Dataset, loop: Loop, config: RunConfig) -> None:
        self.dataset, self.loop, self.config = dataset, loop, config
        self._seconds_an_image = 0.0

    def what_is_left(self) -> str:
        """What the gallery will take, as the images before it went."""
        count = len(self.dataset.train)
        minutes = count * self._seconds_an_image / 60
        how_long = "under a minute" if minutes < 1 else f"about {minutes:.0f} minutes"
        return f"now writing the codes of its {count} images: {how_long}"

    def keep(self) -> None:
        """Put domain codes of training images into the model, as translation targets."""
        for label in range(len(self.dataset.domains)):
            rows = self.dataset.train[self.dataset.labels[self.dataset.train] == label]
            order = torch.randperm(len(rows), generator=generator_for(self.config.seed, 0, f"codes {label}"))
            self.loop.averaged.keep_codes(label, self._domain_codes(rows[order[:NUM_KEPT_CODES]], with_source=True))

    def classifier(self, thorough: bool) -> FittedClassifier:
        """A classifier of the domains, fitted on domain codes of training images (SRAE 4.3).

        A run that changes tone or sharpness is made for images of other devices. Its classifier is fitted on
        images changed as in training, and by a rule for other origins. The codes are made without the
        source, which the classifier is there to find.
        """
        domains, items, data = self.dataset.domains, self.dataset.items, self.config.data
        elsewhere, limit = bool(data.tone or data.sharpness), MANY if thorough else FEW
        train, test = (
            torch.cat([self.dataset.rows(split, label, limit) for label in range(len(domains))])
            for split in (self.dataset.train, self.dataset.test[: None if thorough else 0])
        )
        train = train.repeat(NUM_VIEWS if elsewhere and thorough else 1)
        codes = self._domain_codes(train, change=elsewhere).flatten(1).cpu().numpy()
        labels = self.dataset.labels[train].numpy()
        if elsewhere:
            fitted = fit_discriminant(DOMAINS, codes, labels, domains)
        else:
            keys = np.array([items[row].key for row in train.tolist()])
            fitted = fit_classifier(DOMAINS, codes, labels, domains, keys)
        held_out = self._domain_codes(test).flatten(1).cpu().numpy() if len(test) else codes[:0]
        return score_if_any(fitted, held_out, self.dataset.labels[test].numpy())

    @torch.no_grad()
    def descriptor(self, thorough: bool) -> Descriptor:
        """What neighbours are found by, fitted on training images."""
        m, limit = len(self.dataset.domains), MANY if thorough else FEW
        limit = max(2, min(limit, MOST // m))
        rows = torch.cat([self.dataset.rows(self.dataset.train, label, limit) for label in range(m)])
        model, features_of = self.loop.averaged.eval(), BackboneFeatures().to(self.loop.device)
        started = time.monotonic()
        found = [(features_of(images), model.encode(images, y).content, y) for images, y in self._images(rows)]
        self._seconds_an_image = (time.monotonic() - started) / len(rows)
        return fit_descriptor(*map(torch.cat, zip(*found, strict=True)))

    def _images(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of `rows`, a chunk at a time."""
        for chunk in rows.split(_CHUNK):
            images = to_model_range(self.dataset.images.squares(chunk), self.loop.device)
            yield images, self.dataset.labels[chunk].to(self.loop.device)

    @torch.no_grad()
    def _domain_codes(self, rows: Tensor, with_source: bool = False, change: bool = False) -> Tensor:
        model, device = self.loop.averaged.eval(), self.loop.device
        draws = Draws(generator_for(self.config.seed, 0, "views", device))
        found = []
        for images, y in self._images(rows):
            seen = augmented(images, self.config.data, draws) if change else images
            found.append(model.encode(seen, y if with_source else None).domain)
        return torch.cat(found).float()

    def write_gallery(self, folder: RunFolder, observer: Observer, should_stop: Callable[[], bool]) -> None:
        """Write the codes of all training images beside the finished model. What cannot be read is left out."""
        root = self.dataset.root
        items = (self.dataset.items[row] for row in self.dataset.train.tolist())
        entries = sorted(entry(root, item.path, self.dataset.domains[item.label], TRAINED) for item in items)
        try:
            model = load(folder.model, str(self.loop.device))
            folder.gallery.unlink(missing_ok=True)  # of an earlier end of this run
            result = index_entries(
                model, root, entries, folder.gallery, report=observer.encoding, should_stop=should_stop
            )
        except I2IError as error:
            observer.note(f"no gallery of the training images was written: {error.message}")
            return
        if not result.finished:
            folder.gallery.unlink(missing_ok=True)
            observer.note(f"no gallery of the training images was written; make one: i2i index {root} -o FILE")
