"""Translate image files to image files, in batches. One bad file never stops the others."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i_cli.data.geometry import pasted
from i2i_cli.data.images import Picture, read_image
from i2i_cli.data.writing import encode_image, write_image
from i2i_cli.errors import DataError, I2IError
from i2i_cli.inference.inputs import BATCH, STREAM, Failure, Loaded, Source, face_crops, fitted, load_batches
from i2i_cli.inference.translator import Target, Translated, Translator
from i2i_cli.jobs.translation.planning import Outcome, Task, settled


@dataclass(frozen=True, kw_only=True)
class FileTranslation:
    """How files are translated.

    Args:
        targets: the domain codes; every source is translated to each.
        own: the domain of all sources, where codes need it; else their folder's, else predicted.
        strength: from the domain code that rebuilds an image (0) to the target's (1).
        at_model_size: leave results at the model's resolution.
        overwrite: replace outputs that are there.
        skip_existing: leave sources alone whose outputs are all there.
        quality: of JPEG and WebP results, 1 to 100; None is the format's default here.
        batch_size: images a forward pass, as many more decoded ahead; None is `inputs.BATCH`.
        keep_squares: outcomes hold what the model saw and made, for sheets.
        paste: put what was translated back into the photo that it is a part of; of every face with `every_face`.
        read_stdin: gives the bytes behind a source that is `STREAM`.
    """

    translator: Translator
    targets: Sequence[Target]
    own: str | None = None
    strength: float = 1.0
    at_model_size: bool = False
    overwrite: bool = False
    skip_existing: bool = False
    quality: int | None = None
    batch_size: int | None = None
    keep_squares: bool = False
    paste: bool = False
    every_face: bool = False
    read_stdin: Callable[[], bytes] = field(default=bytes)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """One outcome a task, in order, as soon as its batch is written and the next one translated."""
        known = [settled(task, self.overwrite, self.skip_existing) for task in tasks]
        waiting = [task for task, outcome in zip(tasks, known, strict=True) if outcome is None]
        with closing(self._pasted(waiting) if self.paste else self._translated(waiting)) as done:
            for outcome in known:
                yield next(done) if outcome is None else outcome

    def _translated(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        waiting = iter(tasks)
        sources = [task.source for task in tasks]
        batches = load_batches(sources, self.translator.image_size, self.read_stdin, self.batch_size)
        before: tuple[Sequence[Loaded | Failure], Iterator[Outcome]] = ((), iter(()))
        with ThreadPoolExecutor() as pool:
            for batch in batches:
                owners = [next(waiting) for _ in batch]
                loaded = [(task, item) for task, item in zip(owners, batch, strict=True) if isinstance(item, Loaded)]
                items = [item for _, item in loaded]
                made = self.translator.translated(items, self.targets, self.own, self.strength, len(tasks) <= BATCH)
                run = map if len(tasks) == 1 else pool.map  # for one, a thread would take longer than it saves
                written = run(self._write, *zip(*loaded, strict=True), made) if loaded else iter(())
                yield from _in_order(*before)  # while this batch is written, the next one is translated
                before = (batch, written)
            yield from _in_order(*before)

    def _write(self, task: Task, item: Loaded, made: Translated) -> Outcome:
        done = self._written(task, made.source, [item.frame.restore(one, self.at_model_size) for one in made.squares])
        done = replace(
            done,
            note=item.note,
            crop=item.crop if item.source.face else None,
            faceless=item.faceless,
            unlike=made.unlike,
        )
        return replace(done, loaded=item, squares=made.squares) if self.keep_squares and done.error is None else done

    def _written(self, task: Task, own: str | None, images: Sequence[Image.Image]) -> Outcome:
        """The images of each target in their places; `own` is the source's domain, where codes need it."""
        source, written, data = task.source.path, [], b""
        try:
            for target, path, image in zip(self.targets, task.outputs, images, strict=True):
                self.translator.check_route(own, target.domain, str(source))
                if path == STREAM:
                    data = encode_image(image, quality=self.quality)
                elif path.exists() and not self.overwrite:
                    continue
                else:
                    write_image(path, image, self.quality)
                written.append((target.label, path))
        except I2IError as error:
            return Outcome(source=source, written=tuple(written), error=error)
        return Outcome(source=source, written=tuple(written), data=data)

    def _pasted(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Photos with their parts translated, one at a time: each is needed in all of its pixels."""
        for task in tasks:
            source = task.source
            try:
                picture = read_image(self.read_stdin() if source.path == STREAM else source.path)
                items = self._parts(source, picture)
            except (I2IError, OSError) as error:
                told = error if isinstance(error, I2IError) else DataError(f"{source.path}: {error.strerror}")
                yield Outcome(source=source.path, error=told)
                continue
            made = self.translator.translated(items, self.targets, self.own, self.strength, len(tasks) <= BATCH)
            photos = [self._photo(picture, items, [part.squares[i] for part in made]) for i in range(len(self.targets))]
            first = items[0]
            crop = first.crop if source.face and len(items) == 1 else None
            done = replace(self._written(task, made[0].source, photos), note=picture.note, crop=crop)
            done = replace(done, faceless=first.faceless, unlike=all(part.unlike for part in made))
            keeps = self.keep_squares and done.error is None
            yield replace(done, loaded=first, squares=made[0].squares) if keeps else done

    def _parts(self, source: Source, picture: Picture) -> list[Loaded]:
        """The parts of `picture` to translate: its crop, its largest face, every face, or else the whole."""
        crops = [source.crop] if source.crop is not None else []
        if source.crop is None and source.face:
            crops += face_crops(picture)[: None if self.every_face else 1]
        side = self.translator.image_size
        if not crops:
            return [fitted(source, picture, side)._replace(faceless=source.face)]
        return [fitted(source, picture, side, crop) for crop in crops]

    def _photo(self, picture: Picture, items: Sequence[Loaded], squares: Sequence[NDArray[np.uint8]]) -> Image.Image:
        """`picture` with its translated parts in their places, and its alpha."""
        photo = picture.rgb
        for item, square in zip(items, squares, strict=True):
            made = item.frame.restore(square).convert("RGB")
            photo = made if item.crop is None else pasted(photo, item.crop, made)
        if picture.alpha is not None:
            photo = photo.convert("RGBA")
            photo.putalpha(picture.alpha)
        return photo


def _in_order(batch: Sequence[Loaded | Failure], written: Iterator[Outcome]) -> Iterator[Outcome]:
    """An outcome for each image of a batch: that of its reading where it failed, else the next of `written`."""
    for item in batch:
        yield Outcome(source=item.source.path, error=item.error) if isinstance(item, Failure) else next(written)
