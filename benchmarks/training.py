"""Training of both families, as ratios to a textbook loop around the same networks, run in turn.

    python benchmarks/training.py [SIZE ...]

The textbook loop: NCHW, float32, a DataLoader over image files, every turn from the images on, a
backward pass through all that is there, `.item()` of every loss at every step. Ours: the same objectives as
`i2i train` plays them, from its packed cache. A third loop is ours with one batch in memory and nothing read: what
data and journal cost. Random images, as files; the median of several rounds.
"""

import argparse
import copy
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torch.utils.flop_counter import FlopCounterMode

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import open_dataset
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.engine.device import pick_device, pick_precision
from i2i_cli.engine.loop import Loop
from i2i_cli.jobs.run_config import RunConfig, run_config
from i2i_cli.models import family
from i2i_cli.models.family import Batch, Context, Objective
from i2i_cli.models.peers import Draws

DOMAINS = {"srae": ("a", "b"), "dual": ("a", "b", "c", "d")}
SETTINGS = {
    "srae": ("objective.perceptual=none",),
    "dual": (
        "family=dual", 'networks.inputs=["a", "d"]', 'networks.outputs=["c", "b"]', "networks.width=0.25",
        "objective.critic_width=0.25", "objective.pretraining_steps=0",
    ),
}  # fmt: skip
NUM_FILES, STEPS, ROUNDS = 128, 4, 5


def draw(root: Path, domains: tuple[str, ...], side: int) -> None:
    random = np.random.default_rng(0)
    for domain in domains:
        (root / domain).mkdir(parents=True)
        for number in range(NUM_FILES // len(domains)):
            coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            coarse.resize((side, side), Image.Resampling.BICUBIC).save(root / domain / f"{number:03d}.png")


class Files(TorchDataset):
    """Image files and their labels, decoded anew whenever they are asked for."""

    def __init__(self, root: Path, domains: tuple[str, ...]) -> None:
        self.files = [(path, label) for label, name in enumerate(domains) for path in sorted((root / name).iterdir())]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        path, label = self.files[row]
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float32)
        return torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1, label


def built(config: RunConfig, side: int, domains: tuple[str, ...]) -> Objective:
    kind = family(config.family)
    torch.manual_seed(0)
    return kind.build_objective(kind.build_model(config.networks, side, domains), config.objective)


class Textbook:
    """Networks, optimisers and a loader as a tutorial has them."""

    def __init__(
        self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device
    ) -> None:
        self.objective, self.device, self.step = built(config, side, domains).to(device), device, 0
        self.averaged = copy.deepcopy(self.objective.model)
        self.optimisers = {
            turn.name: torch.optim.Adam([p for module in turn.trains for p in module.parameters()], 1e-4)
            for turn in self.objective.turns()
        }
        files = Files(root, domains)
        labels = torch.tensor([label for _, label in files.files])
        sampler = BalancedSampler(labels, len(domains), config.training.batch_size, 0)
        batches = [sampler.indices(step).tolist() for step in range(10_000)]
        self.batches = iter(DataLoader(files, batch_sampler=batches, num_workers=0))

    def play(self) -> None:
        images, y = (tensor.to(self.device) for tensor in next(self.batches))
        batch = Batch(images, y)
        for turn in self.objective.turns():
            weights = turn.weights(self.step)
            if not weights or self.step % turn.every:
                continue
            # What an earlier turn made is made again, as where every player has a function of its own.
            context = Context(step=self.step, draws=Draws(torch.Generator(self.device).manual_seed(self.step)))
            if turn.name.endswith(("critics", "critic")) and "r1" not in weights:
                with torch.no_grad():
                    self.objective.turns()[-3 if len(self.objective.turns()) > 3 else 0].loss(batch, context)
            terms = turn.loss(batch, context)
            self.objective.zero_grad()
            torch.stack([terms[name] * weight for name, weight in weights.items()]).sum().backward()
            torch.nn.utils.clip_grad_norm_([p for m in turn.trains for p in m.parameters()], 5.0)
            self.optimisers[turn.name].step()
            for term in terms.values():
                term.item()
        with torch.no_grad():
            for kept, current in zip(self.averaged.parameters(), self.objective.model.parameters(), strict=True):
                kept.mul_(0.999).add_(current, alpha=0.001)
        self.step += 1


class Ours:
    """The loop of `i2i train`, with its packed images or one batch that is there."""

    def __init__(
        self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device, reads: bool
    ) -> None:
        precision = pick_precision("auto", device)
        self.loop = Loop(built(config, side, domains), config.training, device, precision, 0)
        self.data, self.reads = open_dataset(root, side), reads
        self.sampler = BalancedSampler(self.data.labels[self.data.train], len(domains), config.training.batch_size, 0)
        self.batch = self.read()

    def read(self) -> Batch:
        rows = self.data.train[self.sampler.indices(self.loop.step)]
        images = to_model_range(self.data.images.crops(rows), self.loop.device)
        return Batch(images, self.data.labels[rows].to(self.loop.device))

    def play(self) -> None:
        self.loop.advance(self.read() if self.reads else self.batch, self.loop.context())
        if self.reads and self.loop.step % 20 == 0:
            self.loop.take_terms()


def seconds(play: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    for _ in range(STEPS):
        play()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def peak_rate(device: torch.device, precision: str) -> float:
    """FLOP/s of a large matrix product."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.rand(2048, 2048, device=device, dtype=kind)

    def product() -> None:
        a @ a

    return 2 * 2048**3 * STEPS / min(seconds(product, device) for _ in range(5))


def measure(name: str, side: int, device: torch.device) -> str:
    config, domains = run_config({}, None, SETTINGS[name]), DOMAINS[name]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2I_CACHE"] = str(Path(folder, "cache"))
        root = Path(folder, "data")
        draw(root, domains, side)
        ours = Ours(config, root, side, domains, device, reads=True)
        memory = Ours(config, root, side, domains, device, reads=False)
        textbook = Textbook(config, root, side, domains, device)
        works = {"textbook": textbook.play, "ours": ours.play, "memory": memory.play}
        times: dict[str, list[float]] = {kind: [] for kind in works}
        for round_number in range(ROUNDS + 1):
            for kind, play in works.items():
                spent = seconds(play, device)
                if round_number:
                    times[kind].append(spent)
    with FlopCounterMode(display=False) as counter:
        memory.play()
    batch = config.training.batch_size
    ratio = statistics.median(a / b for a, b in zip(times["textbook"], times["ours"], strict=True))
    share = statistics.median(a / b for a, b in zip(times["memory"], times["ours"], strict=True))
    rate = STEPS * batch / statistics.median(times["ours"])
    floor = counter.get_total_flops() / batch / peak_rate(device, ours.loop.precision)
    return (
        f"{name}, {side} px: {rate:.1f} images/s, {ratio:.2f} times the textbook's, {share:.2f} of the rate in memory, "
        f"{rate * floor:.2f} of the rate of {counter.get_total_flops() / batch / 1e9:.2f} GFLOP an image at a large "
        f"matrix product's speed; {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB at most"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[64, 128])
    device = pick_device("auto")
    for side in parser.parse_args().sizes:
        for name in DOMAINS:
            print(measure(name, side, device), flush=True)


if __name__ == "__main__":
    main()
