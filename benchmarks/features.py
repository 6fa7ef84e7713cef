"""Train the bundled feature network: `weights/features.safetensors`.

    python benchmarks/features.py OUT MINUTES SET... [--attributes CSV]

Each SET is a folder of domains, as `i2i train` takes it. The network learns, of images, half
of them damaged: the domain; the kind (what file names begin with, where a set has few of those);
the attributes of the CSV (columns of 0 and 1 by file name); the damage and its strength. The heads
are thrown away. Prints what it gets right on held-out images.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_cli.checkpoints.names import data_name
from i2i_cli.checkpoints.packing import FEATURES
from i2i_cli.checkpoints.tensors import save_tensors
from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.models.features import NUM_FEATURES, SIDE, FeatureNetwork

CPU = torch.device("cpu")
DAMAGES = ("none", "blur", "noise", "stripes", "grey", "hue")
MAX_KINDS = 12
BATCH = 64
NONE = -1


class Heads(nn.Module):
    """What is learned from the features, each by a layer of its own."""

    def __init__(self, num_domains: int, num_kinds: int, num_attributes: int) -> None:
        super().__init__()
        self.domain, self.kind = nn.Linear(NUM_FEATURES, num_domains), nn.Linear(NUM_FEATURES, max(1, num_kinds))
        self.attributes = nn.Linear(NUM_FEATURES, max(1, num_attributes))
        self.damage = nn.Linear(NUM_FEATURES, len(DAMAGES))


class Labelled:
    """All images of all sets, with every label that is known of them; -1 where it is not."""

    def __init__(self, roots: list[Path], attributes: Path | None) -> None:
        self.sets: list[Dataset] = [decoded(scan(root), SIDE) for root in roots]
        self.attributes = _attributes(attributes) if attributes else {}
        self.num_attributes = len(next(iter(self.attributes.values()), ()))
        self.domains = [f"{data_name(str(d.root))}/{name}" for d in self.sets for name in d.domains]
        self.kinds: list[str] = []
        self.train, self.test = [], []
        for place, dataset in enumerate(self.sets):
            prefixes = sorted({item.path.name.split("_")[0] for item in dataset.items})
            first, has_kinds = len(self.kinds), 1 < len(prefixes) <= MAX_KINDS
            self.kinds += prefixes if has_kinds else []
            start = sum(len(earlier.domains) for earlier in self.sets[:place])
            for rows, where in ((dataset.train, self.train), (dataset.test, self.test)):
                for row in rows.tolist():
                    name = dataset.items[row].path.name
                    kind = first + prefixes.index(name.split("_")[0]) if has_kinds else NONE
                    where.append((place, row, start + int(dataset.labels[row]), kind, self.attributes.get(name)))

    def batches(self, split: list, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Endless batches, as many images of every domain: images, domain, kind, attributes (-1 where unknown)."""
        generator = torch.Generator().manual_seed(seed)
        labels = torch.tensor([entry[2] for entry in split])
        weights = (1.0 / labels.bincount(minlength=len(self.domains)).clamp_min(1).float())[labels]
        while True:
            chosen = [split[i] for i in torch.multinomial(weights, BATCH, True, generator=generator).tolist()]
            squares = torch.cat([self.sets[place].images.squares(torch.tensor([row])) for place, row, *_ in chosen])
            unknown = [NONE] * self.num_attributes
            yield (
                to_model_range(squares, CPU),
                torch.tensor([entry[2] for entry in chosen]),
                torch.tensor([entry[3] for entry in chosen]),
                torch.tensor([entry[4] or unknown for entry in chosen], dtype=torch.float32),
            )


def _attributes(path: Path) -> dict[str, list[int]]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {Path(row[0]).name: [int(value) for value in row[2:]] for row in rows[1:]}


