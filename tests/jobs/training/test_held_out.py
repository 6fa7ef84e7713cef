import copy
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from i2i_cli.checkpoints.doubt import alarm
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


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> HeldOutScorer:
    """Flat dark and flat light images, each with one bright patch at a random place."""
    import numpy as np
    from PIL import Image

    random, tmp_path = np.random.default_rng(0), tmp_path_factory.mktemp("patches")
    for name, level in (("dark", 40), ("light", 180)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(300):
            pixels = np.full((32, 32, 3), level, np.uint8)
            y, x = random.integers(0, 24, 2)
            pixels[y : y + 8, x : x + 8] += 40
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return HeldOutScorer(decoded(scan(tmp_path / "data"), 32), CPU, seed=0, use_pairs=False)


@pytest.fixture
def scorer(fitted: HeldOutScorer) -> HeldOutScorer:
    """One of its own for every test."""
    return copy.copy(fitted)


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
    assert min(figures.found.values()) > 0.9 and min(figures.content_kept.values()) > 0.9
    assert min(figures.apart.values()) > 0.75 and alarm(figures.to_dict()) == ""
    assert figures.sharpness["dark->light"] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("traces", [0.0, 0.03])
def test_one_image_for_all_inputs_rings_the_alarm_whatever_traces_are_in_it(
    scorer: HeldOutScorer, traces: float
) -> None:
    """It pleases the classifier of real images; its own encoder reads every input out of the traces."""
    honest = scorer.figures(oracle(scorer), nullcontext())
    model = oracle(scorer)
    real = [next(scorer._images(scorer._test_rows[scorer._of(label)]))[:1] for label in range(2)]

    def decode(content: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        labels = torch.cdist(domain.flatten(1), model.means.flatten(1)).argmin(1)
        return torch.cat(real)[labels] + traces * content

    model.decode = decode  # type: ignore[method-assign]
    figures = scorer.figures(model, nullcontext())
    assert figures.judged == {"dark->light": 1.0, "light->dark": 1.0}
    assert "look alike" in alarm(figures.to_dict())
    assert max(figures.apart.values()) < 0.4
    assert figures.shortfall > honest.shortfall + 35, "it is never the best"
    if not traces:
        assert max(figures.found.values()) < 0.2


def test_traces_that_wear_away_are_no_content(scorer: HeldOutScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that hides its input in single pixels knows it again only where nothing touches the image."""
    model = oracle(scorer)
    places = torch.arange(32)
    board = (places[:, None] + places) % 2 * 2.0 - 1

    def encode(images: torch.Tensor, source: torch.Tensor | None = None) -> Codes:
        seen = Oracle.encode(model, images)
        hidden = 10 * torch.nn.functional.avg_pool2d(seen.content * board, 4)
        return Codes(torch.nn.functional.avg_pool2d(seen.content, 4) + hidden, seen.domain)

    def decode(content: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        return domain + 0.1 * torch.nn.functional.interpolate(content, (32, 32)) * board

    model.encode, model.decode = encode, decode  # type: ignore[method-assign]
    assert max(scorer.figures(model, nullcontext()).content_kept.values()) < 0.5
    monkeypatch.setattr("i2i_cli.models.likeness.worn", lambda images, draws, blur: images)
    assert min(scorer.figures(model, nullcontext()).content_kept.values()) > 0.9


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
