import pytest
import torch

from i2i_cli.jobs.evaluation.measurement import balanced_share_of, deviation_of, mean_of, share_of, with_means, within


def test_a_mean_has_an_interval_that_narrows_with_the_count() -> None:
    generator = torch.Generator().manual_seed(0)
    few, many = (torch.randn(count, generator=generator) + 5 for count in (40, 4000))
    small, large = mean_of("m", "all", few), mean_of("m", "all", many)
    assert small.low < small.value < small.high and (small.count, large.count) == (40, 4000)
    assert large.high - large.low == pytest.approx(2 * 1.96 / 4000**0.5, rel=0.1)
    assert (small.high - small.low) / (large.high - large.low) == pytest.approx(10, rel=0.3)


def test_a_share_has_wilsons_interval() -> None:
    figure = share_of("judged", "a->b", torch.tensor([True] * 81 + [False] * 19))
    assert figure.value == pytest.approx(0.81)
    assert (figure.low, figure.high) == (pytest.approx(0.7222, abs=1e-3), pytest.approx(0.8749, abs=1e-3))
    sure = share_of("judged", "a->b", torch.ones(10, dtype=torch.bool))
    assert sure.low < 0.8 and sure.high == 1.0, "ten right answers do not prove certainty"


def test_balanced_shares_weigh_labels_alike() -> None:
    right = torch.tensor([True] * 90 + [False] * 10)
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert balanced_share_of("m", "all", right, labels).value == pytest.approx(0.5)


def test_the_deviation_of_a_distance_is_that_of_its_resamples() -> None:
    first, second = torch.randn(400, 1, generator=torch.Generator().manual_seed(0)), torch.zeros(400, 1)
    deviation = deviation_of(lambda a, b: float(a.mean() - b.mean()), first, second)
    assert deviation == pytest.approx(1 / 400**0.5, rel=0.4)
    figure = within("gap", "a->b", 2.0, 0.5, 400, 0.1)
    assert (figure.low, figure.high, figure.reference) == (pytest.approx(1.02), pytest.approx(2.98), 0.1)


def test_means_are_added_where_there_is_more_than_one_subject() -> None:
    figures = [mean_of("L1", name, torch.tensor([value] * 5), value) for name, value in (("a", 1.0), ("b", 3.0))]
    *_, mean = with_means([*figures, mean_of("AUC", "all", torch.ones(3))])
    assert (mean.subject, mean.measure, mean.value, mean.reference, mean.count) == ("mean", "L1", 2.0, 2.0, 10)
    assert len(with_means(figures[:1])) == 1
