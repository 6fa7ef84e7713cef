from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.jobs.training.held_out import HeldOutScorer
from i2i_cli.models.family import Codes, TranslationModel

CPU = torch.device("cpu")


class Oracle(TranslationModel):
    """Splits an image perfectly: content is what differs from its domain's mean image, domain that mean."""

    def __init__(self, means: torch.Tensor) -> None:
        super().__init__(32, len(means), tuple(means.shape[1:]), tuple(means.shape[1:]))
        self.means = means

    def encode(self, images: torch.Tensor, source: torch.Tensor | None = None) -> Codes:
        nearest = torch.cdist(images.flatten(1), self.means.flatten(1)).argmin(1)
        return Codes(images - self.means[nearest], self.means[nearest])

    def decode(self, content: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        return content + domain


@pytest.fixture
def scorer(tmp_path: Path) -> HeldOutScorer:
    """Flat dark and flat light images, each with one bright patch at a random place."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 180)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(160):
            pixels = np.full((32, 32, 3), level, np.uint8)
            y, x = random.integers(0, 24, 2)
            pixels[y : y + 8, x : x + 8] += 40
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return HeldOutScorer(decoded(scan(tmp_path / "data"), 32), CPU, seed=0, use_pairs=False)


def oracle(scorer: HeldOutScorer) -> Oracle:
    levels = torch.tensor([40.0, 180.0]).view(2, 1, 1, 1).expand(2, 3, 32, 32) / 127.5 - 1
    model = Oracle(levels)
    for label in range(2):
        model.keep_codes(label, levels[label : label + 1])
    return model


def test_a_perfect_model_scores_perfectly(scorer: HeldOutScorer) -> None:
    figures = scorer.figures(oracle(scorer), nullcontext())
    assert figures.reconstruction_l1 < 1e-6
    assert figures.judged == {"dark->light": 1.0, "light->dark": 1.0}
    assert figures.judge_accuracy == 1.0
    assert 0.3 < figures.leak_means < 0.7, "there is nothing to read"
    assert figures.mean_frechet < 5 and figures.pair_l1 == {}


def test_a_model_that_ignores_the_domain_code_is_found_out(scorer: HeldOutScorer) -> None:
    model = oracle(scorer)
    model.encode = lambda images, source=None: Codes(images, torch.zeros_like(images))  # type: ignore[method-assign]
    model.decode = lambda content, domain: content  # type: ignore[method-assign]
    figures = scorer.figures(model, nullcontext())
    assert figures.judged == {"dark->light": 0.0, "light->dark": 0.0}
    assert figures.leak_means > 0.95
    assert figures.mean_frechet > 20


def test_what_a_family_does_not_do_is_no_figure(scorer: HeldOutScorer) -> None:
    model = oracle(scorer)
    model.splits_codes, scorer.rebuilds = False, False
    model.targets_of = lambda label: (1,) if label == 0 else ()  # type: ignore[method-assign]
    figures = scorer.figures(model, nullcontext())
    assert figures.judged == {"dark->light": 1.0} and figures.frechet.keys() == figures.judged.keys()
    assert (figures.reconstruction_l1, figures.frechet_reconstruction) == (None, None)
    assert (figures.leak_means, figures.leak_noisy) == (None, None)


def test_pairs_are_scored_against_the_true_counterpart(scorer: HeldOutScorer) -> None:
    """Every dark image is its light namesake less 140 levels, but for where its patch lies."""
    scorer.use_pairs = True
    figures = scorer.figures(oracle(scorer), nullcontext())
    images = scorer.dataset.images
    first, second = scorer.dataset.pairs(scorer.dataset.test, 0, 1)
    gap = (images.squares(second).float() - images.squares(first).float() - 140).abs().mean() / 127.5
    assert figures.pair_l1["dark->light"] == pytest.approx(float(gap), rel=1e-3)
    assert figures.pair_l1.keys() == figures.judged.keys()


def test_scores_do_not_disturb_anyone_s_random_numbers(scorer: HeldOutScorer) -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    scorer.figures(oracle(scorer), nullcontext())
    assert torch.equal(torch.rand(3), wanted)


def test_a_model_is_better_by_its_worst_pair_and_by_distance(scorer: HeldOutScorer) -> None:
    figures = scorer.figures(oracle(scorer), nullcontext())
    worse = replace(figures, judged={"dark->light": 1.0, "light->dark": 0.9})
    farther = replace(figures, frechet={name: value + 99 for name, value in figures.frechet.items()})
    assert worse.shortfall == pytest.approx(figures.shortfall + 10)
    assert farther.shortfall == pytest.approx(figures.shortfall + 99)
