"""Emoji split by groups: whole ranges of code points are held out, so that nothing drawn alike is trained on.

    python benchmarks/groups.py EMOJI OUT

EMOJI holds a folder a vendor below `train/` and `test/`, with files named by their code points. OUT gets the same
images as links, those of a seventh of the groups below `test/`. Then train and measure as on any folder:

    i2i train OUT --config weights/emoji.toml --name groups
    i2i evaluate OUT -w runs/groups --only retrieval
"""

import sys
from pathlib import Path

from i2i_cli.data.domains import is_held_out

GROUP = 32
"""Code points of a group: neighbours in the table show things of a kind, drawn alike."""

SHARE = 1 / 7
"""As many of all images as `test/` holds."""


def group_of(path: Path) -> str:
    """Of the first code point in a file's name."""
    return f"group {int(path.stem.split('-')[0], 16) // GROUP}"


def main() -> None:
    source, out = (Path(word).absolute() for word in sys.argv[1:3])
    counts = {"train": 0, "test": 0}
    for path in sorted(source.glob("t*/*/*.png")):
        split = "test" if is_held_out(group_of(path), SHARE) else "train"
        link = out / split / path.parent.name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
        counts[split] += 1
    print(", ".join(f"{split} {count}" for split, count in counts.items()))


if __name__ == "__main__":
    main()
