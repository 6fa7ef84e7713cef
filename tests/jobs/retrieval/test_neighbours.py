import shutil
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import pytest

from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.inference.inputs import STREAM, Source
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.jobs.retrieval.gallery import Gallery, merge, open_gallery, save_gallery
from i2i_cli.jobs.retrieval.indexing import gallery_of, index_folder, name_below
from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch, default_gallery


@pytest.fixture(scope="module")
def translator(run: Path) -> TorchTranslator:
    return load(run, device="cpu")


@pytest.fixture
def gallery(translator: TorchTranslator, domains: Path) -> Gallery:
    return gallery_of(translator, domains)[0]


def test_other_domains_are_searched_and_the_query_is_not_its_own_neighbour(
    gallery: Gallery, translator, domains
) -> None:
    search = NeighbourSearch(translator=translator, gallery=gallery)
    (answer,) = search.run([Source(path=domains / "disc" / "03.png")], 40)
    assert answer.domain == "disc" and len(answer.neighbours) == 16
    assert {place.label for place in answer.neighbours} == {"square"}
    scores = [place.score for place in answer.neighbours]
    assert scores == sorted(scores, reverse=True) and max(scores) <= 1.001
    own = NeighbourSearch(translator=translator, gallery=gallery, inside="disc")
    (answer,) = own.run([Source(path=domains / "disc" / "03.png")], 40)
    assert len(answer.neighbours) == 15
    assert domains / "disc" / "03.png" not in {place.path for place in answer.neighbours}


def test_the_querys_domain_is_told_or_predicted(gallery: Gallery, translator, domains: Path, tmp_path: Path) -> None:
    copy = tmp_path / "query.png"
    shutil.copy(domains / "square" / "03.png", copy)
    (answer,) = NeighbourSearch(translator=translator, gallery=gallery, query_domain="square").run(
        [Source(path=copy)], 3
    )
    assert answer.domain == "square" and {place.label for place in answer.neighbours} == {"disc"}
    (answer,) = NeighbourSearch(translator=translator, gallery=gallery).run([Source(path=copy)], 3)
    shares = translator.classify(copy)
    assert answer.domain == max(shares, key=lambda name: shares[name])


def test_a_gallery_without_domains_is_searched_whole(
    translator: TorchTranslator, domains: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(domains.rglob("*.png"))):
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "flat" / f"{number}.png")
    gallery, _ = gallery_of(translator, tmp_path / "flat")
    (answer,) = NeighbourSearch(translator=translator, gallery=gallery).run(
        [Source(path=domains / "disc" / "03.png")], 99
    )
    assert answer.domain is None and len(answer.neighbours) == 32
    assert answer.neighbours[0].score > 0.999, "its copy is the closest"
    with pytest.raises(ConfigError, match="no domain 'disc'"):
        NeighbourSearch(translator=translator, gallery=gallery, inside="disc")


def test_every_code_can_be_compared(gallery: Gallery, translator: TorchTranslator, domains: Path) -> None:
    found = {}
    for by in ("descriptor", "content", "domain", "both", None):
        (answer,) = NeighbourSearch(translator=translator, gallery=gallery, by=by).run(
            [Source(path=domains / "disc" / "03.png")], 16
        )
        found[by] = {place.path.name: place.score for place in answer.neighbours}
    for name, score in found["both"].items():
        assert score == pytest.approx((found["content"][name] + found["domain"][name]) / 2, abs=1e-3)
    assert found[None] == found["descriptor"] != found["content"]
    with pytest.raises(ConfigError, match="--by"):
        NeighbourSearch(translator=translator, gallery=gallery, by="colour")


def test_weights_without_a_descriptor_compare_content(
    translator: TorchTranslator, domains: Path, tmp_path: Path
) -> None:
    older = TorchTranslator(
        translator.model, translator.header, translator.path, translator.device, translator.classifiers
    )
    assert older.fingerprint != translator.fingerprint
    index_folder(older, domains, tmp_path / "g.safetensors")
    gallery = open_gallery(tmp_path / "g.safetensors")
    assert gallery.descriptor.shape == (32, 0)
    assert NeighbourSearch(translator=older, gallery=gallery).by == "content"
    with pytest.raises(ConfigError, match="no descriptor"):
        NeighbourSearch(translator=older, gallery=gallery, by="descriptor")


