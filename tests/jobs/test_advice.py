from typing import Any

import pytest

from i2i_cli.jobs.advice import advice, score_of
from i2i_cli.jobs.training.figures import HeldOutFigures
from i2i_cli.jobs.verdict import NOT_HELD_OUT
from tests.jobs.test_verdict import GOOD


def history(*scores: float, steps: tuple[int, ...] = (500, 1000, 2000, 4000, 8000, 12000)) -> list[dict[str, Any]]:
    return [{"step": step, "shortfall": score} for step, score in zip(steps, scores, strict=False)]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ((), "Too early"),
        ((50.0, 20.0), "Too early"),
        ((170.1, 44.9, 17.2), "Still improving: the score fell from 44.9 to 17.2 (step 2,000)"),
        ((170.1, 44.9, 17.2, 16.5), "No clear gain"),
        ((170.1, 44.9, 17.2, 6.8, 7.8), "No clear gain"),
        ((170.1, 44.9, 17.2, 6.8, 9.8), "The last score, 9.8, is worse than the best, 6.8 at step 4,000"),
        ((170.1, 44.9, 17.2, 6.8, 7.8, 7.0), "No longer improving since step 4,000"),
        ((170.1, 44.9, 17.2, 6.8, 9.8, 12.0), "Getting worse: the last score is 12.0, and the best, 6.8 at step 4,000"),
        ((30.0, 10.0, 30.0, 11.0), "No longer improving since step 1,000"),
    ],
)
def test_whether_going_on_pays(scores: tuple[float, ...], words: str) -> None:
    told = advice(history(*scores))
    assert told.startswith(words), told
    since_best = len(scores) - scores.index(min(scores)) - 1 if scores else 0
    assert ("best.safetensors" in told) == (len(scores) > 2 and (since_best > 1 or "worse" in words))


def test_many_small_gains_are_a_gain() -> None:
    steps = tuple(range(4000, 44000, 4000))
    assert advice(history(*(20 - place for place in range(10)), steps=steps)).startswith("Still improving")
    assert advice(history(*(20 - place % 2 for place in range(10)), steps=steps)).startswith("No longer improving")


def test_advice_reads_files_of_other_ages() -> None:
    old = [{"step": step, "judged": {"a->b": share}, "frechet": {"a->b": 1.0}} for step, share in
           ((500, 0.2), (1000, 0.5), (2000, 0.9))]  # fmt: skip
    assert score_of(old[0]) == pytest.approx(81)
    assert "from 51.0 to 11.0" in advice(old)
    assert score_of(HeldOutFigures(**GOOD).to_dict()) == score_of(GOOD) == pytest.approx(7.5)
    assert advice([*old[:2], {"step": 2000, "shortfall": float("nan")}]).startswith("Too early")
    assert NOT_HELD_OUT in advice([*old[:2], old[2] | {"held_out": False}])
