import json
import subprocess
import sys
from typing import Any

import pytest

from i2i_cli.checkpoints.doubt import MAX_REBUILD_ERROR, MIN_APART, MIN_FOUND, MIN_JUDGED, alarm, doubt
from i2i_cli.checkpoints.header import Header
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.verdict import LOOK, NOT_HELD_OUT, Finding, graded, percent, verdict

GOOD: dict[str, Any] = {
    "held_out": True, "reconstruction_l1": 0.12, "leak_means": 0.9, "leak_noisy": 0.55, "judge_accuracy": 0.98,
    "judged": {"anime->human": 0.95, "human->anime": 0.99}, "frechet": {"anime->human": 2.0, "human->anime": 3.0},
    "frechet_reconstruction": 2.0, "pair_l1": {},
}  # fmt: skip


def found(figures: dict[str, Any], measure: str, **more: Any) -> Finding:
    (finding,) = [one for one in verdict(figures, **more).findings if one.measure == measure]
    return finding


def test_good_figures_are_told_as_good_and_not_trusted_alone() -> None:
    told = verdict(HeldOutFigures(**GOOD).to_dict())
    assert told.level == "good" and told.headline == "The figures are good: translations reach their targets."
    assert told.caution == LOOK and "sheet" in LOOK
    assert [(one.measure, one.value, one.level) for one in told.findings] == [
        ("rebuild error", "0.120", "good"),
        ("classified as the target", "97 %", "good"),
        ("Frechet distance", "2.50", "good"),
        ("domain leakage", "55 %", "good"),
    ]
    assert all(one.meaning.endswith(".") for one in told.findings)
    assert "fewest from anime to human: 95 %" in told.findings[1].meaning
    assert "Rebuilt images lie at 2.00" in told.findings[2].meaning
    assert "50 % is chance" in told.findings[3].meaning and "90 %" in told.findings[3].meaning


@pytest.mark.parametrize(
    ("change", "level", "measure"),
    [
        ({"reconstruction_l1": 0.2}, "good", "rebuild error"),
        ({"reconstruction_l1": 0.21}, "fair", "rebuild error"),
        ({"reconstruction_l1": MAX_REBUILD_ERROR}, "fair", "rebuild error"),
        ({"reconstruction_l1": 0.36}, "poor", "rebuild error"),
        ({"judged": {"a->b": 0.9, "b->a": 0.8}}, "fair", "classified as the target"),
        ({"judged": {"a->b": 0.9, "b->a": MIN_JUDGED}}, "fair", "classified as the target"),
        ({"judged": {"a->b": 0.9, "b->a": 0.24}}, "poor", "classified as the target"),
        ({"frechet": {"a->b": 7.0, "b->a": 6.0}}, "fair", "Frechet distance"),
        ({"frechet": {"a->b": 17.0, "b->a": 26.0}}, "poor", "Frechet distance"),
        ({"frechet_reconstruction": 0.01}, "good", "Frechet distance"),
        ({"found": {"a->b": 0.7, "b->a": 1.0}}, "good", "own input found again"),
        ({"found": {"a->b": 0.69, "b->a": 1.0}}, "fair", "own input found again"),
        ({"found": {"a->b": MIN_FOUND, "b->a": 1.0}}, "fair", "own input found again"),
        ({"apart": {"a->b": 0.75}}, "good", "nearest other output"),
        ({"apart": {"a->b": MIN_APART}}, "fair", "nearest other output"),
        ({"variety": 0.5}, "good", "variety"),
        ({"variety": 0.3}, "fair", "variety"),
        ({"variety": 0.1}, "poor", "variety"),
    ],
)
def test_the_worst_figure_of_images_decides(change: dict[str, Any], level: str, measure: str) -> None:
    told = verdict(GOOD | change)
    assert told.level == found(GOOD | change, measure).level == level
    assert level == "good" or measure in told.headline


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"apart": {"a->b": 0.9, "b->a": 0.31}}, "its translations b->a look alike, whatever the input"),
        ({"found": {"a->b": 0.13, "b->a": 0.9}}, "its translations a->b do not follow their input: only 13%"),
    ],
)
def test_translations_that_ignore_their_input_are_told_before_all_else(change: dict[str, Any], words: str) -> None:
    told = verdict(GOOD | change)
    assert told.level == "poor" and words in told.headline and told.headline.startswith("Do not rely on this model")


