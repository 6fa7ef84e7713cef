"""How real and how varied translations are, as sets, on the features of fixed networks."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from i2i_cli.bundled import bundled_folder
from i2i_cli.checkpoints.tensors import load_into, load_tensors
from i2i_cli.jobs.evaluation.downloads import inception
from i2i_cli.jobs.evaluation.inputs import CHUNK, EvaluationData
from i2i_cli.jobs.evaluation.measurement import (
    Measurement,
    Section,
    deviation_of,
    mean_of,
    share_of,
    with_means,
    within,
)
from i2i_cli.jobs.evaluation.reconstruction import sharpness
from i2i_cli.jobs.evaluation.translations import Made, made
from i2i_cli.models.features import FeatureNetwork
from i2i_cli.models.probes import frechet_distance
from i2i_cli.models.seeding import own_draws

NUM_CODES = 8
NUM_INPUTS = 60
FILE = "features.safetensors"
MIN_FOR_DISTANCES = 50
"""Images of a domain under which a Frechet or a kernel distance says nothing."""

NEIGHBOURS = 3
"""The ball around an image reaches to its neighbour of this rank."""

MANY_FEATURES = 512
"""Above these, the Frechet distance is too expensive to be found again on resampled rows."""


def features_file() -> Path:
    """The bundled weights of the feature network."""
    return bundled_folder() / FILE


def feature_network() -> tuple[FeatureNetwork, str]:
    """The bundled feature network and the hash of its file.

    Raises:
        WeightsError: the file is gone or damaged.
    """
    path = features_file()
    network = FeatureNetwork()
    load_into(network, load_tensors(path), path)
    return network.eval().requires_grad_(False), hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Measured:
    """Features of one kind of all real images and reconstructions, and how translations' are made.

    Args:
        names: of the Frechet and of the kernel distance on these features.
        of: images (n, 3, S, S) -> features (n, f).
        real: label -> features of the real held-out images.
        rebuilt: the same of their reconstructions; empty where the model makes none.
    """

    names: tuple[str, str]
    of: Callable[[Tensor], Tensor]
    real: dict[int, Tensor]
    rebuilt: dict[int, Tensor]


@torch.no_grad()
def realism(data: EvaluationData, seed: int) -> Section:
    """Distances, precision, recall and variety of every ordered pair."""
    network, digest = feature_network()
    device, pictures = data.translator.device, data.test_pictures
    network = network.to(device)
    assert pictures is not None
    real = {label: pictures.of(label).images(device) for label in range(len(data.domains))}
    rebuilt = _rebuilt(data, real) if data.translator.rebuilds else {}
    kinds = [_measured(("Frechet", "kernel x1000"), network, real, rebuilt)]
    if (standard := inception()) is not None:
        kinds.append(_measured(("FID", "KID x1000"), standard, real, rebuilt))
    figures: list[Measurement] = []
    for found in made(data, seed):
        name = data.name(found.a, found.b)
        for kind in kinds:
            figures += _distances(kind, kind.of(found.outputs), found.b, name)
        figures += _variety(data, found, name, real[found.b])
        figures.append(sharpness(name, found.outputs, real[found.b], rebuilt.get(found.b)))
    text = (
        "Distances between translations and real held-out images of the target on the bundled feature network "
        f"(sha256 {digest[:12]}): a measure within one data set, not an Inception FID. References of distances, "
        "precision and recall: those of plain reconstructions, the floor. Precision: translations within the real "
        "images' manifold; recall: real images within the translations'. Variety: mean distance between outputs of "
        f"different inputs by one code (inputs) and of one input by {NUM_CODES} codes (codes), as a ratio to that "
        "between real images. Sharpness: mean gradient energy as a ratio to that of real images (reference: of plain "
        "reconstructions). FID and KID on Inception-v3 only where its weights are cached; a few hundred images "
        "bias the FID upwards."
    )
    return Section(name="realism", text=text, figures=with_means(figures))


def _measured(
    names: tuple[str, str], network: Callable[[Tensor], Tensor], real: dict[int, Tensor], rebuilt: dict[int, Tensor]
) -> Measured:
    def of(images: Tensor) -> Tensor:
        return torch.cat([network(chunk).cpu() for chunk in images.split(CHUNK)])

    first, second = ({label: of(images) for label, images in side.items()} for side in (real, rebuilt))
    return Measured(names, of, first, second)


def _rebuilt(data: EvaluationData, real: dict[int, Tensor]) -> dict[int, Tensor]:
    """Reconstructions of the real images."""
    model, found = data.translator.model, dict[int, Tensor]()
    for label, images in real.items():
        chunks = [(chunk, torch.full((len(chunk),), label, device=chunk.device)) for chunk in images.split(CHUNK)]
        found[label] = torch.cat([model.rebuild(chunk, y).float().clamp(-1, 1) for chunk, y in chunks])
    return found


def _distances(kind: Measured, fake: Tensor, label: int, name: str) -> list[Measurement]:
    """Frechet and kernel distance of translations to real images of domain `label`; precision and recall."""
    own, floor, (first, second) = kind.real[label], kind.rebuilt.get(label), kind.names
    floors: list[float | None] = [None] * 4
    enough = min(len(fake), len(own)) >= MIN_FOR_DISTANCES
    if floor is not None:
        distances = [frechet(floor, own), kernel(floor, own)[0]] if enough else [None, None]
        floors = [*distances, _share(floor, own), _share(own, floor)]
    figures, is_many = list[Measurement](), fake.shape[1] > MANY_FEATURES
    if enough:
        value, n = frechet(fake, own), len(fake)
        plain = Measurement(measure=first, subject=name, value=value, low=None, high=None, count=n, reference=floors[0])
        spread = 0.0 if is_many else deviation_of(frechet_distance, fake, own)
        figures.append(plain if is_many else within(first, name, value, spread, n, floors[0]))
        figures.append(within(second, name, *kernel(fake, own), n, floors[1]))
    if not is_many:
        figures.append(share_of("precision", name, inside(fake, own), floors[2]))
        figures.append(share_of("recall", name, inside(own, fake), floors[3]))
    return figures


def _share(points: Tensor, support: Tensor) -> float:
    return float(inside(points, support).float().mean())


def _variety(data: EvaluationData, found: Made, name: str, real: Tensor) -> list[Measurement]:
    """How far outputs lie apart, pixel by pixel, in units of the distance between real images."""
    model, codes = data.translator.model, data.translator.model.target_codes(found.b)
    unit = float(torch.pdist(real[:200].flatten(1)).mean())
    content = found.content[:NUM_INPUTS]
    one = codes[:1].to(content.device).expand(len(content), *codes.shape[1:])
    across = model.decode(content, one).float()
    some = codes[:NUM_CODES].to(content.device)
    each = [model.decode(row[None].expand(len(some), *row.shape), some).float() for row in content[:20]]
    over = [float(torch.pdist(images.flatten(1)).mean()) if len(some) > 1 else 0.0 for images in each]
    centre = across.flatten(1)
    apart = torch.cdist(centre, centre).sum(1) / max(1, len(centre) - 1)
    return [
        mean_of("variety, inputs", name, apart / unit, 1.0),
        mean_of("variety, codes", name, torch.tensor(over) / unit, 1.0),
    ]


class _AsTheyAre(nn.Module):
    """Lets torchmetrics take features that are computed once."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Frechet distance between two sets of features (n, f), by torchmetrics."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_AsTheyAre(first.shape[1]))
    metric.update(first.cpu(), real=False)
    metric.update(second.cpu(), real=True)
    return float(metric.compute().clamp_min(0))


def kernel(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Kernel distance times 1,000 between two sets of features, by torchmetrics over subsets of half their size.

    Returns:
        Its mean and its standard deviation over the subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = max(2, min(len(first), len(second)) // 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel", UserWarning)  # that it keeps features: a few hundred
        metric = KernelInceptionDistance(feature=_AsTheyAre(first.shape[1]), subsets=20, subset_size=size)
    metric.update(first.cpu(), real=False)
    metric.update(second.cpu(), real=True)
    with own_draws(0):
        mean, deviation = metric.compute()
    return 1000 * float(mean), 1000 * float(deviation)


def inside(points: Tensor, support: Tensor) -> Tensor:
    """Which of `points` (n, f) lie within the third-neighbour balls of `support` (arXiv 1904.06991)."""
    own = torch.cdist(support, support)
    radii = own.kthvalue(min(NEIGHBOURS + 1, len(support)), dim=1).values
    return (torch.cdist(points, support) <= radii).any(1).cpu()
