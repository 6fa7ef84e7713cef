"""What the codes still tell of the domain, by fresh probes on held-out codes."""

import torch
from torch import Tensor, nn

from i2i_cli.jobs.evaluation.inputs import Coded, EvaluationData, Pictures
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, balanced_share_of
from i2i_cli.models.peers import Draws
from i2i_cli.models.probes import code_probe, fit
from i2i_cli.models.seeding import own_draws

STEPS = 800

TEXT = (
    "Balanced accuracy of fresh probes, trained on codes of training images and scored on held-out ones. The reference "
    "is chance. For content codes the goal is chance, and the MLP is the probe that counts: a linear probe is "
    "easily fooled. The decoder was trained on content codes with noise and saw no more than these tell. "
    "For the domain code the goal is 1."
)


def leak(data: EvaluationData, seed: int) -> Section:
    """Linear and MLP probes of the content means, of the content with noise, and of the domain code."""
    train, test, fresh = data.train, data.test, data.fresh
    sets: dict[str, tuple[Tensor, Tensor]] = {}
    if data.translator.model.splits_codes:
        sets["content"] = (train.content, test.content)
        if data.train_pictures is not None and data.test_pictures is not None:
            draws = Draws(torch.Generator(data.translator.device).manual_seed(seed))
            pictures = (data.train_pictures, data.test_pictures)
            first, second = (_noisy(data, side, draws) for side in pictures)
            sets["content with noise"] = (first, second)
    sets["domain code"] = (train.domain, test.domain)
    figures = []
    for name, (known, asked) in sets.items():
        for kind in ("linear", "MLP"):
            measure, num_domains = f"{name}, {kind}", len(data.domains)
            asked_of, labels = asked[fresh.to(asked.device)], test.labels[fresh]
            figures.append(_read(measure, kind, known, train, asked_of, labels, num_domains, seed))
    return Section(name="leak", text=TEXT, figures=tuple(figures))


@torch.no_grad()
def _noisy(data: EvaluationData, side: Pictures, draws: Draws) -> Tensor:
    model, device = data.translator.model, data.translator.device
    return torch.cat(
        [model.sample_codes(images, draws).content.flatten(1).float() for images, _ in side.batches(device)]
    )


def _read(
    measure: str, kind: str, known: Tensor, train: Coded, asked: Tensor, labels: Tensor, num_domains: int, seed: int
) -> Measurement:
    mean, scale = known.mean(0), known.std(0).clamp_min(1e-6)
    with own_draws(seed, known.device):
        inputs = known.shape[1]
        probe = code_probe(inputs, num_domains) if kind == "MLP" else nn.Linear(inputs, num_domains)
        probe = fit(probe.to(known.device), (known - mean) / scale, train.labels, steps=STEPS, seed=seed, rate=1e-3)
    with torch.no_grad():
        right = probe((asked - mean) / scale).argmax(1).cpu() == labels
    return balanced_share_of(measure, "all", right, labels, 1 / num_domains)