def test_figures_that_are_not_known_of_a_pair_are_passed_over() -> None:
    assert alarm({"apart": {"a->b": None, "b->a": 0.9}, "found": None}) == ""
    assert "b->a" in alarm({"apart": {"a->b": None, "b->a": 0.2}})


def test_leakage_is_told_but_does_not_decide() -> None:
    for leak, level in ((0.5, "good"), (0.7, "fair"), (0.9, "poor")):
        assert found(GOOD | {"leak_noisy": leak}, "domain leakage").level == level
        assert verdict(GOOD | {"leak_noisy": leak}).level == "good"
    exact = found(GOOD | {"leak_noisy": None}, "domain leakage")
    assert exact.value == "90 %" and "noise" not in exact.meaning
    only = {"leak_noisy": 0.5, "leak_means": None}
    assert found(only, "domain leakage", num_domains=4).level == "fair", "chance is a quarter"
    assert verdict(only).findings == (), "chance is not known"


def test_weights_that_are_doubted_are_never_told_as_more_than_poor() -> None:
    for change in (
        {"reconstruction_l1": 0.351}, {"judged": {"a->b": 0.249, "b->a": 1.0}}, {"found": {"a->b": 0.2}},
        {"apart": {"a->b": 0.59, "b->a": 0.9}}, {},
    ):  # fmt: skip
        figures = GOOD | change
        known = {"family": "srae", "image_size": 32, "domains": ("a", "b"), "step": 1000, "config": {}}
        header = Header(**known, figures=figures)
        assert (verdict(figures).level == "poor") == bool(doubt(header))


def test_a_classifier_that_hardly_tells_real_images_apart_says_nothing() -> None:
    told = verdict(GOOD | {"judge_accuracy": 0.7})
    assert told.level == "unknown" and "too few for this figure to say much" in told.findings[1].meaning
    assert verdict(GOOD | {"judge_accuracy": 0.7, "judged": {"a->b": 0.1}}).level == "poor"


def test_figures_of_training_images_are_never_good() -> None:
    told = verdict(GOOD | {"held_out": False})
    assert told.level == "fair" and told.caution.startswith(NOT_HELD_OUT)
    assert verdict(GOOD | {"held_out": False, "reconstruction_l1": 0.5}).level == "poor"


def test_what_a_file_lacks_is_left_out() -> None:
    nothing = verdict({})
    assert (nothing.level, nothing.findings, nothing.caution) == ("unknown", (), "")
    assert nothing.headline == "There are no figures of translations to judge by."
    dual = verdict(GOOD | dict.fromkeys(("reconstruction_l1", "leak_means", "leak_noisy", "frechet_reconstruction")))
    assert dual.level == "good" and [one.level for one in dual.findings] == ["good", "unknown"]
    odd = {
        "judged": {"a->b": None, "b->a": 0.9},
        "frechet": "none",
        "reconstruction_l1": float("nan"),
        "leak_noisy": True,
    }
    assert [one.value for one in verdict(odd).findings] == ["90 %"]
    assert verdict({"reconstruction_l1": 0.1}).level == "unknown", "it says nothing of translations"


def test_more_is_told_and_does_not_decide() -> None:
    more = Finding("neighbours found", "3 %", "Few.", "poor")
    told = verdict(GOOD, more=[more])
    assert told.findings[-1] == more and told.level == "good"


def test_shares_and_levels() -> None:
    assert [percent(share) for share in (0, 0.004, 0.93, 0.996, 0.9999, 1)] == [
        "0 %", "0.4 %", "93 %", "99.6 %", "100 %", "100 %",
    ]  # fmt: skip
    assert [graded(value, 1, 3) for value in (1, 3, 3.1)] == ["good", "fair", "poor"]
    assert [graded(value, 3, 1) for value in (3, 1, 0.9)] == ["good", "fair", "poor"]


def test_a_page_may_import_it_at_once() -> None:
    code = (
        "import sys, json, i2i_cli.jobs.verdict, i2i_cli.jobs.advice, i2i_cli.jobs.training.curves;"
        "print(json.dumps([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == []
