"""Held-out figures: how well a model reconstructs, hides the domain, and translates."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.models.family import Batch, TranslationModel
from i2i_cli.models.likeness import MOST, gradient_energy, layout, likeness
from i2i_cli.models.peers import Draws
from i2i_cli.models.probes import Judge, balanced_accuracy, code_probe, fit, fit_judge, frechet_distance
from i2i_cli.models.seeding import own_draws

TRAIN_LIMIT = 1000
TEST_LIMIT = 400
MIN_PAIRS = 10

_CHUNK = 128


class HeldOutScorer:
    """Scores models on one data set. The classifier of real images is trained once.

    Where a domain has fewer than three test images, `held_out` is False and training images serve.
    """

    def __init__(
        self, dataset: Dataset, device: torch.device, seed: int, use_pairs: bool, rebuilds: bool = True
    ) -> None:
        self.dataset = dataset
        self.device = device
        self.seed = seed
        self.use_pairs = use_pairs
        self.rebuilds = rebuilds
        self.held_out = _covers(dataset, dataset.test)
        split = dataset.test if self.held_out else dataset.train
        self._test_rows = self._spread(split, TEST_LIMIT)
        self._train_rows = self._spread(dataset.train, TRAIN_LIMIT)
        self._test_labels = dataset.labels[self._test_rows]
        self._train_labels = dataset.labels[self._train_rows]
        self._judge = self._fit_judge()
        labels = range(len(dataset.domains))
        self._layouts = [self._seen(label, layout) for label in labels]
        self._real_energy = [float(self._seen(label, gradient_energy).mean()) or 1.0 for label in labels]

    def _spread(self, split: Tensor, limit: int) -> Tensor:
        return torch.cat([self.dataset.rows(split, label, limit) for label in range(len(self.dataset.domains))])

    def _images(self, rows: Tensor) -> Iterator[Tensor]:
        return (batch.images for batch in self._batches(rows))

    def _batches(self, rows: Tensor) -> Iterator[Batch]:
        for chunk in rows.split(_CHUNK):
            images = to_model_range(self.dataset.images.squares(chunk), self.device)
            yield Batch(images, self.dataset.labels[chunk].to(self.device))

    def _fit_judge(self) -> Judge:
        images = torch.cat([chunk.half() for chunk in self._images(self._train_rows)])
        return fit_judge(images, self._train_labels, len(self.dataset.domains), steps=300, seed=self.seed)

    @torch.no_grad()
    def figures(self, model: TranslationModel, autocast: Any) -> HeldOutFigures:
        """All figures of `model`, which must have its domain codes kept."""
        draws = Draws(torch.Generator(self.device).manual_seed(self.seed))
        real = self._features(self._images(self._test_rows))
        with autocast:
            error, floor = self._reconstruction(model, real) if self.rebuilds else (None, None)
            translations = self._translations(model, real, draws)
            splits = model.splits_codes
            leak_means, leak_noisy = (self._leak(model, draws, x) if splits else None for x in (False, True))
            pair_l1 = self._pair_l1(model) if self.use_pairs else {}
        return HeldOutFigures(
            held_out=self.held_out,
            reconstruction_l1=error,
            leak_means=leak_means,
            leak_noisy=leak_noisy,
            judge_accuracy=balanced_accuracy(self._judge.classify(real), self._test_labels),
            frechet_reconstruction=floor,
            pair_l1=pair_l1,
            **translations,
        )

    def _reconstruction(self, model: TranslationModel, real: Tensor) -> tuple[float, float]:
        """Error of reconstructions, and their Frechet distance to the real images, mean over domains."""
        error, restored = 0.0, []
        for images, y in self._batches(self._test_rows):
            reconstruction = model.rebuild(images, y)
            error += float((reconstruction - images).abs().mean((1, 2, 3)).sum())
            restored.append(self._judge.features(reconstruction))
        found, labels = torch.cat(restored), range(len(self.dataset.domains))
        floor = [frechet_distance(found[self._of(label)], real[self._of(label)]) for label in labels]
        return error / len(self._test_rows), sum(floor) / len(floor)

    def _seen(self, label: int, measure: Callable[[Tensor], Tensor]) -> Tensor:
        """`measure` of the real images of a domain."""
        return torch.cat([measure(chunk) for chunk in self._images(self._test_rows[self._of(label)])])

    def _of(self, label: int) -> Tensor:
        return self._test_labels == label

    def _features(self, images: Iterator[Tensor]) -> Tensor:
        return torch.cat([self._judge.features(chunk) for chunk in images])

    def _translations(self, model: TranslationModel, real: Tensor, draws: Draws) -> dict[str, dict[str, float]]:
        """The figures that every ordered pair has, by name: "judged" -> "a->b" -> share."""
        found: dict[str, dict[str, float]] = {}
        for a, b in model.routes():
            for name, value in (self._realness(model, a, b, real, draws) | self._likeness(model, a, b)).items():
                found.setdefault(name, {})[f"{self.dataset.domains[a]}->{self.dataset.domains[b]}"] = value
        return found

    def _realness(self, model: TranslationModel, a: int, b: int, real: Tensor, draws: Draws) -> dict[str, float]:
        """Share judged right, Frechet distance and sharpness of translations by drawn target codes."""
        targets, features, energy = model.target_codes(b), [], []
        for images, y in self._batches(self._test_rows[self._of(a)]):
            drawn = draws.integers(0, len(targets), (len(images),))
            made = model.decode(model.encode(images, y).content, targets[drawn]).float()
            features.append(self._judge.features(made))
            energy.append(gradient_energy(made))
        found = torch.cat(features)
        return {
            "judged": float((self._judge.classify(found).argmax(1) == b).float().mean()),
            "frechet": frechet_distance(found, real[self._of(b)]),
            "sharpness": float(torch.cat(energy).mean()) / self._real_energy[b],
        }

    def _likeness(self, model: TranslationModel, a: int, b: int) -> dict[str, float]:
        """Whether translations still are of their own inputs; nothing where too few are held out to tell."""
        inputs = torch.cat(list(self._images(self._test_rows[self._of(a)][:MOST])))
        found = likeness(model, inputs, a, b, self._layouts[b], self.seed)
        shares = {} if found is None else found._asdict()
        return {name: float(values.float().mean()) for name, values in shares.items() if values is not None}

    def _leak(self, model: TranslationModel, draws: Draws, noisy: bool) -> float:
        """Balanced accuracy of a fresh MLP probe of the content codes (Elazar and Goldberg 2018)."""

        def codes(rows: Tensor) -> Tensor:
            found = [model.sample_codes(x, draws) if noisy else model.encode(x, y) for x, y in self._batches(rows)]
            return torch.cat([code.content.flatten(1).float() for code in found])

        train, test = codes(self._train_rows), codes(self._test_rows)
        mean, scale = train.mean(0), train.std(0).clamp_min(1e-6)
        with own_draws(self.seed, self.device), torch.autocast(self.device.type, enabled=False):
            probe = code_probe(train.shape[1], len(self.dataset.domains)).to(self.device)
            fit(probe, (train - mean) / scale, self._train_labels, steps=400, seed=self.seed)
        return balanced_accuracy(probe((test - mean) / scale), self._test_labels)

    def _pair_l1(self, model: TranslationModel) -> dict[str, float]:
        """Error of translations with the default target code against the true counterparts."""
        errors = {}
        for a, b in model.routes():
            first, second = (rows[:TEST_LIMIT] for rows in self.dataset.pairs(self.dataset.test, a, b))
            if len(first) < MIN_PAIRS:
                continue
            target = model.target_codes(b)[:1]
            total = 0.0
            for (images, y), truth in zip(self._batches(first), self._images(second), strict=True):
                content = model.encode(images, y).content
                translated = model.decode(content, target.expand(len(images), *target.shape[1:]))
                total += float((translated - truth).abs().mean((1, 2, 3)).sum())
            errors[f"{self.dataset.domains[a]}->{self.dataset.domains[b]}"] = total / len(first)
        return errors


def _covers(dataset: Dataset, split: Tensor) -> bool:
    """Whether every domain has enough images in `split` to fit a normal distribution to."""
    counts = dataset.labels[split].bincount(minlength=len(dataset.domains))
    return bool((counts >= 3).all())
