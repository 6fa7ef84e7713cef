"""A linear classifier of domain codes (SRAE 4.3)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

PREFIX = "classifier."
"""What the names of its tensors begin with, in a weights file beside a model's."""


class LatentClassifier(nn.Module):
    """Class probabilities from domain codes of images: one matrix, one bias.

    Args:
        classes: names of the classes, in order of the rows of `weight`.
        weight: (number of classes, numbers in a domain code).
        bias: (number of classes,).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, classes: tuple[str, ...], weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("weight", weight.float())
        self.register_buffer("bias", bias.float())

    def forward(self, domain: Tensor) -> Tensor:
        """Probabilities (B, number of classes) from domain codes (B, ...)."""
        return torch.softmax(domain.flatten(1).float() @ self.weight.T + self.bias, dim=1)

    def to_tensors(self, name: str) -> dict[str, Tensor]:
        """Its tensors under names of a weights file."""
        return {f"{PREFIX}{name}.{key}": tensor for key, tensor in self.state_dict().items()}


def classifiers_among(
    tensors: Mapping[str, Tensor], classes: Mapping[str, tuple[str, ...]], num_inputs: int
) -> dict[str, LatentClassifier]:
    """The classifiers that a weights file holds, by name.

    Args:
        tensors: all tensors of the file.
        classes: for each classifier's name its class names, as the header has them.
        num_inputs: numbers in a domain code.

    Raises:
        KeyError, ValueError: a tensor is missing, or does not fit the classes.
    """
    found = {}
    for name, names in classes.items():
        weight, bias = (tensors[f"{PREFIX}{name}.{key}"] for key in ("weight", "bias"))
        if weight.shape != (len(names), num_inputs) or bias.shape != (len(names),) or len(set(names)) < 2:
            raise ValueError(f"the classifier {name!r} has the shape {tuple(weight.shape)} for {len(names)} classes")
        found[name] = LatentClassifier(names, weight, bias)
    return found
