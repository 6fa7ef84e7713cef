"""Tensors to safetensors files and back. Whole or not at all, and never a pickle."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from i2i_cli.checkpoints.names import CLASSIFIERS
from i2i_cli.errors import WeightsError
from i2i_cli.files import written_whole
from i2i_cli.models import descriptor

FITTED = (descriptor.PREFIX, CLASSIFIERS)
"""What the names of tensors begin with that were fitted on a model's codes, and lie beside it in its file."""


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write `tensors` to `path`; an earlier file stands until the new one is complete.

    Raises:
        WeightsError, DataError: it cannot be written.
    """
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    try:
        with written_whole(path) as temporary:
            save_file(plain, temporary, metadata)
    except SafetensorError as error:
        raise WeightsError(f"cannot write {path}: {error}", "free some disk space, or write elsewhere") from error


def load_tensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """All tensors of the safetensors file at `path`, by the names that they have today.

    Raises:
        WeightsError: it cannot be read or is damaged.
    """
    try:
        with safe_open(path, framework="pt", device=device) as file:
            return {now: file.get_tensor(name) for name, now in _names_today(file.keys()).items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"cannot read the weights {path}: {error}") from error


_LAYER = re.compile(r"(.*decoder)\.layers\.(\d+)\.(.+)")
"""A tensor of SRAE's decoder as files of format 1 may call it: one list, whose last layer makes the image."""


def _names_today(names: Iterable[str]) -> dict[str, str]:
    """The name of each tensor in a file -> its name now."""
    found = {name: _LAYER.fullmatch(name) for name in names}
    last = max((int(layer[2]) for layer in found.values() if layer), default=0)
    places = {
        name: "image" if int(layer[2]) == last else f"blocks.{layer[2]}" for name, layer in found.items() if layer
    }
    return {name: f"{layer[1]}.{places[name]}.{layer[3]}" if layer else name for name, layer in found.items()}


def networks_among(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a weights file that are the model's own."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(FITTED)}


def check_shapes(module: nn.Module, path: Path) -> None:
    """Compare the weights file at `path` with `module`, which may be without memory ("meta"), before any is taken.

    Raises:
        WeightsError: a tensor is missing, left over, of another shape, or of whole numbers in the place of others.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = {name: now for name, now in _names_today(file.keys()).items() if not name.startswith(FITTED)}
            slices = {now: file.get_slice(name) for name, now in names.items()}
            found = {name: (piece.get_shape(), piece.get_dtype()) for name, piece in slices.items()}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"cannot read the weights {path}: {error}") from error
    own = module.state_dict()
    wrong = list(own.keys() ^ found.keys())
    for name in own.keys() & found.keys():
        shape, kind = found[name]
        if list(own[name].shape) != shape or own[name].is_floating_point() != (kind in _REAL_TYPES):
            wrong.append(name)
    if wrong:
        raise WeightsError(
            f"{path} does not fit its own header: {min(wrong)[:80]!r} is missing, unexpected or of another shape"
        )


_REAL_TYPES = ("F16", "BF16", "F32", "F64")


def load_into(module: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Fill `module` from `tensors`, which came from `path`.

    Raises:
        WeightsError: a tensor is missing, unexpected or of another shape, or holds NaN or infinity.
    """
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise WeightsError(f"{path} does not fit its own header: {lines[1].strip() if lines[1:] else error}") from error
    wild = [name for name, tensor in module.state_dict().items() if not bool(torch.isfinite(tensor).all())]
    if wild:
        raise WeightsError(
            f"{path} holds NaN or infinity in {wild[0]}", "use an earlier checkpoint, such as best.safetensors"
        )
