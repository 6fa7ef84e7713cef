"""Codes in two dimensions: content, domain and both (SRAE figures 6 and 8)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from i2i_cli.errors import ConfigError, DataError
from i2i_cli.jobs.codes import OF_THE_PAPER, evenly, features
from i2i_cli.jobs.flat_codes import FlatCodes
from i2i_cli.jobs.gallery import Gallery

METHODS = ("tsne", "pca")
MIN_IMAGES = 10
NUM_COMPONENTS = 50
"""Codes are first projected onto as many principal components."""

PERPLEXITY = 30.0


@dataclass(frozen=True, eq=False)
class Panel:
    """One code in two dimensions.

    Args:
        points: (n, 2).
        silhouette: how apart the labels lie in the code itself, -1 to 1; None with one label.
    """

    by: str
    points: NDArray[np.float64]
    silhouette: float | None


@dataclass(frozen=True, eq=False)
class Embedding:
    """Panels of the same images: `rows` of `gallery`, with their labels' names."""

    gallery: Gallery
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    panels: tuple[Panel, ...]
    method: str

    @property
    def names(self) -> list[str]:
        """The labels that there are, in order."""
        return sorted(set(self.labels))


def check_method(method: str) -> None:
    """Refuse what is no method.

    Raises:
        ConfigError: it is none.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no --method {method!r}", f"use {' or '.join(METHODS)}")


def embed(gallery: Gallery, method: str = "tsne", *, limit: int = 500, seed: int = 0) -> Embedding:
    """Content, domain and combined codes of a gallery in two dimensions. The same seed gives the same points.

    Args:
        limit: most images of a label, evenly spread.

    Raises:
        ConfigError: an unknown method.
        DataError: too few images.
    """
    check_method(method)
    names = np.array([gallery.label(row) or "" for row in range(len(gallery))])
    rows = np.sort(np.concatenate([evenly(np.flatnonzero(names == name), limit) for name in np.unique(names)]))
    if len(rows) < MIN_IMAGES:
        raise DataError(f"{gallery.facts.root} has {len(rows)} images; a plot needs {MIN_IMAGES} or more")
    labels = names[rows]
    panels = panels_of(gallery.codes(rows), labels, method, seed)
    return Embedding(gallery, tuple(rows.tolist()), tuple(labels.tolist()), panels, method)


def panels_of(
    codes: FlatCodes,
    labels: NDArray[np.str_],
    method: str,
    seed: int,
    kinds: Sequence[str] = OF_THE_PAPER,
) -> tuple[Panel, ...]:
    """Codes in rows, with labels (n,), in two dimensions by each of `kinds`."""
    panels = []
    for by in kinds:
        units = _components(features(by, codes, torch.device("cpu")).numpy())
        panels.append(Panel(by, _flat(units, method, seed), _silhouette(units, labels, seed)))
    return tuple(panels)


def _components(units: NDArray[np.float32]) -> NDArray[np.float64]:
    # Late: scikit-learn takes longer to import than a model to load.
    from sklearn.decomposition import PCA

    count = min(NUM_COMPONENTS, *units.shape)
    return PCA(count, svd_solver="full", random_state=0).fit_transform(units.astype(np.float64))


def _flat(components: NDArray[np.float64], method: str, seed: int) -> NDArray[np.float64]:
    if method == "pca" or components.shape[1] < 2:
        padded = np.zeros((len(components), 2))
        padded[:, : min(2, components.shape[1])] = components[:, :2]
        return padded
    # Late: compiled, and needed by this plot alone.
    from openTSNE import TSNE

    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    model = TSNE(perplexity=perplexity, initialization="pca", neighbors="exact", random_state=seed, n_jobs=1)
    return np.asarray(model.fit(components), np.float64)


def _silhouette(components: NDArray[np.float64], labels: NDArray[np.str_], seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(components, labels, sample_size=min(2000, len(labels)), random_state=seed))
