"""Cross-domain nearest neighbours by content code (SRAE 4.2): exact search, chunk by chunk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i_cli.config import nearest
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.jobs.codes import BY, features, flat_codes
from i2i_cli.jobs.gallery import UNKNOWN, Gallery
from i2i_cli.jobs.publishing import GALLERY
from i2i_cli.jobs.sources import STREAM, Failure, Loaded, Source, load_batches
from i2i_cli.jobs.translation import Translator

CHUNK = 16_384
"""Gallery rows compared at once: bounds the memory, whatever the gallery's size."""

QUERIES = 256
"""Queries that share one pass over the gallery."""

KEPT_BYTES = 2**31
"""A gallery whose features take no more than this is normalised once and kept on the device."""


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
    """

    source: Path
    domain: str | None = None
    neighbours: tuple[Neighbour, ...] = ()
    square: NDArray[np.uint8] | None = None
    note: str = ""
    error: I2IError | None = None


def default_gallery(translator: Translator, query: Path) -> Path:
    """What is searched where nothing else is asked for: the run's own gallery, else the query's folder.

    A query in a folder that is called like a domain is searched for in the folder above.

    Raises:
        ConfigError: there is neither.
    """
    own = translator.path.parent / GALLERY
    if own.is_file():
        return own
    if query == STREAM:
        raise ConfigError("there is no gallery to search", "give a folder of images, or an index: --gallery FOLDER")
    folder = query.absolute().parent
    return folder.parent if folder.name in translator.domains else folder


@dataclass(kw_only=True)
class NeighbourSearch:
    """Finds the images of a gallery whose codes are closest to a query's.

    Args:
        by: the code that is compared: "content", "domain" or "both".
        inside: the one label to search; None searches all domains but the query's own.
        query_domain: the domain of all queries; None takes it from their folder, or predicts it.

    Raises:
        ConfigError: an unknown code, label or domain.
    """

    translator: Translator
    gallery: Gallery
    by: str = "content"
    inside: str | None = None
    query_domain: str | None = None
    _kept: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        facts = self.gallery.facts
        if self.by not in BY:
            raise ConfigError(f"--by {self.by!r} is no code", f"use {', '.join(BY)}")
        if self.inside is not None and self.inside not in facts.labels:
            hint = nearest(self.inside, facts.labels) if facts.labels else "leave --in out: it is searched whole"
            raise ConfigError(f"the gallery has no domain {self.inside!r}", hint)
        if self.query_domain is not None:
            self.translator.label_of(self.query_domain)
        self._has_domains = bool(set(facts.labels) & set(self.translator.domains))
        self._labels = torch.from_numpy(self.gallery.labels.astype(np.int64)).to(self.translator.device)

    def run(self, sources: Sequence[Source], k: int, read_stdin: Callable[[], bytes] = bytes) -> Iterator[Answer]:
        """One answer a query, in order, with up to `k` neighbours."""
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
        codes = list(chain.from_iterable(flat_codes(self.translator, part) for part in _parts(loaded)))
        content, domain = (np.stack(code) for code in zip(*codes, strict=True))
        own = [self._domain_of(item.source.path, code) for item, code in zip(loaded, domain, strict=True)]
        queries = self._features(content, domain)
        scores, rows = self.nearest(queries, k, own, [self._own_row(item.source.path) for item in loaded])
        return [
            Answer(
                source=item.source.path,
                domain=own[i],
                neighbours=tuple(
                    Neighbour(self.gallery.path(row), self.gallery.label(row), score)
                    for score, row in zip(scores[i].tolist(), rows[i].tolist(), strict=True)
                    if score > -torch.inf
                ),
                square=item.square,
                note=item.note,
            )
            for i, item in enumerate(loaded)
        ]

    def _features(self, content: NDArray[np.float16], domain: NDArray[np.float16]) -> Tensor:
        return features(self.by, content, domain, self.translator.device)

    def _domain_of(self, path: Path, code: NDArray[np.float16]) -> str | None:
        """The query's domain: as told, as its folder is called, or as the latent classifier reads it."""
        if self.query_domain is not None or not self._has_domains:
            return self.query_domain
        folders = [part for part in reversed(path.absolute().parts[:-1]) if part in self.translator.domains]
        if path != STREAM and folders:
            return folders[0]
        classifier = self.translator.classifier()
        probabilities = classifier(torch.from_numpy(code[None]).to(self.translator.device))
        return classifier.classes[int(probabilities.argmax())]

    def _own_row(self, path: Path) -> int:
        """The query's own row in the gallery, or -1."""
        root = Path(self.gallery.facts.root)
        full = path.resolve()
        if path == STREAM or not full.is_relative_to(root):
            return -1
        return self.gallery.rows_by_path.get(str(full.relative_to(root)), -1)

    def nearest(
        self, queries: Tensor, k: int, own_domains: Sequence[str | None], own_rows: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Scores and rows (Q, k) of the closest allowed rows, best first; -inf where there are fewer.

        Args:
            queries: unit vectors (Q, f).
            own_domains: each query's domain, whose rows are passed over unless `inside` names it.
            own_rows: each query's own row in the gallery, or -1.
        """
        device, count = self.translator.device, len(queries)
        places = {name: place for place, name in enumerate(self.gallery.facts.labels)}
        wanted = UNKNOWN if self.inside is None else places[self.inside]
        shunned = [places.get(name or "", UNKNOWN - 1) if self.inside is None else UNKNOWN - 1 for name in own_domains]
        shun, own = torch.tensor(shunned, device=device)[:, None], torch.tensor(own_rows, device=device)[:, None]
        scores = torch.full((count, 0), -torch.inf, device=device)
        rows = torch.zeros((count, 0), dtype=torch.int64, device=device)
        for part in self.gallery.chunks(CHUNK):
            labels = self._labels[part]
            numbers = torch.arange(part.start, part.stop, device=device)
            refused = (labels == shun) | (numbers == own)
            if self.inside is not None:
                refused |= labels != wanted
            found = (queries @ self._chunk(part).T).masked_fill(refused, -torch.inf)
            best, places_in_part = found.topk(min(k, found.shape[1]))
            scores = torch.cat([scores, best], dim=1)
            rows = torch.cat([rows, places_in_part + part.start], dim=1)
            scores, order = scores.topk(min(k, scores.shape[1]))
            rows = rows.gather(1, order)
        return scores, rows

    def _chunk(self, part: slice) -> Tensor:
        if part.start in self._kept:
            return self._kept[part.start]
        found = self._features(self.gallery.content[part], self.gallery.domain[part])
        if found.shape[1] * 4 * len(self.gallery) <= KEPT_BYTES:
            self._kept[part.start] = found
        return found


def _parts(loaded: Sequence[Loaded], size: int = 64) -> Iterator[Sequence[Loaded]]:
    return (loaded[start : start + size] for start in range(0, len(loaded), size))
