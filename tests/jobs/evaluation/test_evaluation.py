import base64
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest
import torch
from PIL import Image

from i2i_cli.errors import ConfigError, DataError, WeightsError
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.evaluation import report
from i2i_cli.jobs.evaluation.downloads import inception, is_cached, lpips
from i2i_cli.jobs.evaluation.evaluate import SECTIONS, Evaluation, evaluate
from i2i_cli.jobs.evaluation.inputs import Coded, EvaluationData, gather
from i2i_cli.jobs.evaluation.leak import leak
from i2i_cli.jobs.evaluation.measurement import Measurement
from i2i_cli.jobs.evaluation.realism import MIN_FOR_DISTANCES, feature_network, frechet, inside, kernel
from i2i_cli.jobs.evaluation.report import PER_DOMAIN, save_report
from i2i_cli.jobs.evaluation.retrieval import average_precision, chance_of_recall
from i2i_cli.jobs.evaluation.summary import verdict_of
from i2i_cli.jobs.evaluation.translations import agreement
from i2i_cli.jobs.plots.pages import SQUARE_SIDE
from i2i_cli.jobs.retrieval.indexing import index_folder
from i2i_cli.models.likeness import gradient_energy
from i2i_cli.models.probes import frechet_distance
from tests.conftest import draw_domains, draw_factor_domains


def with_test(root: Path, draw: Callable[..., Path], count: int = 16) -> Path:
    """A data set of `count` training images of each domain and as many others held out."""
    for shift, split in enumerate(("train", "test")):
        draw(root / split, count=count, shift=shift)
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return with_test(tmp_path / "shapes", draw_domains)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Enough images for distances between sets."""
    return with_test(tmp_path / "many", draw_domains, count=MIN_FOR_DISTANCES)


def figure(found: Evaluation, section: str, measure: str, subject: str) -> Measurement:
    (own,) = [one for one in found.sections if one.name == section]
    (figure,) = [one for one in own.figures if (one.measure, one.subject) == (measure, subject)]
    return figure


def test_every_section_of_a_model_is_measured(run: Path, data: Path, tmp_path: Path) -> None:
    found, material = evaluate(load(run), data)
    assert [section.name for section in found.sections] == [name for name in SECTIONS if name != "attributes"]
    assert found.held_out == {"disc": 16, "square": 16}
    assert {one.subject for one in found.sections[2].figures} == {"disc->square", "square->disc", "mean"}
    assert figure(found, "leak", "content, MLP", "all").reference == 0.5
    assert figure(found, "translation", "judged", "disc->square").count == 16
    assert sum(map(sum, found.sections[-1].matrix)) == 32
    for section in found.sections:
        for one in section.figures:
            assert one.value == one.value, f"{one.measure} is no number"
            assert one.low is None or one.low <= one.value + 1e-9
    assert evaluate(load(run), data)[0] == found, "the same seed, the same figures"
    save_report(tmp_path / "report.html", found, material)
    page = (tmp_path / "report.html").read_text()
    Tags().check(page)
    assert page.count("<h1>") == 1 < page.index('class="headline"') < page.index("<h2")
    assert verdict_of(found).headline in page and "http" not in page and "src=" not in page.replace('src="data:', "")
    assert page.count('<img src="data:image/jpeg;base64,') == 4 * 2 * PER_DOMAIN
    assert page.count("disc to square") == 3 and page.count("<circle") == 3 * 32
    assert sides(page) == {SQUARE_SIDE}


def test_translations_that_are_all_one_image_are_told_whatever_a_classifier_says(run: Path, many: Path) -> None:
    model = load(run)
    honest, _ = evaluate(model, many, only=("translation",))
    assert figure(honest, "translation", "found", "disc->square").reference == 1 / MIN_FOR_DISTANCES
    assert {one.measure for one in honest.sections[0].figures} >= {"found", "apart", "content kept"}
    decode = model.model.decode
    model.model.decode = lambda content, domain: decode(content[:1].expand_as(content), domain)  # type: ignore[method-assign]
    collapsed, _ = evaluate(model, many, only=("translation",))
    assert figure(collapsed, "translation", "apart", "disc->square").value < 0.01
    assert figure(collapsed, "translation", "found", "disc->square").value <= 0.1
    assert "look alike, whatever the input" in verdict_of(collapsed).headline


def sides(page: str) -> set[int]:
    """Of the images on a page, pixels."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return {side for data in found for side in Image.open(io.BytesIO(base64.b64decode(data))).size}


