import pytest

from i2i_cli.jobs.evaluation.evaluate import SECTIONS, Evaluation
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, with_means
from i2i_cli.jobs.evaluation.summary import TITLES, figures_of, verdict_of
from i2i_cli.jobs.verdict import verdict


def one(measure: str, subject: str, value: float, reference: float | None = None) -> Measurement:
    return Measurement(measure=measure, subject=subject, value=value, low=None, high=None, count=9, reference=reference)


def evaluation(**figures: list[Measurement]) -> Evaluation:
    sections = tuple(Section(name=name, text="", figures=with_means(found)) for name, found in figures.items())
    return Evaluation(weights="w", model="m", data="d", held_out={"a": 9, "b": 9, "c": 9}, sections=sections, notes=())


WHOLE = {
    "reconstruction": [one("L1", "a", 0.1), one("L1", "b", 0.2), one("PSNR", "a", 20)],
    "leak": [one("content, MLP", "all", 0.8, 1 / 3), one("content with noise, MLP", "all", 0.4, 1 / 3),
             one("domain code, MLP", "all", 1.0, 1 / 3)],
    "translation": [one("judged", "a->b", 0.9, 0.95), one("judged", "b->a", 0.7, 0.99), one("found", "a->b", 0.8),
                    one("apart", "a->b", 0.9)],
    "realism": [one("Frechet", "a->b", 6, 4), one("Frechet", "b->a", 8, 2), one("variety, inputs", "a->b", 0.6, 1.0)],
    "retrieval": [one("R@1 descriptor", "a->b", 0.6, 0.1), one("R@1 content", "a->b", 0.2, 0.1),
                  one("R@1 pixels", "a->b", 0.3, 0.1)],
    "classification": [one("balanced accuracy", "all", 0.98, 1 / 3)],
}  # fmt: skip


def test_sections_become_the_figures_that_a_training_has() -> None:
    figures = figures_of(evaluation(**WHOLE))
    assert figures == {
        "held_out": True, "reconstruction_l1": pytest.approx(0.15), "judged": {"a->b": 0.9, "b->a": 0.7},
        "judge_accuracy": pytest.approx(0.97), "frechet": {"a->b": 6, "b->a": 8}, "frechet_reconstruction": 3,
        "found": {"a->b": 0.8}, "apart": {"a->b": 0.9},
        "leak_means": 0.8, "leak_noisy": 0.4, "variety": 0.6,
    }  # fmt: skip
    told = verdict_of(evaluation(**WHOLE))
    assert told.level == "fair" and told.headline.endswith("held back by classified as the target.")
    assert told.findings[:7] == verdict(figures, num_domains=3).findings
    assert "33 % is chance" in told.findings[6].meaning
    assert [(finding.measure, finding.value, finding.level) for finding in told.findings[7:]] == [
        ("neighbours found", "60 %", "good"), ("domains told", "98 %", "good"),
    ]  # fmt: skip
    assert "By raw pixels it would be 30 %, by chance 10 %." in told.findings[7].meaning


@pytest.mark.parametrize(("found", "level"), [(0.29, "poor"), (0.4, "fair"), (0.55, "good")])
def test_neighbours_have_to_beat_raw_pixels(found: float, level: str) -> None:
    figures = [one("R@1 content", "a->b", found, 0.1), one("R@1 pixels", "a->b", 0.3, 0.1)]
    (finding,) = verdict_of(evaluation(retrieval=figures)).findings
    assert finding.level == level


def test_sections_that_were_not_asked_for_are_no_findings() -> None:
    told = verdict_of(evaluation(leak=WHOLE["leak"]))
    assert [finding.measure for finding in told.findings] == ["domain leakage"] and told.level == "unknown"
    assert told.headline == "There are no figures of translations to judge by."
    assert TITLES.keys() == set(SECTIONS)
