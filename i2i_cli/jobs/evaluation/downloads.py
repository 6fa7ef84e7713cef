"""Measures whose networks are downloads: taken where the weights are cached, never fetched."""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from i2i_cli.data.augment import to_bytes

ALEXNET = "alexnet-owt-7be5be79.pth"
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
Measure = Callable[[Tensor, Tensor], Tensor]


def is_cached(file: str) -> bool:
    """Whether torch's own cache holds a file of weights that is what its name says: the last part begins its sha256."""
    path = Path(torch.hub.get_dir(), "checkpoints", file)
    if not path.is_file():
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest().startswith(path.stem.rpartition("-")[2])


def lpips() -> Measure | None:
    """LPIPS of AlexNet (arXiv 1801.03924) of images (n, 3, S, S) in [-1, 1], (n,) each; None where it is not cached."""
    if not is_cached(ALEXNET):
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
    return lambda first, second: network(first.cpu(), second.cpu()).flatten()


def inception() -> Callable[[Tensor], Tensor] | None:
    """Inception-v3's features (n, 2048) of images (n, 3, S, S) in [-1, 1], as FID and KID are published with.

    None where its weights are not cached, or torch-fidelity, which knows how to read them, is not installed.
    """
    if find_spec("torch_fidelity") is None or not is_cached(INCEPTION):
        return None
    from torchmetrics.image.fid import NoTrainInceptionV3

    network = NoTrainInceptionV3("inception-v3-compat", ["2048"])
    return lambda images: network(to_bytes(images).permute(0, 3, 1, 2))