def damaged(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flipped and shifted images, half of them damaged, and what was done to each."""
    which = torch.randint(len(DAMAGES), (len(images),), generator=generator)
    which = torch.where(torch.rand(len(images), generator=generator) < 0.5, which, torch.zeros_like(which))
    found = []
    for image, kind in zip(images, which.tolist(), strict=True):
        strength = float(torch.rand((), generator=generator)) * 0.8 + 0.2
        if torch.rand((), generator=generator) < 0.5:
            image = image.flip(2)
        dx, dy = torch.randint(-3, 4, (2,), generator=generator).tolist()
        image = F.pad(image[None], (4, 4, 4, 4), mode="reflect")[0, :, 4 + dy : 4 + dy + SIDE, 4 + dx : 4 + dx + SIDE]
        found.append(_damage(image, DAMAGES[kind], strength, generator))
    return torch.stack(found).clamp(-1, 1).contiguous(memory_format=torch.channels_last), which


def _damage(image: Tensor, kind: str, strength: float, generator: torch.Generator) -> Tensor:
    if kind == "blur":
        soft = F.avg_pool2d(F.avg_pool2d(image[None], 5, 1, 2, count_include_pad=False), 3, 1, 1)[0]
        return image.lerp(soft, strength)
    if kind == "noise":
        return image + 0.25 * strength * torch.randn(image.shape, generator=generator)
    if kind == "stripes":
        wave = torch.arange(SIDE).remainder(2 + int(3 * strength)).sub(1.0).sign()
        return image + 0.15 * strength * (wave if float(image.sum()) > 0 else wave[:, None])
    if kind == "grey":
        return image.lerp(image.mean(0, keepdim=True).expand_as(image), strength)
    if kind == "hue":
        return image.lerp(image.roll(1 if strength > 0.6 else 2, 0), 0.3 + 0.7 * strength)
    return image


def loss(network: FeatureNetwork, heads: Heads, batch: tuple[Tensor, ...], damage: Tensor) -> Tensor:
    images, domain, kind, attributes = batch
    found = network(images)
    total = F.cross_entropy(heads.domain(found), domain) + F.cross_entropy(heads.damage(found), damage)
    if bool((kind >= 0).any()):
        total = total + F.cross_entropy(heads.kind(found[kind >= 0]), kind[kind >= 0])
    known = attributes[:, 0] >= 0 if attributes.shape[1] else torch.zeros(len(images), dtype=torch.bool)
    if bool(known.any()):
        wrong = F.binary_cross_entropy_with_logits(heads.attributes(found[known]), attributes[known])
        total = total + 2 * wrong
    return total


def train(data: Labelled, minutes: float) -> tuple[FeatureNetwork, Heads, int]:
    torch.manual_seed(0)
    network, heads = FeatureNetwork(), Heads(len(data.domains), len(data.kinds), data.num_attributes)
    network = network.to(memory_format=torch.channels_last)
    parameters = [*network.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, 2e-3, weight_decay=1e-2)
    generator, batches, start, step = torch.Generator().manual_seed(1), data.batches(data.train, 0), time.monotonic(), 0
    while (share := (time.monotonic() - start) / (60 * minutes)) < 1:
        images, *labels = next(batches)
        images, damage = damaged(images, generator)
        total = loss(network, heads, (images, *labels), damage)
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1.0, (step + 1) / 100) * (1 - share)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}, {100 * share:.0f} %: {float(total):.3f}", flush=True)
    return network.eval(), heads, step


@torch.no_grad()
def report(network: FeatureNetwork, heads: Heads, data: Labelled) -> dict[str, float]:
    """Shares that are right on 3,200 held-out images, drawn as in training."""
    right: dict[str, list[Tensor]] = {"domain": [], "kind": [], "damage": [], "attributes": []}
    generator, batches = torch.Generator().manual_seed(2), data.batches(data.test, 3)
    for _ in range(50):
        images, domain, kind, attributes = next(batches)
        images, damage = damaged(images, generator)
        found = network(images)
        right["domain"].append((heads.domain(found).argmax(1) == domain).float())
        right["damage"].append((heads.damage(found).argmax(1) == damage).float())
        right["kind"].append((heads.kind(found).argmax(1) == kind).float()[kind >= 0])
        if data.num_attributes:
            told = ((heads.attributes(found) > 0).float() == attributes).float()
            right["attributes"].append(told[attributes[:, 0] >= 0].flatten())
    return {name: round(float(torch.cat(values).mean()), 4) for name, values in right.items() if values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("minutes", type=float)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--attributes", type=Path)
    chosen = parser.parse_args()
    data = Labelled(chosen.sets, chosen.attributes)
    network, heads, steps = train(data, chosen.minutes)
    figures = report(network, heads, data)
    facts = {"format": 1, "steps": steps, "domains": data.domains, "held_out": figures}
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    save_tensors(chosen.out, halves, {FEATURES: json.dumps(facts, sort_keys=True)})
    print(json.dumps(facts), f"\n{chosen.out}: {chosen.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
