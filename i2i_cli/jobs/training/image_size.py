"""The side of the model's square where nobody has named one: by the images, as far as the device can train it."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from i2i_cli.data.domains import Item
from i2i_cli.data.images import FORMATS

SAMPLE = 64
"""Images whose sizes are looked at."""

SIZES = (32, 64, 128)
"""What is chosen among. 256 is never proposed."""

LARGEST = {"cuda": 128}
LARGEST_ELSEWHERE = 64
"""By the kind of device: at 128 px a core trains some 28 images a second, and a first result is hours away."""


def propose_size(items: Sequence[Item], device: str, above: int = 0) -> tuple[int, str] | None:
    """The largest side that the images reach and the device trains in fair time, and a sentence that says so.

    Args:
        device: its kind, such as "cuda".
        above: sizes up to this one are impossible.
    Returns:
        None where no image of the sample can be read.
    """
    found = median_size([item.path for item in _spread(items)])
    if found is None:
        return None
    largest, (width, height) = LARGEST.get(device, LARGEST_ELSEWHERE), found
    allowed = [size for size in SIZES if above < size <= largest]
    if not allowed:
        return None
    chosen = max((size for size in allowed if size <= min(found)), default=allowed[0])
    told = f"images of {width} x {height} (median): training at {chosen} px"
    larger, smaller = 2 * chosen, chosen // 2
    if larger in SIZES and larger <= min(found):
        told += f"; --image-size {larger} shows more, and takes two to three times as long"
    elif chosen > LARGEST_ELSEWHERE:
        told += f"; --image-size {smaller} trains faster"
    return chosen, told


def median_size(paths: Sequence[Path]) -> tuple[int, int] | None:
    """Width and height of the image whose shorter side is the median; only headers are read."""
    sizes = [size for path in paths if (size := _size_of(path)) is not None]
    if not sizes:
        return None
    shorter = statistics.median_low(min(size) for size in sizes)
    return min((size for size in sizes if min(size) == shorter), key=max)


def _spread(items: Sequence[Item]) -> list[Item]:
    """Up to `SAMPLE` of `items`, evenly spread."""
    count = min(SAMPLE, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _size_of(path: Path) -> tuple[int, int] | None:
    """None of what is no image: whoever decodes it names it."""
    if not path.is_file():  # a pipe would never end
        return None
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception:  # Pillow's readers raise whatever a damaged file makes them trip over
        return None
