"""What the loss terms that a person can read are called. The journal keeps their own names."""

TERMS = {
    "pixel": "rebuild error",
    "reconstruction": "rebuild error",
    "identity": "rebuild error",
    "perceptual": "perceptual error",
    "cycle": "round-trip error",
    "image_cycle": "round-trip error",
}
"""Distances between images: 0 is perfect. The others are forces between networks, which tell little by themselves."""


def readable(terms: dict[str, float]) -> dict[str, float]:
    """Those of `terms` that say how good a model is, in plain words."""
    return {word: terms[name] for name, word in TERMS.items() if name in terms}
