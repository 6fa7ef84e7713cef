"""A linear classifier of domain codes (SRAE 4.3). No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2i_cli.checkpoints.names import CLASSIFIERS

DOMAINS = "domains"
"""Name of the latent classifier that every training ends with: it tells the model's own domains."""


@dataclass(frozen=True, eq=False)
class LatentClassifier:
    """Class probabilities from domain codes of images: one matrix, one bias.

    Args:
        classes: names of the classes, in order of the rows of `weight`.
        weight: (number of classes, numbers in a domain code), float32.
        bias: (number of classes,), float32.
    """

    classes: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, domain: NDArray[np.floating]) -> NDArray[np.float32]:
        """Probabilities (B, number of classes) from domain codes (B, ...)."""
        scores = domain.reshape(len(domain), -1).astype(np.float32) @ self.weight.T + self.bias
        shares = np.exp(scores - scores.max(1, keepdims=True, initial=-np.inf))
        return shares / shares.sum(1, keepdims=True)

    def to_arrays(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Its numbers under names of a weights file."""
        return {f"{CLASSIFIERS}{name}.weight": self.weight, f"{CLASSIFIERS}{name}.bias": self.bias}


def linear(classes: tuple[str, ...], weight: NDArray[Any], bias: NDArray[Any]) -> LatentClassifier:
    """A classifier of numbers of any kind."""
    return LatentClassifier(classes, weight.astype(np.float32), bias.astype(np.float32))


def classifiers_among(
    arrays: Mapping[str, NDArray[Any]], classes: Mapping[str, tuple[str, ...]], num_inputs: int
) -> dict[str, LatentClassifier]:
    """The classifiers that a weights file holds, by name.

    Args:
        arrays: the numbers in the file under names that begin with `CLASSIFIERS`.
        classes: for each classifier's name its class names, as the header has them.
        num_inputs: numbers in a domain code.

    Raises:
        KeyError, ValueError: an array is missing, or does not fit the classes.
    """
    found = {}
    for name, names in classes.items():
        weight, bias = (arrays[f"{CLASSIFIERS}{name}.{key}"] for key in ("weight", "bias"))
        if weight.shape != (len(names), num_inputs) or bias.shape != (len(names),) or len(set(names)) < 2:
            raise ValueError(f"the classifier {name!r} has the shape {tuple(weight.shape)} for {len(names)} classes")
        found[name] = linear(names, weight, bias)
    return found
