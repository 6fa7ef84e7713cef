import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from i2i_cli.cli import training_view
from i2i_cli.cli.training_view import TrainingView
from i2i_cli.jobs.training.figures import HeldOutFigures

SHEET = Image.new("RGB", (4, 4))
TERMS = {"pixel": 0.528, "content_ridge": 0.2, "kl": 0.13, "domain_stream": 1.4, "domain_critic": 1.4}


def figures(**changes: Any) -> HeldOutFigures:
    pairs = [f"{a}->{b}" for a in "abc" for b in "abc" if a != b]
    values: dict[str, Any] = {
        "held_out": True, "reconstruction_l1": 0.15, "leak_means": 0.9, "leak_noisy": 0.5,
        "judged": dict.fromkeys(pairs, 0.9) | {"a->b": 0.3}, "judge_accuracy": 0.98,
        "frechet": dict.fromkeys(pairs, 5.0), "frechet_reconstruction": 2.0, "pair_l1": {},
    }  # fmt: skip
    return HeldOutFigures(**(values | changes))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the view sees."""
    now = [1000.0]
    monkeypatch.setattr(training_view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_plain_lines_say_how_far_how_long_still_and_how_good(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingView() as view:
        view.training(20, 0.1, 99.6, TERMS)
        clock[0] += 60
        view.training(1240, 0.2, 99.6, TERMS)
        clock[0] += 60
        view.training(2400, 0.9, 99.6, {"kl": 0.1})
    assert capsys.readouterr().err.splitlines() == [
        "training 20%: step 1,240, 100 images/s, about 8 minutes left, rebuild error 0.528",
        "training 90%: step 2,400, 100 images/s, under a minute left",
    ]


def test_held_out_figures_come_with_what_to_compare_them_to_and_are_explained_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with TrainingView() as view:
        view.scored(1500, figures())
        view.scored(2000, figures(leak_means=None, reconstruction_l1=None, frechet_reconstruction=None))
    first, legend, second = capsys.readouterr().err.splitlines()
    assert first == (
        "step 1,500, held out: rebuild error 0.150, classified as the target 80.0% (worst pair 30.0%; real images "
        "98.0%), Frechet 5.00 (rebuilt images 2.00), domain leakage 0.90 (chance 0.33)"
    )
    assert "more is better" in legend
    assert second == (
        "step 2,000, held out: classified as the target 80.0% (worst pair 30.0%; real images 98.0%), Frechet 5.00"
    )


def test_translations_that_look_alike_ring_an_alarm_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingView() as view:
        view.scored(1500, figures(found={"a->b": 0.9, "b->a": 0.8}, apart={"a->b": 0.9, "b->a": 0.3}))
        view.scored(2000, figures(found={"a->b": 0.9, "b->a": 0.8}, apart={"a->b": 0.9, "b->a": 0.8}))
    first, alarm, _, second = capsys.readouterr().err.splitlines()
    assert "own input found again 80%, nearest other output 0.30 of real images'" in first
    assert alarm == (
        "  warning: its translations b->a look alike, whatever the input: the nearest other one is 0.30 times as far "
        "as among real images"
    )
    assert "nearest other output 0.80" in second


def test_the_first_samples_are_announced_once(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingView() as view:
        view.started(Path("runs/x"), 0)
        view.sampled(50, SHEET)
        view.sampled(100, SHEET)
    assert capsys.readouterr().err == "step 50: the first samples are in runs/x/samples/latest.png; look again later\n"


def test_a_terminal_shows_no_name_of_a_loss_term(monkeypatch: pytest.MonkeyPatch) -> None:
    # Late: rich.
    from rich.console import Console

    console = Console(force_terminal=True, width=100, record=True, file=io.StringIO())
    monkeypatch.setattr(training_view, "stderr_console", lambda: console)
    with TrainingView() as view:
        view.training(1240, 0.25, 222.4, TERMS)
        console.print(*view._bars.get_renderables())
        view.encoding(1, 4)
        console.print(*view._bars.get_renderables())
    shown = console.export_text()
    assert "step 1,240, 222 images/s" in shown and "rebuild error 0.528 (0 is perfect)" in shown and " left" in shown
    assert "writing the images' codes" in shown and "1 of 4 images" in shown
    assert not any(name in shown for name in ("pixel", "ridge", "kl", "domain_"))
    after = shown[shown.index("writing the images' codes") :]
    assert "training" not in after and "rebuild error" not in after
