"""What visitors can have done, by page or by endpoint: each is a job of `jobs/`, done when its turn comes. No torch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.data.geometry import Crop
from i2i_cli.data.images import read_image
from i2i_cli.data.writing import write_image
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.inference.image_like import load_image
from i2i_cli.inference.inputs import LOOK_AT, Source, face_crops, parse_part
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.translator import Target, Translator
from i2i_cli.jobs.classification.classify import classify_files
from i2i_cli.jobs.plots.scatter import Embedding, embed
from i2i_cli.jobs.retrieval.indexing import name_below
from i2i_cli.jobs.retrieval.neighbours import NeighbourSearch
from i2i_cli.jobs.translation.files import FileTranslation
from i2i_cli.jobs.translation.morph import save_morph
from i2i_cli.jobs.translation.planning import Outcome, TargetChoice, plan_outputs
from i2i_cli.web.desk import Desk
from i2i_cli.web.galleries import Galleries
from i2i_cli.web.models import Models
from i2i_cli.web.orders import TranslationOrder
from i2i_cli.web.workspace import Workspace

Squares = NDArray[np.uint8]

NUM_CODES = 24
"""Kept codes of a domain that are shown."""

MAX_NEIGHBOURS = 50

PER_LABEL = 300
"""Images of a label in a plot of the codes: more take long, and hide each other."""


class Translation(NamedTuple):
    """What came of an order.

    Args:
        results: files, one for each code.
        labels: what each is called.
        crop: the part that was translated, pixels of the upright image; None is the whole.
        notes: sentences that a visitor should read.
    """

    results: Sequence[Path]
    labels: Sequence[str]
    crop: Crop | None
    notes: Sequence[str]


class Look(NamedTuple):
    """A picture as a person should see it before its translation.

    Args:
        preview: upright, RGB, at most `LOOK_AT` pixels a side.
        size: (width, height) of the upright image.
        faces: the square around each face, the largest first, pixels of the upright image.
    """

    preview: Image.Image
    size: tuple[int, int]
    faces: Sequence[Crop]


class Hit(NamedTuple):
    """A neighbour: its name in the gallery, its place on the disk, its domain if it has one, and the cosine."""

    name: str
    path: Path
    label: str | None
    score: float


class Found(NamedTuple):
    """What is closest to an image of `domain`, the closest first."""

    domain: str | None
    hits: Sequence[Hit]


@dataclass(frozen=True, kw_only=True)
class Service:
    """Does what is asked for, a few jobs at a time. Errors are sentences of ours, without names of folders."""

    models: Models
    galleries: Galleries
    desk: Desk
    workspace: Workspace

    def look(self, image: Path, find_faces: bool = True) -> Look:
        """Decode an upload, and find its faces.

        Raises:
            DataError: it cannot be read.
        """
        with self._turn():
            picture = read_image(image, LOOK_AT)
            preview = picture.rgb.copy()
            preview.thumbnail((LOOK_AT, LOOK_AT), Image.Resampling.LANCZOS)
            return Look(preview, picture.size, face_crops(picture) if find_faces else [])

    def translate(self, order: TranslationOrder, folder: Path) -> Translation:
        """Translate an upload; results are written into `folder`.

        Raises:
            I2IError: it cannot be done.
        """
        with self._turn():
            translator = self.models.open(order.model)
            part = parse_part(order.crop, translator.framing)
            if part.every and not order.paste:
                raise ConfigError("crop all makes several results of an image", "add paste, or use crop auto")
            job = FileTranslation(
                translator=translator, targets=_choice(order, translator).targets(translator), own=order.own,
                strength=order.strength, at_model_size=order.size == "model", paste=order.paste,
                every_face=part.every, keep_squares=True,
            )  # fmt: skip
            source = Source(path=order.image, crop=part.crop, face=part.face)
            (outcome,) = job.run(plan_outputs([source], _labels(job.targets), folder, order.suffix))
            if outcome.error is not None:
                raise outcome.error
        return _told(outcome, translator)

    def before(self, image: Path, crop: Crop | None, side: int) -> Image.Image:
        """What a translation is shown beside: the upright picture or its part, at most `side` pixels a side."""
        with self._turn():
            picture = read_image(image, None if crop else 2 * side)
            picture = picture if crop is None else crop.of(picture, image.name)
            picture.rgb.thumbnail((side, side), Image.Resampling.LANCZOS)
            return picture.rgb

    def morph(self, order: TranslationOrder, folder: Path) -> Path:
        """A moving picture from an upload to its translation and back, or through samples: a file in `folder`.

        Raises:
            I2IError: it cannot be done.
        """
        with self._turn():
            translator = self.models.open(order.model)
            item = load_image(order.image, translator.image_size, translator.one_part(order.crop))
            path = folder / f"{order.image.stem}-morph.gif"
            save_morph(path, translator, item, _choice(order, translator).targets(translator), order.own)
            return path

    def codes(self, model: str | None, image: Path, to: str, crop: str | None, own: str | None) -> list[Squares]:
        """The upload with each of the first kept codes of a domain (S, S, 3): what there is to choose from."""
        with self._turn():
            translator = self.models.open(model)
            item = load_image(image, translator.image_size, translator.one_part(crop))
            places = range(min(NUM_CODES, len(translator.kept_codes(translator.domain(to)))))
            (made,) = translator.translated([item], [translator.target(to, code=place + 1) for place in places], own)
            translator.check_route(made.source, to, image.name)
            return list(made.squares)

    def swap(
        self, model: str | None, a: Path, b: Path, crop: str | None, own: Sequence[str | None], folder: Path
    ) -> list[Path]:
        """Exchange the domain codes of two uploads: files `A~B.png` and `B~A.png` in `folder`.

        Args:
            own: the domains of both, where the model needs them; None predicts one.

        Raises:
            I2IError: it cannot be done.
        """
        with self._turn():
            translator = self.models.open(model)
            first, second = own
            made = translator.swap_domain(a, b, sources=(first, second), crop=crop)
            paths = [folder / f"{a.stem}~{b.stem}.png", folder / f"{b.stem}~{a.stem}.png"]
            if a.stem == b.stem:
                paths = [path.with_stem(f"{path.stem}-{place}") for place, path in enumerate(paths, 1)]
            for path, image in zip(paths, made, strict=True):
                write_image(path, image)
            return paths

    def classify(
        self, model: str | None, image: Path, labels: str = DOMAINS, own: str | None = None, crop: str | None = None
    ) -> dict[str, float]:
        """Probability of each class of an upload, the most probable first (SRAE 4.3).

        Raises:
            I2IError: it cannot be done.
        """
        with self._turn():
            translator = self.models.open(model)
            part = translator.one_part(crop)
            source = Source(path=image, crop=part.crop, face=part.face)
            (found,) = classify_files(translator, [source], labels, own)
            if found.error is not None:
                raise found.error
            return dict(sorted(found.probabilities.items(), key=lambda item: -item[1]))

    def neighbours(
        self,
        model: str | None,
        image: Path,
        count: int,
        *,
        gallery: str | None = None,
        inside: str | None = None,
        own: str | None = None,
        crop: str | None = None,
    ) -> Found:
        """The images of a gallery that are closest to an upload, or to one of the gallery's own images (SRAE 4.2).

        Raises:
            I2IError: it cannot be done.
        """
        if not 1 <= count <= MAX_NEIGHBOURS:
            raise ConfigError(f"{count} neighbours are out of range", f"ask for 1 to {MAX_NEIGHBOURS}")
        with self._turn():
            translator = self.models.open(model)
            part = translator.one_part(crop)
            searched = self.galleries.open(translator, gallery)
            search = NeighbourSearch(translator=translator, gallery=searched, inside=inside, query_domain=own)
            (answer,) = search.run([Source(path=image, crop=part.crop, face=part.face)], count)
            if answer.error is not None:
                raise answer.error
            root = searched.facts.root
            return Found(answer.domain, [Hit(name_below(Path(root), near.path), *near) for near in answer.neighbours])

    def embed(self, model: str | None, gallery: str | None, method: str) -> Embedding:
        """The codes of a gallery in two dimensions (SRAE figures 6 and 8), of at most `PER_LABEL` images a label.

        Raises:
            I2IError: it cannot be done.
        """
        with self._turn():
            translator = self.models.open(model)
            return embed(self.galleries.open(translator, gallery), method, limit=PER_LABEL)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the turn; what goes wrong in it is told without the folders of the workspace."""
        try:
            with self.desk.place():
                yield
        except I2IError as error:
            error.message = self.workspace.without_folders(error.message)
            error.hint = self.workspace.without_folders(error.hint)
            raise


def _choice(order: TranslationOrder, translator: Translator) -> TargetChoice:
    domains = [] if order.to is None else [translator.domain(order.to)]
    return TargetChoice(domains=domains, like=order.like, samples=order.samples, seed=order.seed, code=order.code)


def _labels(targets: Sequence[Target]) -> list[str]:
    return [target.label for target in targets]


def _told(outcome: Outcome, translator: Translator) -> Translation:
    notes = [f"{outcome.note[0].upper()}{outcome.note[1:]}."] if outcome.note else []
    notes += ["No face was found: the whole picture was taken."] if outcome.faceless else []
    if outcome.unlike:
        notes.append(f"This picture is unlike what {translator.name} was trained on: expect little of the result.")
    crop = None if outcome.loaded is None else outcome.loaded.crop
    return Translation([path for _, path in outcome.written], [label for label, _ in outcome.written], crop, notes)
