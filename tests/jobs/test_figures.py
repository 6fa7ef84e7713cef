import torch
from PIL import Image

from i2i_cli.jobs.figures import sheet


def test_a_sheet_shows_every_image_under_its_title() -> None:
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(3, 3, 32, 32)
    page = sheet([("input", red), ("a very long name of a domain", -red)], rows_per_group=2)
    assert isinstance(page, Image.Image)
    colours = {colour: count for count, colour in page.getcolors(100_000)}
    assert colours[(255, 0, 0)] == colours[(0, 255, 255)] == 3 * 64 * 64, "small images are enlarged"
    assert page.width < 3 * 64 + 20, "a long title does not widen its column"
