"""Which attributes of an image survive its translation, read by a network that saw real images alone."""

import torch
from torch import Tensor

from i2i_cli.jobs.evaluation.inputs import EvaluationData, Pictures
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, mean_of, with_means
from i2i_cli.jobs.evaluation.translations import made, returned
from i2i_cli.models.probes import Judge, fit
from i2i_cli.models.seeding import own_draws

STEPS = 1200
MIN_MEMBERS = 10
READABLE = 0.7


def attributes_kept(data: EvaluationData, seed: int) -> Section:
    """Balanced accuracy over attributes: of the way back, and of translations to domains with known attributes."""
    assert data.train_pictures is not None and data.test_pictures is not None
    network = _reader(data, data.train_pictures, seed)
    figures, used = list[Measurement](), set[int]()
    for found in made(data, seed):
        name, fresh = data.name(found.a, found.b), data.fresh_of(found.a)
        known, inputs = data.test_pictures.of(found.a).known[fresh], found.inputs[fresh.to(found.inputs.device)]
        columns = _readable(network, inputs, known)
        if not columns:
            continue
        used |= set(columns)
        truth = known[:, columns]
        reference = float(_scores(_read(network, inputs)[:, columns], truth).mean())
        seen, back = dict[str, Tensor](), returned(data, found)[1]
        if not data.test_pictures.of(found.b).known.isnan().all():
            seen[name] = found.outputs
        if back is not None:
            seen[f"{name}->{data.domains[found.a]}"] = back
        for subject, images in seen.items():
            scores = _scores(_read(network, images)[fresh][:, columns], truth)
            figures.append(mean_of("attributes", subject, scores, reference))
    text = (
        "A network that saw real images alone reads the attributes of translations to domains whose attributes are "
        "known, and of images that went there and back: balanced accuracy, mean over attributes (chance: 0.5; "
        "reference: the same of the real inputs). Attributes that it reads from real images, at "
        f"{READABLE:g} or better: {', '.join(data.attributes[column] for column in sorted(used)) or 'none'}."
    )
    return Section(name="attributes", text=text, figures=with_means(figures))


def _reader(data: EvaluationData, pictures: Pictures, seed: int) -> Judge:
    """A network of the attributes, trained on the real training images that they are known of."""
    told = torch.nonzero(~pictures.known.isnan().all(1)).flatten()
    known = Pictures(pictures.squares[told], pictures.labels[told], (), pictures.known[told])
    seen = torch.cat([images.half() for images, _ in known.batches(data.translator.device)])
    with own_draws(seed):
        network = Judge(len(data.attributes), seen.shape[-1]).to(seen.device)
    fit(network, seen, known.labels, steps=STEPS, seed=seed, targets=known.known)
    return network


@torch.no_grad()
def _read(network: Judge, images: Tensor) -> Tensor:
    """Which attributes (n, A) the network sees in `images`."""
    return torch.cat([network(chunk) > 0 for chunk in images.split(256)]).cpu()


def _readable(network: Judge, images: Tensor, known: Tensor) -> list[int]:
    """Attributes that occur and are lacking often enough, and that the network reads from the real images."""
    seen = _read(network, images)
    counts = [[int((known[:, column] == value).sum()) for value in (0, 1)] for column in range(known.shape[1])]
    common = [column for column, members in enumerate(counts) if min(members) >= MIN_MEMBERS]
    return [c for c in common if float(_scores(seen[:, [c]], known[:, [c]]).mean()) >= READABLE]


def _scores(seen: Tensor, truth: Tensor) -> Tensor:
    """Numbers a known image (n,), whose mean is the balanced accuracy, mean over attributes, of (n, A) answers."""
    known = ~truth.isnan().any(1)
    seen, truth = seen[known], truth[known]
    members = torch.stack([(truth == value).sum(0) for value in (0, 1)])  # (2, A)
    return ((seen == (truth == 1)) * len(truth) / (2 * members.gather(0, truth.long()))).mean(1)
