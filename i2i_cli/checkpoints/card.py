"""The card of weights in Markdown: what they are, their figures, how to use them. No torch."""

import shlex
from pathlib import Path
from typing import Any

from i2i_cli.checkpoints.header import Header
from i2i_cli.checkpoints.names import MODEL, known_sha256
from i2i_cli.checkpoints.weights import open_weights


def open_card(name: str | None) -> tuple[Path, Header, str]:
    """The weights meant by `name`: their path, their header and their card."""
    weights = open_weights(name)
    return weights.path, weights.header, model_card(weights.path, weights.header)


def model_card(path: Path, header: Header) -> str:
    """The Markdown card of the weights at `path`: what they are, their figures, how to use them."""
    images = header.trained_on.get("images", {})
    # A family with roles takes its inputs together; others take any two domains.
    ends = (header.domains[0], header.domains[-1])
    together = header.config.get("networks", {}).get("inputs")
    first, last = together if isinstance(together, list) and len(together) == 2 else ends
    is_run, is_shipped = path.name == MODEL, bool(known_sha256(path))
    name = path.parent.name if is_run else path.stem
    weights = shlex.quote(name if is_shipped else str(path.parent if is_run else path))
    lines = [
        f"# {name}",
        "",
        f"Family `{header.family}`, {header.image_size} x {header.image_size} pixels, "
        f"{'finished' if header.finished else 'saved before the end'} at step {header.step}, trained on "
        f"{header.trained_on.get('data', 'unknown data')}; perceptual loss: {header.perceptual}.",
        "",
        "| domain | training images |",
        "|---|---|",
        *(f"| {domain} | {images.get(domain, '?')} |" for domain in header.domains),
        "",
        f"Terms: {header.terms}" if header.terms else _UNKNOWN_TERMS,
        "",
        "    i2i translate IMAGE --to " + str(last) + f" -w {weights}",
        f"    i2i swap-domain {str(first).upper()}.png {str(last).upper()}.png -w {weights}",
        *([f"    i2i train --resume {weights} --steps {2 * header.step}"] if is_run else []),
        "",
        *_figures_table(header.figures),
        *_classifiers_table(header.classifiers),
        *(_IN_A_RUN if is_run else []),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


_UNKNOWN_TERMS = "The terms of the training images are not known to this card: check them before you share the weights."
_IN_A_RUN = [
    "`samples/latest.png`: held-out inputs, their reconstructions, and each in every domain.",
    "Every setting is in `config.toml`, every loss in `journal.jsonl`.",
]


def _figures_table(figures: dict[str, Any]) -> list[str]:
    if not figures:
        return []
    rows = [("rebuild error: mean absolute difference of pixels in [-1, 1]", figures.get("reconstruction_l1"))]
    judged = figures.get("judged")
    rows += [(f"{pair}, classified as the target", share) for pair, share in (judged or {}).items()]
    rows += [
        ("accuracy of the same classifier on real images", figures.get("judge_accuracy")),
        ("domain leakage: accuracy of a fresh probe on content codes", figures.get("leak_means")),
        ("domain leakage with the noise of training", figures.get("leak_noisy")),
    ]
    lines = [f"| {name} | {value:.3f} |" for name, value in rows if isinstance(value, (int, float))]
    return ["| held-out figure | |", "|---|---|", *lines, ""]


def _classifiers_table(classifiers: dict[str, dict[str, Any]]) -> list[str]:
    if not classifiers:
        return []
    lines = [
        "| latent classifier | classes | images held out | accuracy | balanced | AUC |",
        "|---|---|---|---|---|---|",
    ]
    for name, facts in sorted(classifiers.items()):
        found = facts.get("held_out") or {}
        values = [found.get(key) for key in ("accuracy", "balanced_accuracy", "auc")]
        figures = ["" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {', '.join(facts['classes'])} | {found.get('count', 0)} | {' | '.join(figures)} |")
    return [*lines, ""]
