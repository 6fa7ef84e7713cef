"""Cross-domain nearest neighbours by descriptor, or by content code (SRAE 4.2)."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i2i_cli.checkpoints.names import GALLERY
from i2i_cli.config import nearest
from i2i_cli.data.geometry import Crop
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.inference.coder import Coder
from i2i_cli.inference.codes import BY, FlatCodes, features, flat_codes
from i2i_cli.inference.inputs import STREAM, Failure, Loaded, Source, load_batches
from i2i_cli.jobs.retrieval.gallery import UNKNOWN, Gallery, open_gallery
from i2i_cli.jobs.retrieval.indexing import name_below
from i2i_cli.jobs.retrieval.search import NO_LABEL, ApproximateSearch, ExactSearch, Scope, Search

QUERIES = 256
"""Queries that share one pass over the gallery."""


class Neighbour(NamedTuple):
    """An image of the gallery, its label if it has one, and how close it is: cosine, 1 is equal."""

    path: Path
    label: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found for one query.

    Args:
        domain: the query's own domain, which is not searched; None where the gallery has no domains.
        neighbours: closest first.
        square: the query as the model saw it (S, S, 3).
        crop, faceless: as of what was `Loaded`.
    """

    source: Path
    domain: str | None = None
    neighbours: tuple[Neighbour, ...] = ()
    square: NDArray[np.uint8] | None = None
    note: str = ""
    crop: Crop | None = None
    faceless: bool = False
    error: I2IError | None = None


def default_gallery(translator: Coder, sources: Sequence[Source]) -> Path:
    """What is searched where nothing else is asked for: the run's own gallery, else the query's folder.

    A query in a folder that is called like a domain is searched for in the folder above.

    Raises:
        ConfigError: there is neither.
    """
    own = translator.path.parent / GALLERY
    if own.is_file() and open_gallery(own).facts.model == translator.fingerprint:
        return own
    query = next((source for source in sources if source.path != STREAM), None)
    if query is None:
        raise ConfigError("there is no gallery to search", "give a folder of images, or an index: --gallery FOLDER")
    folder = query.below or query.path.absolute().parent
    return folder.parent if folder.name in translator.domains else folder


@dataclass(kw_only=True)
class NeighbourSearch:
    """Finds the images of a gallery whose codes are closest to a query's.

    Args:
        by: what is compared: see `codes.BY`; None is the descriptor, or the content code of weights without one.
        inside: the one label to search; None searches all domains but the query's own.
        query_domain: the domain of all queries; None takes it from their folder, or predicts it.
        approximate: search by faiss's lists.

    Raises:
        ConfigError: an unknown code, label or domain.
        I2IError: `approximate` without faiss.
    """

    translator: Coder
    gallery: Gallery
    by: str | None = None
    inside: str | None = None
    query_domain: str | None = None
    approximate: bool = False

    def __post_init__(self) -> None:
        facts, described = self.gallery.facts, self.translator.code_sizes[2] > 0
        self.by = self.by or ("descriptor" if described else "content")
        if self.by not in BY:
            raise ConfigError(f"there is no --by {self.by!r}", f"use {', '.join(BY)}")
        if self.by == "descriptor" and not described:
            raise ConfigError(f"{self.translator.path} holds no descriptor", "use --by content")
        if self.inside is not None and self.inside not in facts.labels:
            hint = nearest(self.inside, facts.labels) if facts.labels else "leave --in out: it is searched whole"
            raise ConfigError(f"the gallery has no domain {self.inside!r}", hint)
        if self.query_domain is not None:
            self.translator.label_of(self.query_domain)
        self._has_domains = bool(set(facts.labels) & set(self.translator.domains))
        self._search: Search = (
            ExactSearch(self.gallery, self.by) if not self.approximate else ApproximateSearch(self.gallery, self.by)
        )

    def run(
        self, queries: Sequence[Source | str | os.PathLike[str]], k: int, read_stdin: Callable[[], bytes] = bytes
    ) -> Iterator[Answer]:
        """One answer a query, in order, with up to `k` neighbours.

        Args:
            queries: paths, or what the command line found of them.
            read_stdin: gives the bytes behind a query that is `-`.
        """
        sources = [query if isinstance(query, Source) else Source(path=Path(query)) for query in queries]
        found = chain.from_iterable(load_batches(sources, self.translator.image_size, read_stdin))
        while group := list(islice(found, QUERIES)):
            loaded = [item for item in group if isinstance(item, Loaded)]
            answers = iter(self._answers(loaded, k))
            for item in group:
                if isinstance(item, Failure):
                    yield Answer(source=item.source.path, error=item.error)
                else:
                    yield next(answers)

    def _answers(self, loaded: Sequence[Loaded], k: int) -> list[Answer]:
        if not loaded:
            return []
        queries = list(chain.from_iterable(self._coded(part) for part in _parts(loaded)))
        codes = FlatCodes(*map(np.stack, zip(*(codes for codes, _ in queries), strict=True)))
        own = [name for _, name in queries]
        vectors = features(str(self.by), codes)
        scopes = [self._scope(item.source.path, name) for item, name in zip(loaded, own, strict=True)]
        found = self._search.nearest(vectors, k, scopes)
        return [
            Answer(
                source=item.source.path,
                domain=own[i],
                neighbours=tuple(
                    Neighbour(self.gallery.path(row), self.gallery.label(row), score) for score, row in found[i]
                ),
                square=item.square,
                note=item.note,
                crop=item.crop,
                faceless=item.faceless,
            )
            for i, item in enumerate(loaded)
        ]

    def _coded(self, loaded: Sequence[Loaded]) -> Iterator[tuple[FlatCodes, str | None]]:
        """The codes of each query, and its domain."""
        sources = self.translator.sources_among(loaded, self.query_domain)
        for row, codes in enumerate(flat_codes(self.translator, loaded, sources)):
            yield codes, sources[row] if sources else self._domain_of(loaded[row].source.path, codes.domain)

    def _domain_of(self, path: Path, code: NDArray[np.float16]) -> str | None:
        """The query's domain, where it matters: as told, as its folder is called, or as its code is classified."""
        if self.query_domain is not None or self.inside is not None or not self._has_domains:
            return self.query_domain
        if path != STREAM and (folder := self.translator.folder_domain(path)) is not None:
            return folder
        classifier = self.translator.classifier()
        return classifier.classes[int(classifier(code[None]).argmax())]

    def _scope(self, path: Path, domain: str | None) -> Scope:
        """What a query at `path` is compared with."""
        own, labels = self._own_row(path), self.gallery.facts.labels
        if self.inside is not None:
            return Scope(wanted=labels.index(self.inside), own=own)
        if domain is not None and self.translator.needs_source:  # codes of another encoder mean other things
            (other,) = self.translator.comparable_with(domain)
            return Scope(wanted=labels.index(other) if other in labels else UNKNOWN, own=own)
        return Scope(shunned=labels.index(domain) if domain in labels else NO_LABEL, own=own)

    def _own_row(self, path: Path) -> int:
        """The query's own row in the gallery, or -1."""
        if path == STREAM:
            return -1
        root = Path(self.gallery.facts.root)
        # A link is an image of its own in a gallery of links.
        for full in (path.parent.resolve() / path.name, path.resolve()):
            row = self.gallery.rows_by_path.get(name_below(root, full)) if full.is_relative_to(root) else None
            if row is not None:
                return row
        return -1


def _parts(loaded: Sequence[Loaded], size: int = 64) -> Iterator[Sequence[Loaded]]:
    return (loaded[start : start + size] for start in range(0, len(loaded), size))