def test_a_sheet_of_many_domains_is_cut_to_what_a_page_holds(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, material = evaluate(load(run), data, only=("classification",))
    monkeypatch.setattr(report, "MAX_SQUARES", 16)
    save_report(tmp_path / "report.html", found, material)
    page = (tmp_path / "report.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64,') == 4 * 2 * 2
    assert page.index("from disc") < page.index("from square")


class Tags(HTMLParser):
    """Complains of tags that are not closed."""

    def check(self, page: str) -> None:
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_dual_family_is_measured_along_its_routes(dual_run: Path, tmp_path: Path) -> None:
    root = with_test(tmp_path / "factors", draw_factor_domains)
    found, _ = evaluate(load(dual_run), root)
    names = {one.subject for section in found.sections for one in section.figures if section.name == "translation"}
    assert names == {"grey_disc->red_disc", "red_disc->grey_disc", "red_square->grey_square",
                     "grey_square->red_square", "mean"}  # fmt: skip
    assert {one.measure for one in found.sections[1].figures} == {"domain code, linear", "domain code, MLP"}


def test_a_gallery_is_measured_by_its_codes(run: Path, data: Path, tmp_path: Path) -> None:
    model, codes = load(run), tmp_path / "codes.safetensors"
    index_folder(model, data, codes)
    found, whole = evaluate(model, codes)[0], evaluate(model, data, only=("retrieval", "classification"))[0]
    assert [section.name for section in found.sections] == ["leak", "retrieval", "classification"]
    assert any("no images" in note for note in found.notes)
    for measure in ("R@1 content", "mAP domain"):
        by_codes, by_images = (figure(one, "retrieval", measure, "disc->square") for one in (found, whole))
        assert by_codes.value == pytest.approx(by_images.value, abs=0.07), "the same images, their codes rounded"
    with pytest.raises(DataError, match="fewer than 3 held-out"):
        evaluate(model, run / "gallery.safetensors")


def test_chosen_sections_and_shared_names(run: Path, data: Path) -> None:
    found, _ = evaluate(load(run), data, only=("retrieval",), same="^[01]")
    (section,) = found.sections
    assert section.name == "retrieval"
    chance = figure(found, "retrieval", "R@1 pixels", "disc->square").reference
    assert chance == pytest.approx((10 / 16) ** 2 + (6 / 16) ** 2), "ten names begin with 0 and six with 1"
    of_five = figure(found, "retrieval", "R@5 pixels", "disc->square").reference
    wrong = {10: 6 / 16 * 5 / 15 * 4 / 14 * 3 / 13 * 2 / 12, 6: 10 / 16 * 9 / 15 * 8 / 14 * 7 / 13 * 6 / 12}
    assert of_five == pytest.approx(1 - sum(count / 16 * missed for count, missed in wrong.items()))


def test_what_cannot_be_measured_is_said(run: Path, dual_run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no section 'leek'"):
        evaluate(load(run), data, only=("leek",))
    with pytest.raises(ConfigError, match="regular expression"):
        evaluate(load(run), data, same="[")
    with pytest.raises(DataError, match="no folder grey_disc"):
        evaluate(load(dual_run), data)
    with pytest.raises(WeightsError, match="other weights"):
        evaluate(load(dual_run), run / "gallery.safetensors")
    few = draw_domains(tmp_path / "few", count=3)
    with pytest.raises(DataError, match="fewer than 3"):
        evaluate(load(run), few)


def test_a_probe_reads_what_is_there_and_nothing_else(run: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(600) % 2
    told = torch.randn(600, 8, generator=generator)
    # The exclusive or of two signs: nothing for a line, everything for an MLP.
    signs = torch.randn(600, 2, generator=generator).sign()
    labels = (signs[:, 0] != signs[:, 1]).long()
    content = torch.cat([told, signs], dim=1)
    halves = [
        Coded(content[rows], told[rows], told[rows, :0], labels[rows], ("",) * 300)
        for rows in (slice(0, 300), slice(300, 600))
    ]
    all_fresh = torch.ones(300, dtype=torch.bool)
    found = {one.measure: one.value for one in leak(EvaluationData(load(run), *halves, all_fresh), 0).figures}
    assert found["content, linear"] < 0.65 and found["content, MLP"] > 0.95
    assert found["domain code, MLP"] < 0.65


def test_distances_between_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    first, same = torch.randn(300, 128, generator=generator), torch.randn(300, 128, generator=generator)
    assert frechet(first, same + 1) == pytest.approx(frechet_distance(first, same + 1), rel=1e-3)
    assert frechet(first, same) < frechet(first, same + 1)
    assert kernel(first, same)[0] < kernel(first, same + 1)[0]
    assert bool(inside(first, first).all()) and not bool(inside(first + 100, first).any())


def test_the_bundled_features_notice_damage() -> None:
    network, digest = feature_network()
    assert len(digest) == 64
    images = torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    soft = torch.nn.functional.avg_pool2d(images, 3, 1, 1)
    assert network(images).shape == (20, 128)
    assert float((network(images) - network(soft)).norm()) > 0.1
    assert float(gradient_energy(soft).mean() / gradient_energy(images).mean()) < 0.5


def test_average_precision_and_edges_by_hand() -> None:
    hits = torch.tensor([[True, False, True], [False, True, False]])
    assert average_precision(hits).tolist() == pytest.approx([(1 + 2 / 3) / 2, 0.5])
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert agreement(images, images).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    assert float(agreement(images, images.roll(1, 0)).abs().max()) < 0.5


def test_inception_is_used_where_it_is_cached(run: Path, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.randn(3, 600, generator=torch.Generator().manual_seed(0))
    module = import_module("i2i_cli.jobs.evaluation.realism")
    monkeypatch.setattr(module, "inception", lambda: lambda images: images.mean((2, 3)) @ weights.to(images.device))
    found = evaluate(load(run), many, only=("realism",))[0]
    distance = figure(found, "realism", "FID", "disc->square")
    assert distance.low is None and distance.reference is not None and distance.value >= 0
    assert figure(found, "realism", "KID x1000", "square->disc").low is not None


def test_cached_weights_are_those_that_their_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    assert not is_cached("net-0123abcd.pth") and inception() is None and lpips() is None
    (tmp_path / "checkpoints" / "net-0123abcd.pth").write_bytes(b"something else")
    assert not is_cached("net-0123abcd.pth")
    (tmp_path / "checkpoints" / "net-e3b0c442.pth").touch()
    assert is_cached("net-e3b0c442.pth"), "the hash of nothing"


def test_translations_are_measured_for_sharpness(run: Path, data: Path) -> None:
    found = evaluate(load(run), data, only=("realism",))[0]
    sharpness = figure(found, "realism", "sharpness", "disc->square")
    assert sharpness.reference is not None and 0 < sharpness.value < 2


def test_chance_is_that_of_different_answers() -> None:
    relevant = torch.tensor([[True, False, False, False], [True, True, True, False], [False] * 4])
    assert chance_of_recall(relevant, 1) == pytest.approx((1 / 4 + 3 / 4 + 0) / 3)
    assert chance_of_recall(relevant, 2) == pytest.approx((2 / 4 + 1 + 0) / 3), (
        "of three right ones in four, two find one"
    )
    assert chance_of_recall(relevant, 9) == pytest.approx(2 / 3)


def seen(pictures) -> set[bytes]:
    return {square.numpy().tobytes() for square in pictures.squares}


def material_of(model, root: Path, **limits: int) -> EvaluationData:
    options = {"test_limit": 500, "train_limit": 500} | limits
    return gather(model, root, same=None, table=None, report=lambda done, total: None, **options)


def test_probes_are_scored_on_nothing_that_they_learned_from(run: Path, data: Path, tmp_path: Path) -> None:
    model = load(run, "cpu")
    split = material_of(model, data)
    assert split.fresh.all() and not seen(split.train_pictures) & seen(split.test_pictures)
    plain = draw_domains(tmp_path / "others", count=15, shift=2)  # places are the names' last hex digit: all differ
    whole = material_of(model, plain)
    assert len(whole.test.labels) == 30, "the model has seen none of them: all are held out"
    learned, squares = seen(whole.train_pictures), [square.numpy().tobytes() for square in whole.test_pictures.squares]
    assert 0 < len(learned) < 30
    assert [square not in learned for square in squares] == whole.fresh.tolist()
    assert any("all of them are held out" in note for note in whole.notes)
    few = material_of(model, plain, test_limit=8)
    assert len(few.test.labels) == len(few.fresh) == 16 and 0 < int(few.fresh.sum()) < 16


def test_what_a_model_was_trained_on_is_known_again_wherever_it_lies(run: Path, tmp_path: Path) -> None:
    model = load(run, "cpu")
    copied = draw_domains(tmp_path / "of-another-name")
    with pytest.raises(DataError, match="fewer than 3 held-out"):
        material_of(model, copied)  # training held out one image of each domain
    for place in range(4):
        for domain in ("disc", "square"):
            (copied / domain / f"{place:02d}.png").unlink()
    with pytest.raises(DataError, match="fewer than 3 held-out"):
        material_of(model, copied)  # most of it is still what was trained on
    older = load(run, "cpu")
    del older.header.trained_on["sample"]
    with pytest.raises(DataError, match="fewer than 3 held-out"):
        material_of(older, draw_domains(tmp_path / "others", shift=1))  # as many images: taken for it
    elsewhere = load(run, "cpu")
    elsewhere.header.trained_on["sample"] = ["0" * 16]
    again = draw_domains(tmp_path / "again" / elsewhere.header.trained_on["data"])
    with pytest.raises(DataError, match="fewer than 3 held-out"):
        material_of(elsewhere, again)  # as many under the same name, if decoded a level off


def test_an_index_of_other_images_is_held_out_whole(run: Path, tmp_path: Path) -> None:
    model, codes = load(run, "cpu"), tmp_path / "codes.safetensors"
    index_folder(model, draw_domains(tmp_path / "others", count=20, shift=1), codes)
    found = material_of(model, codes)
    assert len(found.test.labels) == 40 and 0 < int(found.fresh.sum()) < 40
    assert len(found.train.labels) == 40 - int(found.fresh.sum())
    index_folder(model, tmp_path / "others" / "disc", tmp_path / "plain.safetensors")
    with pytest.raises(DataError, match="fewer than 3"):
        material_of(model, tmp_path / "plain.safetensors")


def test_distances_of_few_images_are_not_told_and_that_is_said_once(run: Path, data: Path, many: Path) -> None:
    few, enough = (evaluate(load(run), root, only=("realism",))[0] for root in (data, many))
    measures = [{one.measure for one in found.sections[0].figures} for found in (few, enough)]
    assert not {"Frechet", "kernel x1000"} & measures[0] and {"precision", "sharpness"} <= measures[0]
    assert {"Frechet", "kernel x1000"} <= measures[1]
    assert [note for note in few.notes if "Frechet" in note] == [
        "Frechet and kernel distances need 50 held-out images of each domain: disc 16, square 16"
    ]
    assert not any("Frechet" in note for note in enough.notes)
