"""Codes in two dimensions (SRAE figures 6 and 8): as a picture, as a page of thumbnails, or as numbers."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.checkpoints.names import data_name
from i2i_cli.data.geometry import fit
from i2i_cli.data.images import read_image
from i2i_cli.errors import ConfigError, DataError
from i2i_cli.files import check_written_as, write_text, written_whole
from i2i_cli.inference.codes import OF_THE_PAPER, FlatCodes, evenly, features
from i2i_cli.jobs.plots.charts import COLOURS
from i2i_cli.jobs.plots.pages import inline, render
from i2i_cli.jobs.retrieval.gallery import Gallery, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = ("tsne", "pca")
MIN_IMAGES = 10
NUM_COMPONENTS = 50
"""Codes are first projected onto as many principal components."""

PERPLEXITY = 30.0

SUFFIXES = (".png", ".html", ".csv")
NUM_THUMBNAILS = 60
THUMBNAIL_SIDE, LARGE_THUMBNAIL = 48, 128
MANY_IMAGES = 800
"""Pages of more images than these hold small thumbnails: they would grow beyond some 6 MB."""

METHOD_NAMES = {"tsne": "t-SNE", "pca": "principal components"}
_MEANINGS = {
    "content": "What an image shows. The labels should lie mixed.",
    "domain": "What its domain looks like. The labels should lie apart.",
    "both": "The two codes side by side.",
}


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
        units = _components(features(by, codes))
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


def check_suffix(path: Path) -> None:
    """Refuse names that no plot is written under.

    Raises:
        ConfigError: the suffix is not one of `SUFFIXES`.
    """
    check_written_as(path, SUFFIXES, "plot")


def save_embedding(path: Path, embedding: Embedding, thumbnails: bool = False) -> None:
    """Write `embedding` to `path`, in the kind that its suffix stands for."""
    check_suffix(path)
    kind = {".png": _save_png, ".html": _save_html, ".csv": _save_csv}[path.suffix.lower()]
    kind(path, embedding, thumbnails)


def _name(panel: Panel) -> str:
    return {"both": "content and domain"}.get(panel.by, panel.by)


def _title(panel: Panel) -> str:
    name = _name(panel)
    return name if panel.silhouette is None else f"{name} (silhouette {panel.silhouette:.2f})"


def colour_of(names: Sequence[str], label: str) -> str:
    """The colour of `label` among `names`."""
    return COLOURS[names.index(label) % len(COLOURS)]


def drawn(panels: Sequence[Panel], labels: Sequence[str]) -> "Figure":
    """A figure with a scatter plot a panel, coloured by label."""
    # Late: matplotlib; its object interface, so that no window system is looked for.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(panels), 5.4), layout="constrained")
    names, own = sorted(set(labels)), np.array(labels)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            chosen = own == name
            axes.scatter(*panel.points[chosen].T, s=9, alpha=0.7, linewidths=0, color=colour_of(names, name),
                         label=f"{name or 'no label'} ({int(chosen.sum())})")  # fmt: skip
        axes.set(title=_title(panel), xticks=[], yticks=[])
        axes.spines[:].set_color("#cccccc")
    handles, known = axes.get_legend_handles_labels()
    figure.legend(handles, known, loc="outside lower center", ncols=min(4, len(known)), frameon=False, markerscale=2)
    return figure


def _save_png(path: Path, embedding: Embedding, thumbnails: bool) -> None:
    figure = drawn(embedding.panels, embedding.labels)
    if thumbnails:
        for axes, panel in zip(figure.axes, embedding.panels, strict=True):
            _put_thumbnails(axes, embedding, panel)
    with written_whole(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _put_thumbnails(axes: "Axes", embedding: Embedding, panel: Panel) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    count = len(embedding.rows)
    for place in (np.arange(min(NUM_THUMBNAILS, count)) * count // min(NUM_THUMBNAILS, count)).tolist():
        square = _square(embedding, place, 24)
        if square is None:
            continue
        edge = {"edgecolor": colour_of(embedding.names, embedding.labels[place]), "linewidth": 1.2}
        box = AnnotationBbox(OffsetImage(square, zoom=0.8), tuple(panel.points[place]), pad=0.08, bboxprops=edge)
        axes.add_artist(box)


def _square(embedding: Embedding, place: int, side: int) -> np.ndarray | None:
    try:
        return fit(read_image(embedding.gallery.path(embedding.rows[place]), 2 * side), side)[0]
    except (DataError, OSError):  # gone since it was indexed
        return None


@dataclass(frozen=True)
class PagePanel:
    """A panel as pages show it: points (x, y) in a square of 400, counted downwards."""

    title: str
    meaning: str
    points: list[list[float]]


def page_panel(panel: Panel) -> PagePanel:
    """`panel` for a page, with a sentence on how its labels should lie."""
    low, span = panel.points.min(0), np.ptp(panel.points, axis=0) + 1e-9
    share = (panel.points - low) / span
    places = np.stack([share[:, 0], 1 - share[:, 1]], axis=1)  # a page counts downwards, a plot upwards
    meaning = _MEANINGS.get(panel.by, "")
    if panel.silhouette is not None:
        meaning += f" Silhouette {panel.silhouette:.2f}: 0 is mixed, 1 is apart."
    return PagePanel(_name(panel), meaning, (10 + 380 * places).round(1).tolist())


def _save_html(path: Path, embedding: Embedding, thumbnails: bool) -> None:
    side = THUMBNAIL_SIDE if len(embedding.rows) > MANY_IMAGES else LARGE_THUMBNAIL
    squares = [_square(embedding, place, side) for place in range(len(embedding.rows))]
    page = render(
        "scatter.html",
        root=data_name(embedding.gallery.facts.root),
        method=METHOD_NAMES[embedding.method],
        panels=[page_panel(panel) for panel in embedding.panels],
        legend=[(name or "no label", colour_of(embedding.names, name)) for name in embedding.names],
        colours=[colour_of(embedding.names, label) for label in embedding.labels],
        labels=[embedding.names.index(label) for label in embedding.labels],
        paths=[readable(embedding.gallery.paths[row]) for row in embedding.rows],
        images=["" if square is None else inline(Image.fromarray(square), "JPEG") for square in squares],
    )
    write_text(path, page)


def _save_csv(path: Path, embedding: Embedding, thumbnails: bool) -> None:
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", *(f"{panel.by}_{axis}" for panel in embedding.panels for axis in "xy")])
        for place, row in enumerate(embedding.rows):
            name = readable(embedding.gallery.paths[row])
            values = [f"{value:.5g}" for panel in embedding.panels for value in panel.points[place]]
            writer.writerow([name, embedding.labels[place], *values])
