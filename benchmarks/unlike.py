"""How many images are told to be unlike what a model was trained on: of its own kind, and of others.

    python benchmarks/unlike.py DATA

DATA holds folders of images: each is counted on its own, for every shipped model.
"""

import sys
from pathlib import Path

from i2i_cli.checkpoints.names import list_weights
from i2i_cli.data.folders import find_images
from i2i_cli.inference.inputs import Loaded, Source, load_batches
from i2i_cli.inference.runtime import load

LIMIT = 150


def main() -> None:
    """Print a table: a row a folder, a column a model: share by codes alone, share by codes and rebuilt images."""
    models = [load(entry.name) for entry in list_weights() if entry.shipped]
    print("| images | " + " | ".join(model.name for model in models) + " |\n|---|" + "---|" * len(models))
    for folder in map(Path, sys.argv[1:]):
        paths = find_images(folder)[:: max(1, len(find_images(folder)) // LIMIT)][:LIMIT]
        cells = []
        for model in models:
            found = [item for batch in load_batches([Source(path=path) for path in paths], model.image_size)
                     for item in batch if isinstance(item, Loaded)]  # fmt: skip
            squares = [item.square for item in found]
            codes = model.encode(squares)
            shares = [model.unlike(squares, codes, thorough).mean() for thorough in (False, True)]
            cells.append(", ".join(f"{share:.0%}" for share in shares))
        print(f"| {'/'.join(folder.parts[-3:])} ({len(paths)}) | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
