"""Codes as flat vectors: how they are kept, and how they are compared. No torch at import."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.inference.inputs import Failure, Loaded, Source, load_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from i2i_cli.inference.loaded import Translator


class FlatCodes(NamedTuple):
    """Codes of an image, or of many in rows: flat vectors, kept in half precision."""

    content: NDArray[np.floating]
    domain: NDArray[np.floating]
    descriptor: NDArray[np.floating]


BY = {"descriptor": ("descriptor",), "content": ("content",), "domain": ("domain",), "both": ("content", "domain")}
"""What is compared, and the codes that it is made of."""

OF_THE_PAPER = ("content", "domain", "both")
"""What the papers' plots show."""


def features(by: str, codes: FlatCodes, device: "torch.device") -> "Tensor":
    """Unit vectors (n, f) of codes (n, ...): the dot product of two is the score of `neighbours`.

    Args:
        by: one of `BY`; of several codes, each gives the same share of the score.
    """
    # Late: galleries are opened, listed and merged without torch.
    import torch
    import torch.nn.functional as F

    chosen = [getattr(codes, name) for name in BY[by]]
    units = [F.normalize(torch.from_numpy(np.array(code, np.float32)).to(device), dim=1) for code in chosen]
    return torch.cat(units, dim=1) / len(units) ** 0.5


def evenly(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Up to `limit` of `rows`, evenly spread over them."""
    return rows if len(rows) <= limit else rows[np.arange(limit) * len(rows) // limit]


def flat_codes(translator: "Translator", loaded: Sequence[Loaded], sources: Sequence[str] | None) -> list[FlatCodes]:
    """The codes of each image; `sources` as `sources_of` gives them."""
    if not loaded:
        return []
    squares = [item.square for item in loaded]
    codes = translator.encode(squares, sources)
    halves = map(
        _half, (codes.content, codes.domain, translator.describe(translator.as_images(squares), codes.content))
    )
    return [FlatCodes(*rows) for rows in zip(*halves, strict=True)]


def encoded(
    translator: "Translator", sources: Sequence[Source], own: str | None = None
) -> Iterator[list[Failure | FlatCodes]]:
    """The codes of the images behind `sources`, or why one has none; in order, a batch at a time."""
    for batch in load_batches(sources, translator.image_size):
        loaded = [item for item in batch if isinstance(item, Loaded)]
        codes = iter(flat_codes(translator, loaded, translator.sources_among(loaded, own)))
        yield [item if isinstance(item, Failure) else next(codes) for item in batch]


def _half(code: "Tensor") -> NDArray[np.float16]:
    return code.flatten(1).float().clamp(-6e4, 6e4).cpu().numpy().astype(np.float16)
