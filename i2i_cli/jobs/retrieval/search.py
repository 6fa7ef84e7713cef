"""The rows of a gallery that are closest to given vectors: exactly, chunk by chunk, or by faiss's inverted lists."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from i2i_cli.data.cache import cache_folder
from i2i_cli.errors import I2IError, WeightsError
from i2i_cli.files import written_whole
from i2i_cli.inference.codes import features
from i2i_cli.jobs.retrieval.gallery import UNKNOWN, Gallery

CHUNK = 16_384
"""Gallery rows compared at once: bounds the memory, whatever the gallery's size."""

KEPT_BYTES = 2**31
"""Vectors that take no more than this are made once and kept."""

NO_LABEL = UNKNOWN - 1
"""A label that no row has."""

LISTS_VISITED = 32
"""Inverted lists that a query looks into: more are slower and miss less."""

_TRAINED_ON = 40
"""Vectors a list that its centre is found from."""

Vectors = NDArray[np.float32]


class Scope(NamedTuple):
    """Which rows a query is compared with: those labelled `wanted`, or all but those labelled
    `shunned`; never its `own` row.
    """

    wanted: int = NO_LABEL
    shunned: int = NO_LABEL
    own: int = -1


class Search(Protocol):
    """What finds the closest rows."""

    def nearest(self, queries: Vectors, k: int, scopes: Sequence[Scope]) -> list[list[tuple[float, int]]]:
        """For each of the unit vectors (Q, f), up to `k` pairs of score and row, the closest first."""


class ExactSearch:
    """Compares every query with every row. `by` names the code: see `features`."""

    def __init__(self, gallery: Gallery, by: str) -> None:
        self.gallery, self.by = gallery, by
        self._kept: dict[int, Vectors] = {}

    def nearest(self, queries: Vectors, k: int, scopes: Sequence[Scope]) -> list[list[tuple[float, int]]]:
        """For each of the unit vectors (Q, f), up to `k` pairs of score and row, the closest first.

        Raises:
            WeightsError: the gallery holds codes that are no numbers.
        """
        wanted, shunned, own = np.array(scopes, np.int64).T[:, :, None]
        scores = np.zeros((len(queries), 0), np.float32)
        rows = np.zeros((len(queries), 0), np.int64)
        for part in self.gallery.chunks(CHUNK):
            labels, numbers = self.gallery.labels[part], np.arange(part.start, part.stop)
            found = queries @ self._vectors(part).T
            if np.isnan(found).any():
                raise WeightsError("the gallery holds codes with NaN", "make it again: i2i index")
            found[(labels == shunned) | (numbers == own) | ((wanted != NO_LABEL) & (labels != wanted))] = -np.inf
            # What is closest so far, beside this part's closest.
            places = _largest(found, k)
            scores = np.concatenate([scores, np.take_along_axis(found, places, axis=1)], axis=1)
            rows = np.concatenate([rows, places + part.start], axis=1)
            places = _largest(scores, k)
            scores, rows = np.take_along_axis(scores, places, axis=1), np.take_along_axis(rows, places, axis=1)
        pairs = (zip(*both, strict=True) for both in zip(scores.tolist(), rows.tolist(), strict=True))
        return [[(score, row) for score, row in found if score > -np.inf] for found in pairs]

    def _vectors(self, part: slice) -> Vectors:
        if part.start in self._kept:
            return self._kept[part.start]
        found = features(self.by, self.gallery.codes(part))
        if found.shape[1] * 4 * len(self.gallery) <= KEPT_BYTES:
            self._kept[part.start] = found
        return found


def _largest(scores: Vectors, k: int) -> NDArray[np.int64]:
    """Places (Q, up to k) of the largest of each row's scores (Q, n), the largest first; equal ones in their order."""
    if k < scores.shape[1]:
        some = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    else:
        some = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


