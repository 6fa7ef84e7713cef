"""Which part of the picture is translated: the found faces as a choice, and a frame that follows a click."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from i2i_cli.data.geometry import Crop
from i2i_cli.web.service import Look

LARGEST, WHOLE, EVERY, OWN = "the largest face", "the whole picture", "every face", "a part of my own"

_FRAME, _EDGE = (255, 176, 0), (0, 0, 0)


class Seen(NamedTuple):
    """What is remembered of an upload between two events: its upright size, and its faces, the largest first."""

    size: tuple[int, int]
    faces: Sequence[Crop]


def choices(seen: Seen) -> list[str]:
    """Which parts can be asked for by name."""
    others = [f"face {number}" for number in range(2, len(seen.faces) + 1)]
    every = [EVERY] if others else []
    return [*([LARGEST] if seen.faces else []), *others, *every, WHOLE, OWN]


def crop_of(choice: str, seen: Seen, own: Crop | None) -> str | None:
    """The choice as `--crop` has it."""
    if choice == OWN:
        return ",".join(map(str, own or middle(seen.size)))
    if choice.startswith("face "):
        return ",".join(map(str, seen.faces[int(choice.split()[1]) - 1]))
    return {LARGEST: "auto", EVERY: "all"}.get(choice, "none")


def middle(size: tuple[int, int], share: float = 0.6) -> Crop:
    """A square in the middle of an image, of a `share` of its shorter side."""
    side = max(1, round(share * min(size)))
    return Crop((size[0] - side) // 2, (size[1] - side) // 2, side, side)


def placed(seen: Seen, share: float, centre: tuple[float, float]) -> Crop:
    """A square around `centre` (x, y), of a `share` of the shorter side, shifted inside the image."""
    side = max(1, round(share * min(seen.size)))
    left, top = (
        min(max(0, round(place - side / 2)), length - side) for place, length in zip(centre, seen.size, strict=True)
    )
    return Crop(left, top, side, side)


def framed(look: Look, crops: Sequence[Crop]) -> Image.Image:
    """The preview of a picture with frames around its parts."""
    view = look.preview.copy()
    scale, draw = view.width / look.size[0], ImageDraw.Draw(view)
    width = max(2, max(view.size) // 160)
    for crop in crops:
        box = [crop.left * scale, crop.top * scale, (crop.left + crop.width) * scale, (crop.top + crop.height) * scale]
        draw.rectangle([box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], outline=_EDGE, width=width + 2)
        draw.rectangle(box, outline=_FRAME, width=width)
    return view


def frames(choice: str, seen: Seen, own: Crop | None) -> Sequence[Crop]:
    """The parts that a choice stands for, to be drawn; none of the whole picture."""
    if choice == OWN:
        return [own or middle(seen.size)]
    if choice == EVERY:
        return seen.faces
    number = 1 if choice == LARGEST else int(choice.split()[1]) if choice.startswith("face ") else 0
    return seen.faces[number - 1 : number] if number else []
