"""How real and how varied translations are, as sets, on the features of a fixed network."""

import hashlib
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from i2i_cli.engine.checkpoint import load_into, load_tensors
from i2i_cli.jobs.evaluation.figure import Figure, Section, deviation_of, mean_of, share_of, with_means, within
from i2i_cli.jobs.evaluation.material import CHUNK, Material
from i2i_cli.jobs.evaluation.translations import Made, made
from i2i_cli.jobs.publishing import shipped_folder
from i2i_cli.models.features import NUM_FEATURES, FeatureNetwork
from i2i_cli.models.probes import frechet_distance

NUM_CODES = 8
NUM_INPUTS = 60
NEIGHBOURS = 3
FILE = "features.safetensors"


def features_file() -> Path:
    """The bundled weights of the feature network."""
    return shipped_folder() / FILE


def feature_network() -> tuple[FeatureNetwork, str]:
    """The bundled feature network and the hash of its file.

    Raises:
        WeightsError: the file is gone or damaged.
    """
    path = features_file()
    network = FeatureNetwork()
    load_into(network, load_tensors(path), path)
    return network.eval().requires_grad_(False), hashlib.sha256(path.read_bytes()).hexdigest()


class _AsTheyAre(nn.Module):
    """Lets torchmetrics take features that are computed once."""

    num_features = NUM_FEATURES

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(first: Tensor, second: Tensor) -> float:
    """Frechet distance between two sets of features (n, 128), by torchmetrics."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_AsTheyAre())
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
        metric = KernelInceptionDistance(feature=_AsTheyAre(), subsets=20, subset_size=size)
    metric.update(first.cpu(), real=False)
    metric.update(second.cpu(), real=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, deviation = metric.compute()
    return 1000 * float(mean), 1000 * float(deviation)


def inside(points: Tensor, support: Tensor) -> Tensor:
    """Which of `points` (n, f) lie within the third-neighbour balls of `support` (arXiv 1904.06991)."""
    own = torch.cdist(support, support)
    radii = own.kthvalue(min(NEIGHBOURS + 1, len(support)), dim=1).values
    return (torch.cdist(points, support) <= radii).any(1).cpu()


@torch.no_grad()
def realism(material: Material, seed: int) -> Section:
    """Distances, precision, recall and variety of every ordered pair."""
    network, digest = feature_network()
    device, pictures = material.translator.device, material.test_pictures
    network = network.to(device)
    assert pictures is not None
    real = {label: pictures.of(label).images(device) for label in range(len(material.domains))}
    true = {label: _features(network, images) for label, images in real.items()}
    floors = _floors(material, network, real, true)
    figures: list[Figure] = []
    for found in made(material, seed):
        name, fake = material.name(found.a, found.b), _features(network, found.outputs)
        own, floor, n = true[found.b], floors[found.b], len(fake)
        figures += [
            within("Frechet", name, frechet(fake, own), deviation_of(frechet_distance, fake, own), n, floor[0]),
            within("kernel x1000", name, *kernel(fake, own), n, floor[1]),
            share_of("precision", name, inside(fake, own), floor[2]),
            share_of("recall", name, inside(own, fake), floor[3]),
            *_variety(material, found, name, real[found.b]),
        ]
    text = (
        "Distances between translations and real held-out images of the target on the bundled feature network "
        f"(sha256 {digest[:12]}): a measure within one data set, not an Inception FID. References of the first four: "
        "the same of plain reconstructions, the floor. Precision: translations within the real images' manifold; "
        "recall: real images within the translations'. Variety: mean distance between outputs of different inputs by "
        f"one code (inputs) and of one input by {NUM_CODES} codes (codes), as a ratio to that between real images."
    )
    return Section(name="realism", text=text, figures=with_means(figures))


def _features(network: FeatureNetwork, images: Tensor) -> Tensor:
    return torch.cat([network(chunk) for chunk in images.split(256)])


def _floors(
    material: Material, network: FeatureNetwork, real: dict[int, Tensor], true: dict[int, Tensor]
) -> dict[int, tuple[float | None, ...]]:
    """Frechet, kernel distance, precision and recall of reconstructions of each domain, where it makes them."""
    model, floors = material.translator.model, dict[int, tuple[float | None, ...]]()
    if not material.translator.rebuilds:
        return dict.fromkeys(real, (None,) * 4)
    for label, images in real.items():
        chunks = [(chunk, torch.full((len(chunk),), label, device=chunk.device)) for chunk in images.split(CHUNK)]
        rebuilt = torch.cat([model.decode(*model.encode(chunk, y)).float().clamp(-1, 1) for chunk, y in chunks])
        found, own = _features(network, rebuilt), true[label]
        kept = (float(inside(found, own).float().mean()), float(inside(own, found).float().mean()))
        floors[label] = (frechet(found, own), kernel(found, own)[0], *kept)
    return floors


def _variety(material: Material, found: Made, name: str, real: Tensor) -> list[Figure]:
    """How far outputs lie apart, pixel by pixel, in units of the distance between real images."""
    model, codes = material.translator.model, material.translator.model.target_codes(found.b)
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
