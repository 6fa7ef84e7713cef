"""Codes as flat vectors: how they are kept, and how they are compared. No torch at import."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.inference.coder import Coder
from i2i_cli.inference.inputs import Failure, Loaded, Source, load_batches


class FlatCodes(NamedTuple):
    """Codes of an image, or of many in rows: flat vectors, kept in half precision."""

    content: NDArray[np.floating]
    domain: NDArray[np.floating]
    descriptor: NDArray[np.floating]


BY = {"descriptor": ("descriptor",), "content": ("content",), "domain": ("domain",), "both": ("content", "domain")}
"""What is compared, and the codes that it is made of."""

OF_THE_PAPER = ("content", "domain", "both")
"""What the papers' plots show."""


def features(by: str, codes: FlatCodes) -> NDArray[np.float32]:
    """Unit vectors (n, f) of codes (n, ...): the dot product of two is the score of `neighbours`.

    Args:
        by: one of `BY`; of several codes, each gives the same share of the score.
    """
    units = [_units(np.array(getattr(codes, name), np.float32)) for name in BY[by]]
    return units[0] if len(units) == 1 else np.concatenate(units, axis=1) / np.float32(len(units) ** 0.5)


def _units(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """`rows` (n, f), which are changed, at length 1."""
    rows /= np.maximum(np.sqrt(np.einsum("ij,ij->i", rows, rows)), np.float32(1e-12))[:, None]
    return rows


def evenly(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Up to `limit` of `rows`, evenly spread over them."""
    return rows if len(rows) <= limit else rows[np.arange(limit) * len(rows) // limit]


def flat_codes(coder: Coder, loaded: Sequence[Loaded], sources: Sequence[str] | None) -> list[FlatCodes]:
    """The codes of each image; `sources` as `sources_of` gives them."""
    if not loaded:
        return []
    squares = [item.square for item in loaded]
    codes = coder.encode(squares, sources)
    kinds: tuple[Any, ...] = (codes.content, codes.domain, coder.described(squares, codes))
    return [FlatCodes(*rows) for rows in zip(*(_half(coder.numbers(kind)) for kind in kinds), strict=True)]


def encoded(coder: Coder, sources: Sequence[Source], own: str | None = None) -> Iterator[list[Failure | FlatCodes]]:
    """The codes of the images behind `sources`, or why one has none; in order, a batch at a time."""
    for batch in load_batches(sources, coder.image_size):
        loaded = [item for item in batch if isinstance(item, Loaded)]
        codes = iter(flat_codes(coder, loaded, coder.sources_among(loaded, own)))
        yield [item if isinstance(item, Failure) else next(codes) for item in batch]


def _half(rows: NDArray[np.float32]) -> NDArray[np.float16]:
    return np.clip(rows, -6e4, 6e4).astype(np.float16)
