"""The sheet that a training draws: held-out images, rebuilt and translated."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from i2i_cli.data.augment import to_bytes, to_model_range
from i2i_cli.data.dataset import Dataset
from i2i_cli.jobs.plots.sheets import Squares, sheet
from i2i_cli.models.family import TranslationModel

SHEET_SAMPLES = 4


def translation_sheet(
    model: TranslationModel, dataset: Dataset, device: torch.device, per_domain: int = 4, rebuilds: bool = True
) -> Image.Image:
    """Held-out images: input, reconstruction (if the model `rebuilds`), and each in every domain that it can go to.

    The target codes are the domains' medoids, so that a column differs by content alone. Where an image
    can go to one domain alone, there are columns of more of that domain's codes.
    """
    split = dataset.test if len(dataset.test) else dataset.train
    sources = [source for source in range(model.num_domains) if model.targets_of(source)]
    rows = torch.cat([dataset.rows(split, source, per_domain) for source in sources])
    images = to_model_range(dataset.images.squares(rows), device)
    return sheet(translated_columns(model, images, dataset.labels[rows], dataset.domains, rebuilds), per_domain)


@torch.no_grad()
def translated_columns(
    model: TranslationModel, images: Tensor, y: Tensor, domains: Sequence[str], rebuilds: bool = True
) -> list[tuple[str, Squares]]:
    """The titled columns of such a sheet of any `images` (n, 3, S, S), ordered by their labels `y` (n,) on the CPU."""
    goals = {source: model.targets_of(source) for source in y.unique().tolist()}
    source = y.to(images.device)
    codes = model.encode(images, source)
    columns = [("input", images), *([("rebuilt", model.rebuild(images, source))] if rebuilds else [])]
    if all(len(labels) == model.num_domains for labels in goals.values()):
        chosen = [(f"to {name}", dict.fromkeys(goals, (label, 0))) for label, name in enumerate(domains)]
    else:
        chosen = [
            (f"translated {i + 1}", {source: (labels[0], i) for source, labels in goals.items()})
            for i in range(SHEET_SAMPLES)
        ]
    for title, places in chosen:
        target = torch.stack([_kept(model, *places[source]) for source in y.tolist()])
        columns.append((title, model.decode(codes.content, target)))
    return [(title, to_bytes(made).numpy()) for title, made in columns]


def _kept(model: TranslationModel, label: int, place: int) -> Tensor:
    """The kept code of domain `label` at `place`, or the last one where there are fewer."""
    codes = model.target_codes(label)
    return codes[min(place, len(codes) - 1)]
