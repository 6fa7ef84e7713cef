"""Exact and approximate search of galleries, as ratios to numpy's and faiss's exact search run in turn.

    python benchmarks/neighbours.py [ROWS ...]

Random codes in clusters, 256 numbers each; a median query of 32 that share one pass.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from i2i_cli.inference.codes import features
from i2i_cli.jobs.retrieval.gallery import Gallery, GalleryFacts, open_gallery, save_gallery
from i2i_cli.jobs.retrieval.search import ApproximateSearch, ExactSearch, Scope, Search

NUMBERS, QUERIES, NEAREST, ROUNDS = 256, 32, 10, 5


def drawn(rows: int) -> Gallery:
    random = np.random.default_rng(0)
    centres = random.normal(size=(200, NUMBERS)).astype(np.float32)
    content = centres[random.integers(0, 200, rows)] + random.normal(size=(rows, NUMBERS)).astype(np.float32)
    numbers = np.arange(rows, dtype=np.int64)
    facts = GalleryFacts(model="", root="/", labels=("a", "b"), content_shape=(NUMBERS, 1, 1))
    return Gallery(
        facts=facts, paths=[str(i) for i in range(rows)], labels=(numbers % 2).astype(np.int32), sizes=numbers,
        splits=np.zeros(rows, np.int8),
        times=numbers, content=content.astype(np.float16), domain=np.zeros((rows, 1), np.float16),
        descriptor=np.zeros((rows, 0), np.float16),
    )  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def copy_rate() -> float:
    """Bytes a second of a large copy."""
    source = np.ones(2**26, np.uint8)
    return 2 * source.size / min(seconds(source.copy) for _ in range(5))


def measure(rows: int, folder: Path) -> str:
    """One line of figures for a gallery of `rows`."""
    path = folder / "g.safetensors"
    save_gallery(path, drawn(rows))
    gallery = open_gallery(path)
    exact, started = ExactSearch(gallery, "content"), time.perf_counter()
    approximate = ApproximateSearch(gallery, "content")
    built = time.perf_counter() - started
    queries = features("content", gallery.codes(slice(QUERIES)))
    scopes = [Scope(shunned=int(gallery.labels[i]), own=i) for i in range(QUERIES)]
    units = np.array(gallery.content, np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)

    def reference() -> None:
        cosines = queries @ units.T
        cosines[gallery.labels[:QUERIES, None] == gallery.labels[None]] = -np.inf
        best = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
        np.take_along_axis(cosines, best, axis=1).argsort(1)

    def searched(search: Search) -> list[set[int]]:
        return [{row for _, row in found} for found in search.nearest(queries, NEAREST, scopes)]

    hits = [len(a & b) / NEAREST for a, b in zip(searched(exact), searched(approximate), strict=True)]
    flat = faiss.IndexFlatIP(NUMBERS)
    flat.add(units)
    works = (
        reference,
        lambda: searched(exact),
        lambda: searched(approximate),
        lambda: flat.search(queries, NEAREST),
    )
    times = [[seconds(work) for work in works] for _ in range(ROUNDS)]
    numpy_s, exact_s, fast_s, faiss_s = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        f"{rows} codes: exact {exact_s / QUERIES * 1e3:.2f} ms a query, {exact_s / numpy_s:.2f} times numpy's, "
        f"{exact_s / faiss_s:.2f} times faiss's exact search (which passes no rows over); "
        f"approximate {fast_s / QUERIES * 1e3:.2f} ms, {fast_s / numpy_s:.2f} times numpy's, "
        f"recall@{NEAREST} {np.mean(hits):.3f}, lists built once in {built:.1f} s; reading the codes once at a large "
        f"copy's speed would take {2 * units.size / copy_rate() / exact_s:.2f} of the exact search's time"
    )


def main() -> None:
    for rows in [int(word) for word in sys.argv[1:]] or [10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["I2I_CACHE"] = folder
            print(measure(rows, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
