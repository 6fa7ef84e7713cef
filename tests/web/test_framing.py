import pytest
from PIL import Image

from i2i_cli.data.geometry import Crop
from i2i_cli.web.page.framing import EVERY, LARGEST, OWN, WHOLE, Seen, choices, crop_of, framed, frames, middle, placed
from i2i_cli.web.service import Look

FACES = [Crop(10, 20, 80, 80), Crop(120, 30, 40, 40)]
SEEN, NONE = Seen((200, 100), FACES), Seen((200, 100), [])


def test_what_can_be_asked_for_follows_the_faces() -> None:
    assert choices(NONE) == [WHOLE, OWN]
    assert choices(SEEN) == [LARGEST, "face 2", EVERY, WHOLE, OWN]


@pytest.mark.parametrize(
    ("choice", "own", "crop"),
    [(LARGEST, None, "auto"), ("face 2", None, "120,30,40,40"), (EVERY, None, "all"), (WHOLE, None, "none"),
     (OWN, Crop(1, 2, 3, 4), "1,2,3,4"), (OWN, None, "70,20,60,60")],
)  # fmt: skip
def test_a_choice_is_a_crop_of_the_command_line(choice: str, own: Crop | None, crop: str) -> None:
    assert crop_of(choice, SEEN, own) == crop


@pytest.mark.parametrize("centre", [(0, 0), (199, 99), (100, 50), (-50, 500)])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_part_stays_inside(centre: tuple[float, float], share: float) -> None:
    crop = placed(SEEN, share, centre)
    crop.check(SEEN.size, "it")
    assert crop.width == crop.height == round(share * 100)


def test_frames_are_drawn_where_the_parts_are() -> None:
    look = Look(Image.new("RGB", (100, 50)), (200, 100), FACES)
    view = framed(look, frames("face 2", SEEN, None))
    assert view.getpixel((60, 15)) == (255, 176, 0) and view.getpixel((70, 25)) == (0, 0, 0)
    assert framed(look, frames(WHOLE, SEEN, None)).getcolors() == [(5000, (0, 0, 0))]
    assert frames(LARGEST, SEEN, None) == FACES[:1] and frames(EVERY, SEEN, None) == FACES
    assert frames(OWN, SEEN, None) == [middle(SEEN.size)]