def test_a_gallery_that_has_lost_its_descriptors_is_refused_in_a_sentence(
    translator: TorchTranslator, domains: Path, tmp_path: Path
) -> None:
    path = tmp_path / "g.safetensors"
    index_folder(translator, domains, path)
    whole = open_gallery(path)
    save_gallery(path, replace(whole, descriptor=whole.descriptor[:, :0]))
    for use in (lambda: gallery_of(translator, path), lambda: index_folder(translator, domains, path)):
        with pytest.raises(WeightsError, match="made with other weights"):
            use()
    with pytest.raises(WeightsError, match="different weights"):
        merge([whole, open_gallery(path)])


def test_bad_queries_keep_their_place(
    gallery: Gallery, translator: TorchTranslator, domains: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_text("no")
    paths = [domains / "disc" / "01.png", tmp_path / "bad.png", domains / "disc" / "02.png"]
    answers = list(
        NeighbourSearch(translator=translator, gallery=gallery).run([Source(path=path) for path in paths], 1)
    )
    assert [answer.source for answer in answers] == paths
    assert [answer.error is None for answer in answers] == [True, False, True]


def test_without_a_gallery_the_runs_own_or_the_querys_folder_is_searched(run, translator, tmp_path: Path) -> None:
    assert default_gallery(translator, [Source(path=Path("x.png"))]) == run / "gallery.safetensors"
    shutil.copy(run / "model.safetensors", tmp_path / "w.safetensors")
    alone = load(tmp_path / "w.safetensors", device="cpu")
    photos = tmp_path / "photos"
    assert default_gallery(alone, [Source(path=STREAM), Source(path=photos / "x.png")]) == photos
    assert default_gallery(alone, [Source(path=photos / "disc" / "x.png")]) == photos
    assert default_gallery(alone, [Source(path=photos / "a" / "x.png", below=photos)]) == photos
    with pytest.raises(ConfigError, match="no gallery"):
        default_gallery(alone, [Source(path=STREAM)])
    shutil.copy(run / "gallery.safetensors", tmp_path)
    next(alone.model.parameters()).add_(0.1)
    assert default_gallery(alone, [Source(path=photos / "x.png")]) == photos, (
        "a gallery of other weights is passed over"
    )


def test_a_link_in_a_gallery_of_links_does_not_find_itself(translator, domains: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for path in (domains / "disc").iterdir():
        (tmp_path / "links" / path.name).symlink_to(path)
    gallery, _ = gallery_of(translator, tmp_path / "links")
    search = NeighbourSearch(translator=translator, gallery=gallery)
    (answer,) = search.run([Source(path=tmp_path / "links" / "03.png")], 99)
    assert len(answer.neighbours) == 15


def test_a_dual_model_s_codes_compare_within_a_category(dual_run: Path, factors: Path, tmp_path: Path) -> None:
    dual = load(dual_run, device="cpu")
    gallery, _ = gallery_of(dual, factors)
    search = NeighbourSearch(translator=dual, gallery=gallery)
    copy = tmp_path / "03.png"
    shutil.copy(factors / "red_square" / "03.png", copy)
    known, told = (
        next(iter(NeighbourSearch(translator=dual, gallery=gallery, query_domain=own).run([Source(path=path)], 40)))
        for path, own in ((factors / "red_square" / "03.png", None), (copy, "red_square"))
    )
    assert known.domain == told.domain == "red_square"
    assert {place.label for place in known.neighbours} == {"grey_square"} and len(known.neighbours) == 16
    assert [place.path for place in known.neighbours] == [place.path for place in told.neighbours]
    (guessed,) = search.run([Source(path=copy)], 1)
    assert guessed.domain in dual.domains


def test_a_file_is_called_the_same_in_a_gallery_on_every_system() -> None:
    root = PureWindowsPath(r"C:\photos")
    assert name_below(root, root / "disc" / "03.png") == "disc/03.png"
    assert name_below(Path("/photos"), Path("/photos/disc/03.png")) == "disc/03.png"
