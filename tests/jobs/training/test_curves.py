import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i_cli.engine.journal import Journal
from i2i_cli.errors import DataError
from i2i_cli.jobs.training import curves
from i2i_cli.jobs.training.curves import curve_groups, read_journal, save_curves
from i2i_cli.jobs.training.layout import is_run, sample_name, sample_sheets
from i2i_cli.jobs.training.words import TERMS, words_of
from i2i_cli.models import FAMILIES
from tests.jobs.evaluation.test_evaluation import Tags

SCORE = {
    "held_out": True, "reconstruction_l1": 0.1, "judged": {"a->b": 0.9, "b->a": 0.5}, "judge_accuracy": 0.97,
    "mean_judged": 0.7, "frechet": {"a->b": 3.0, "b->a": 4.0}, "mean_frechet": 3.5, "frechet_reconstruction": None,
    "leak_means": None, "leak_noisy": None, "shortfall": 53.5,
}  # fmt: skip


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The folder of a run with a made-up journal and two sample sheets."""
    run = tmp_path / "mine & <yours>"
    (run / "samples").mkdir(parents=True)
    journal = Journal(run / "journal.jsonl")
    for step in (20, 40, 60):
        terms = {"pixel": 10 / step, "kl": 0.1 * step, "adversarial/b": 0.5, "new_term": 1.0}
        journal.write("training", step, images_per_second=90.0, **terms)
    for step in (20, 40, 60):
        journal.write("held-out", step, **(SCORE | {"shortfall": 1000.0 / step}))
    for step in (20, 60):
        Image.new("RGB", (130, 150), (step, 90, 90)).save(run / "samples" / sample_name(step))
    Image.new("RGB", (9, 9)).save(run / "samples" / "step-latest.png")
    return run


def test_curves_are_data_in_plain_words(trained: Path) -> None:
    groups = {group.title: group for group in curve_groups(read_journal(trained))}
    names = {title: [curve.name for curve in group.curves] for title, group in groups.items()}
    assert names == {
        "Errors of images": ["pixel", "reconstruction_l1"],
        "Shares of held-out images": ["mean_judged", "worst_judged", "judge_accuracy"],
        "Distances of held-out images": ["mean_frechet", "shortfall"],
        "Forces between networks": ["kl", "adversarial/b", "new_term"],
    }
    pixel = groups["Errors of images"].curves[0]
    assert pixel.title == "rebuild error (pixel)" and "0 is perfect" in pixel.meaning
    assert pixel.steps == (20, 40, 60) and pixel.values == pytest.approx((0.5, 0.25, 1 / 6), rel=1e-4)
    assert groups["Shares of held-out images"].curves[1].values == (0.5, 0.5, 0.5)
    assert [one.title for one in groups["Forces between networks"].curves][1:] == [
        "fooling the critic, b (adversarial)", "new term (new_term)",
    ]  # fmt: skip
    assert all(group.meaning for group in groups.values())


def test_the_worst_of_what_is_to_be_high_is_a_curve_of_its_own() -> None:
    names = ("found", "apart", "content_kept", "sharpness")
    pairs = {name: {"a->b": 0.9, "b->a": 0.1 * place} for place, name in enumerate(names, start=1)}
    (group,) = curve_groups([{"kind": "held-out", "step": 20, **pairs}])
    assert {curve.name: curve.values for curve in group.curves} == {
        f"worst_{name}": (pytest.approx(pairs[name]["b->a"]),) for name in names
    }
    assert all(curve.title.endswith("worst pair") and curve.meaning for curve in group.curves)


def test_every_loss_term_of_every_family_has_plain_words() -> None:
    for family in FAMILIES.values():
        for term in vars(family.objective.weights):
            words = words_of(term)
            assert words.meaning and words.title.endswith(f"({term})") and words.title != f"{term} ({term})", term
    assert all(words_of(term).title.startswith(title) for term, title in TERMS.items())


def test_numbers_that_are_none_leave_gaps() -> None:
    lines: list[dict[str, Any]] = [
        {"kind": "training", "step": 20, "pixel": float("nan"), "kl": 0.5},
        {"kind": "training", "step": 40, "pixel": 0.4, "kl": True},
        {"kind": "sitting", "step": 40, "threads": 2},
    ]
    errors, forces = curve_groups(lines)
    assert (errors.curves[0].steps, forces.curves[0].steps) == ((40,), (20,))
    assert curve_groups([]) == ()


def test_the_page_opens_with_the_verdict_and_whether_to_go_on(trained: Path, tmp_path: Path) -> None:
    save_curves(tmp_path / "curves.html", trained)
    page = (tmp_path / "curves.html").read_text()
    Tags().check(page)
    assert "mine &amp; &lt;yours&gt;" in page and "<yours>" not in page
    places = [page.index(text) for text in (
        "<h1>", "The figures are fair, held back by classified as the target.", "Still improving", "Look at the sheet",
        "fewest from b to a", "step 60</figcaption>", "step 20</figcaption>", "rebuild error (pixel)",
    )]  # fmt: skip
    assert places == sorted(places)
    assert page.count("<svg") == 4 and page.count('data-label="score"') == 3
    assert "http" not in page and "src=" not in page.replace('src="data:', "")


def test_a_run_that_was_never_scored_says_so(tmp_path: Path) -> None:
    Journal(tmp_path / "journal.jsonl").write("training", 20, pixel=0.5)
    save_curves(tmp_path / "curves.html", tmp_path)
    page = (tmp_path / "curves.html").read_text()
    assert "There are no figures of translations to judge by." in page and "Too early to say" in page
    assert "Held-out figures" not in page and "What it makes" not in page
    assert is_run(tmp_path) and not is_run(tmp_path / "nowhere")
    with pytest.raises(DataError, match="empty journal"):
        save_curves(tmp_path / "curves.csv", tmp_path / "nowhere")


def test_sheets_are_as_large_as_fits_the_page(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [step for step, _ in sample_sheets(trained)] == [20, 60]
    assert widths(trained, tmp_path) == [4 * 130, 4 * 130]
    monkeypatch.setattr(curves, "SHEET_PIXELS", 2 * 130 * 150 * 4)
    assert widths(trained, tmp_path) == [2 * 130, 2 * 130]
    for step in range(100, 400, 20):
        Image.new("RGB", (13, 15)).save(trained / "samples" / sample_name(step))
    assert len(widths(trained, tmp_path)) == curves.MAX_SAMPLES
    page = (tmp_path / "curves.html").read_text()
    assert re.findall(r"step (\d+)</figcaption>", page)[:: curves.MAX_SAMPLES - 1] == ["380", "20"]


def widths(run: Path, out: Path) -> list[int]:
    """Of the sheets on the page of `run`."""
    save_curves(out / "curves.html", run)
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', (out / "curves.html").read_text())
    return [Image.open(io.BytesIO(base64.b64decode(data))).width for data in found]
