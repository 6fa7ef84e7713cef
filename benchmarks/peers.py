"""The tool's families beside CycleGAN and MUNIT: the same data, the same time, figures that cannot be fooled.

    python benchmarks/peers.py DATA SOURCE TARGET --minutes M --ours NAME=WEIGHTS --ours ... --out FOLDER

trains a compact CycleGAN and a compact MUNIT (`peer_networks.py`) for M minutes each of one thread (of its own time, so
that other work on the machine takes nothing from it), between two domains of DATA, and prints a table of them and of
weights of ours, both ways: `peer_figures.py` tells what its columns are. Weights of ours come from `i2i train`; a
NAME that tells how long they were trained serves the reader. Peers are listed a second time as they were when they had
seen no more images of the two domains than the one of all models that saw fewest, or `--images`.

FOLDER keeps the peers, which a second call does not train again, and gets `sheet.png`, held-out images both ways.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from peer_figures import COLUMNS, Outputs, Translating, Way, figures, made_by
from peer_networks import PEERS, Peer
from torch import Tensor
from translations import fresh_judge, images_of

from i2i_cli.checkpoints.tensors import load_into, load_tensors, save_tensors
from i2i_cli.data.augment import DataConfig, augmented, to_bytes
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.data.writing import write_image
from i2i_cli.engine.schedule import generator_for
from i2i_cli.inference.loaded import TorchTranslator, load
from i2i_cli.jobs.evaluation.realism import feature_network
from i2i_cli.jobs.plots.sheets import sheet
from i2i_cli.models.peers import Draws

SIDE = 64
BATCH = 8
RATE = 2e-4
KEPT_EVERY = 400
"""Images between two states of a peer that are kept."""

MOST = 500
"""Held-out images of a domain that are measured on, as `i2i evaluate` takes them."""

ROWS = 8


class Ours:
    """Weights of ours as the benchmark asks any model: its two domains by the labels 0 and 1."""

    def __init__(self, translator: TorchTranslator, names: tuple[str, str]) -> None:
        self.translator, self.model = translator, translator.model
        self.labels = [translator.domains.index(name) for name in names]

    def encode(self, images: Tensor, source: int) -> Tensor:
        return self.model.encode(images, torch.full((len(images),), self.labels[source])).content

    def decode(self, content: Tensor, codes: Tensor | None, target: int) -> Tensor:
        return self.model.decode(content, codes)

    def codes(self, target: int) -> Tensor | None:
        return self.model.target_codes(self.labels[target])

    def rebuilt(self, images: Tensor, label: int) -> Tensor | None:
        labels = torch.full((len(images),), self.labels[label])
        return self.model.rebuild(images, labels) if self.translator.rebuilds else None

    def images_seen(self) -> int:
        """Images of the two domains, all steps together."""
        header = self.translator.header
        share = len(self.labels) / len(header.domains)
        return round(header.step * header.config["training"]["batch_size"] * share)


@dataclass(frozen=True)
class Candidate:
    """A model in the table, and what it saw."""

    name: str
    model: Translating
    images: int


def train(kind: str, dataset: Dataset, names: tuple[str, str], minutes: float, folder: Path) -> None:
    """Train a peer for so many minutes, and keep it in `folder`, a file a count of images seen."""
    torch.manual_seed(0)
    peer, settings = PEERS[kind](), DataConfig(flip=True, shift=0.06)
    first, second = (dataset.train[dataset.labels[dataset.train] == dataset.domains.index(name)] for name in names)
    rows = torch.cat([first, second])
    sampler = BalancedSampler((torch.arange(len(rows)) >= len(first)).long(), 2, BATCH, 0)
    optimisers = [torch.optim.Adam(part.parameters(), RATE, (0.5, 0.999)) for part in (peer.generators, peer.critics)]
    step, spent, started = 0, 0.0, time.process_time()
    while spent < 60 * minutes:
        for optimiser in optimisers:  # the second half decays to 0
            optimiser.param_groups[0]["lr"] = RATE * min(1.0, 2 - 2 * spent / (60 * minutes))
        images = images_of(dataset, rows[sampler.indices(step)])
        generator = generator_for(0, step, kind)
        real = augmented(images, settings, Draws(generator)).chunk(2)
        loss, made = peer.generator_loss(real, generator)
        _move(optimisers[0], loss)
        _move(optimisers[1], peer.critic_loss(real, made))
        step, spent = step + 1, time.process_time() - started
        if step * BATCH % KEPT_EVERY == 0:
            save_tensors(folder / f"{step * BATCH:06d}.safetensors", peer.state_dict(), {})
            print(f"{kind}: {step * BATCH} images, {spent / 60:.1f} minutes", file=sys.stderr, flush=True)
    save_tensors(folder / f"{step * BATCH:06d}.safetensors", peer.state_dict(), {})
    (folder / "finished").touch()


def _move(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def as_kept(kind: str, path: Path) -> Peer:
    """A peer as it was kept at `path`."""
    peer = PEERS[kind]()
    load_into(peer, load_tensors(path), path)
    return peer.eval()


def candidates(dataset: Dataset, names: tuple[str, str], arguments: argparse.Namespace) -> Iterator[Candidate]:
    """Ours, then each peer at the end of its time and as it was after as many images as all had seen."""
    ours = []
    for told in arguments.ours:
        name, _, weights = told.rpartition("=")
        translator = load(weights, device="cpu")
        assert translator.image_size == SIDE, f"{weights} has {translator.image_size} pixels a side, not {SIDE}"
        model = Ours(translator, names)
        ours.append(Candidate(name or weights, model, model.images_seen()))
    yield from ours
    kept = {}
    for kind in arguments.peers:
        folder = arguments.out / kind
        if not (folder / "finished").exists():
            shutil.rmtree(folder, ignore_errors=True)  # what a training left that did not end
            folder.mkdir(parents=True)
            train(kind, dataset, names, arguments.minutes, folder)
        kept[kind] = {int(path.stem): path for path in sorted(folder.glob("*.safetensors"))}
    common = arguments.images or min([*(one.images for one in ours), *(max(paths) for paths in kept.values())])
    for kind, paths in kept.items():
        for count in sorted({max(paths), min(paths, key=lambda count: abs(count - common))}, reverse=True):
            yield Candidate(kind, as_kept(kind, paths[count]), count)


def ways(dataset: Dataset, names: tuple[str, str]) -> list[Way]:
    """There and back, on held-out images alone: pairs where there are any, else all, up to `MOST`."""
    judge, network = fresh_judge(dataset), feature_network()[0]
    labels, found = [dataset.domains.index(name) for name in names], []
    for target in (0, 1):
        a, b = labels[1 - target], labels[target]
        rows, truth = dataset.pairs(dataset.test, a, b)
        inputs = rows if len(rows) else dataset.rows(dataset.test, a, MOST)
        real = images_of(dataset, dataset.rows(dataset.test, b, MOST))
        true = images_of(dataset, truth) if len(rows) else None
        found.append(Way(target, images_of(dataset, inputs), real, true, judge, b, network))
    return found[::-1]


def print_row(name: str, cells: list[str]) -> None:
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def page(way: Way, made: list[tuple[str, Outputs]]) -> list[tuple[str, Tensor]]:
    """The sheet's columns of one way: a model with codes has two, each with a code of its own."""
    columns = [("input", way.inputs)] + ([("true", way.truth)] if way.truth is not None else [])
    for name, outputs in made:
        columns.append((name, outputs.drawn))
        if outputs.over_codes is not None:
            columns.append(("one code", outputs.by_one))
    return [(title, to_bytes(images[:ROWS])) for title, images in columns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs=2, metavar=("SOURCE", "TARGET"))
    parser.add_argument("--minutes", type=float, default=10.0, help="of each peer's training")
    parser.add_argument("--ours", action="append", default=[], metavar="NAME=WEIGHTS", help="may be repeated")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=list(PEERS), help="default: both")
    parser.add_argument("--images", type=int, default=0, help="at which peers are listed a second time")
    parser.add_argument("--out", type=Path, default=Path("peers"), help="a folder for peers and sheet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names, dataset = tuple(arguments.names), decoded(scan(arguments.data), SIDE)
    models, pages = list(candidates(dataset, names, arguments)), []
    for way in ways(dataset, names):
        print(f"\n{names[1 - way.target]} -> {names[way.target]}, {len(way.inputs)} held-out images\n")
        print_row("model, images seen", list(COLUMNS))
        print("|" + "---|" * (len(COLUMNS) + 1))
        if way.truth is not None:
            print_row("the true counterparts", figures(Outputs(way.truth, way.truth), way))
        print_row("the input itself", figures(Outputs(way.inputs, way.inputs), way))
        made = [(f"{one.name}, {one.images:,}", made_by(one.model, way)) for one in models]
        for name, outputs in made:
            print_row(name, figures(outputs, way))
        pages.append(page(way, made))
    columns = [(title, torch.cat([there, back]).numpy()) for (title, there), (_, back) in zip(*pages, strict=True)]
    write_image(arguments.out / "sheet.png", sheet(columns, ROWS))


if __name__ == "__main__":
    main()