class ApproximateSearch:
    """The closest rows of a gallery, most of the time.

    The lists are built at the first use and kept in the user's cache: lists that come with a gallery
    from elsewhere are never read.

    Raises:
        I2IError: faiss is not installed.
    """

    def __init__(self, gallery: Gallery, by: str) -> None:
        try:
            import faiss
        except ImportError:
            raise I2IError("approximate search needs faiss", "pip install 'i2i-cli[faiss]'") from None
        self._faiss: Any = faiss  # its type stubs know nothing of keyword arguments
        self.gallery, self.by = gallery, by
        self._selectors: dict[tuple[int, int], Any] = {}
        self.path = cache_folder() / "faiss" / f"{self._version()}.faiss"
        kept = self._read()
        self._index: Any = self._build() if kept is None else kept

    def _read(self) -> Any:
        """The lists of an earlier use; None where there are none, or they are damaged."""
        if not self.path.is_file():
            return None
        try:
            index: Any = self._faiss.read_index(str(self.path))
            size = self._vectors(slice(0, 1)).shape[1]
            is_ours = index.ntotal == len(self.gallery) and index.d == size and index.nlist > 0
        except (RuntimeError, AttributeError):
            return None
        return index if is_ours else None

    def _version(self) -> str:
        """Tells galleries apart, so that lists of an earlier one are never used."""
        digest = hashlib.sha256(
            f"{self.by} {self.gallery.facts.model} {self.gallery.facts.root}".encode("utf-8", "surrogateescape")
        )
        digest.update(self.gallery.times.tobytes() + self.gallery.sizes.tobytes())
        digest.update("\0".join(self.gallery.paths).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:24]

    def _vectors(self, part: slice) -> Vectors:
        return features(self.by, self.gallery.codes(part))

    def _build(self) -> Any:
        faiss, count = self._faiss, len(self.gallery)
        num_lists = max(1, min(int(4 * count**0.5), count // _TRAINED_ON))
        sample = np.sort(np.random.default_rng(0).choice(count, min(count, num_lists * _TRAINED_ON), replace=False))
        vectors = features(self.by, self.gallery.codes(sample))
        size, metric = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
        coarse = faiss.IndexFlatIP(size)
        index = faiss.IndexIVFScalarQuantizer(coarse, size, num_lists, faiss.ScalarQuantizer.QT_fp16, metric)
        index.train(vectors)
        for part in self.gallery.chunks(CHUNK):
            index.add(self._vectors(part))
        # Lists that cannot be kept are built again next time.
        with suppress(I2IError), written_whole(self.path) as temporary:
            temporary.write_bytes(faiss.serialize_index(index))
        return index

    def nearest(self, queries: Vectors, k: int, scopes: Sequence[Scope]) -> list[list[tuple[float, int]]]:
        """For each of the unit vectors (Q, f), up to `k` pairs of score and row, the closest first."""
        return [self._nearest(vector[None], k, scope) for vector, scope in zip(queries, scopes, strict=True)]

    def _nearest(self, query: Vectors, k: int, scope: Scope) -> list[tuple[float, int]]:
        selector, num_lists = self._selector(scope.wanted, scope.shunned), self._index.nlist
        pairs: list[tuple[float, int]] = []
        for visited in (min(LISTS_VISITED, num_lists), num_lists):
            options = self._faiss.SearchParametersIVF(sel=selector, nprobe=visited)
            # One more than asked for: the query itself may be among them.
            scores, rows = self._index.search(query, min(k + 1, len(self.gallery)), params=options)
            found = zip(scores[0].tolist(), rows[0].tolist(), strict=True)
            pairs = [(score, row) for score, row in found if row >= 0 and row != scope.own][:k]
            if len(pairs) == k:
                break
        return pairs

    def _selector(self, wanted: int, shunned: int) -> Any:
        """Lets the rows in scope pass; made once for each scope."""
        if (wanted, shunned) not in self._selectors:
            labels = self.gallery.labels
            allowed = labels == wanted if wanted != NO_LABEL else labels != shunned
            self._selectors[wanted, shunned] = self._faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        return self._selectors[wanted, shunned]
