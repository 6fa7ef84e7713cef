"""Exact and approximate search against all cosines at once."""

import sys

import numpy as np
import pytest

from i2i_cli.data.cache import cache_folder
from i2i_cli.errors import I2IError
from i2i_cli.jobs.retrieval import search
from i2i_cli.jobs.retrieval.gallery import Gallery, GalleryFacts
from i2i_cli.jobs.retrieval.search import ApproximateSearch, ExactSearch, Scope


def drawn(count: int, size: int = 8) -> tuple[Gallery, np.ndarray]:
    """A gallery of random codes in clusters, and its rows as unit vectors."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(20, size)) * 2
    content = (centres[random.integers(0, 20, count)] + random.normal(size=(count, size))).astype(np.float16)
    labels = random.integers(-1, 2, count).astype(np.int32)
    facts = GalleryFacts(model="", root="/", labels=("disc", "square"), content_shape=(size, 1, 1))
    numbers = np.arange(count, dtype=np.int64)
    gallery = Gallery(
        facts=facts, paths=[str(i) for i in numbers], labels=labels, splits=np.zeros(count, np.int8),
        sizes=numbers, times=numbers,
        content=content, domain=content, descriptor=content,
    )  # fmt: skip
    units = content.astype(np.float32)
    return gallery, units / np.linalg.norm(units, axis=1, keepdims=True)


def by_hand(units: np.ndarray, labels: np.ndarray, query: int, scope: Scope, k: int) -> list[int]:
    cosines = units @ units[query]
    if scope.wanted >= 0:
        cosines[labels != scope.wanted] = -np.inf
    cosines[labels == scope.shunned] = -np.inf
    if scope.own >= 0:
        cosines[scope.own] = -np.inf
    return np.argsort(-cosines, kind="stable")[:k].tolist()


def test_an_exact_search_is_that_of_all_cosines_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, units = drawn(50)
    monkeypatch.setattr(search, "CHUNK", 7)
    scopes = [Scope(), Scope(own=1), Scope(shunned=0, own=2), Scope(wanted=1), Scope(wanted=0, own=4)]
    for kept_bytes in (2**31, 0):
        monkeypatch.setattr(search, "KEPT_BYTES", kept_bytes)
        exact = ExactSearch(gallery, "content")
        for _ in range(2):
            found = exact.nearest(units[:5], 4, scopes)
            for query, scope in enumerate(scopes):
                assert [row for _, row in found[query]] == by_hand(units, gallery.labels, query, scope, 4)
                assert [score for score, _ in found[query]] == pytest.approx(
                    [float(units[query] @ units[row]) for _, row in found[query]], abs=1e-5
                )
    assert len(ExactSearch(gallery, "content").nearest(units[:1], 99, [Scope(wanted=1)])[0]) == sum(gallery.labels == 1)


def test_an_approximate_search_finds_most_of_it_and_keeps_its_lists() -> None:
    pytest.importorskip("faiss")
    gallery, units = drawn(4000)
    known = np.where(gallery.labels < 0, search.NO_LABEL, gallery.labels)
    scopes = [Scope(shunned=int(known[row]), own=row) for row in range(200)]
    exact = ExactSearch(gallery, "content").nearest(units[:200], 5, scopes)
    for _ in range(2):
        found = ApproximateSearch(gallery, "content").nearest(units[:200], 5, scopes)
        hits = [len({row for _, row in a} & {row for _, row in b}) / 5 for a, b in zip(exact, found, strict=True)]
        assert np.mean(hits) > 0.9
        for scope, rows in zip(scopes, found, strict=True):
            assert all(row != scope.own and gallery.labels[row] != scope.shunned for _, row in rows)
    (kept,) = (cache_folder() / "faiss").iterdir()
    ApproximateSearch(drawn(4001)[0], "content")
    assert len(list(kept.parent.iterdir())) == 2, "lists of another gallery are not used"
    for junk in (b"", b"junk" * 9, kept.read_bytes()[:999]):
        kept.write_bytes(junk)
        again = ApproximateSearch(gallery, "content").nearest(units[:3], 5, scopes[:3])
        assert again == found[:3], "damaged lists are built again"


def test_where_few_rows_are_in_scope_all_lists_are_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(search, "LISTS_VISITED", 1)
    gallery, units = drawn(4000)
    gallery.labels[:] = 0
    gallery.labels[7:4000:500] = 1
    (found,) = ApproximateSearch(gallery, "content").nearest(units[:1], 8, [Scope(wanted=1)])
    assert sorted(row for _, row in found) == list(range(7, 4000, 500))


def test_without_faiss_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(I2IError, match="needs faiss"):
        ApproximateSearch(drawn(50)[0], "content")
