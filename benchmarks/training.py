"""Training of both families, as ratios to a textbook loop around the same networks, run in turn.

    python benchmarks/training.py [SIZE ...] [--means]

The textbook loop: NCHW, float32, a DataLoader over image files, a backward pass through all that is
there, `.item()` of every loss at every step; SRAE's critics are given codes of their own pass of the
encoder. Ours: the same objectives as `i2i train` plays them, from its packed cache. A third loop is ours
with one batch in memory and no losses read: what data and journal cost. `--means`: what each difference
brings alone, torch.compile too, which takes minutes. Random images, as files; the median of the ratios of
several rounds.
"""

import argparse
import copy
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torch.utils.flop_counter import FlopCounterMode

from i2i_cli.data.augment import to_model_range
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.engine.device import pick_device, pick_precision
from i2i_cli.engine.loop import Loop
from i2i_cli.jobs.training.config import RunConfig, run_config
from i2i_cli.models import family
from i2i_cli.models.family import Batch, Context, Objective, Turn
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


MEANS = ("packed cache", "channels last", "own gradients", "one pass", "no waiting", "fused optimiser", "compiled")


class Textbook:
    """Networks, optimisers and a loader as a tutorial has them, but for the `means` that are asked for."""

    def __init__(
        self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device,
        means: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.objective, self.device, self.means, self.step = built(config, side, domains).to(device), device, means, 0
        if "channels last" in means:
            self.objective = self.objective.to(memory_format=torch.channels_last)
        if "compiled" in means:
            for network in (*self.objective.model.children(), *self.objective.children()):
                network.compile(dynamic=False)
        self.averaged = copy.deepcopy(self.objective.model)
        self.trained = {
            turn.name: [p for module in turn.trains for p in module.parameters()] for turn in self.objective.turns()
        }
        fused = "fused optimiser" in means
        self.optimisers = {name: torch.optim.Adam(own, 1e-4, fused=fused) for name, own in self.trained.items()}
        files = Files(root, domains)
        labels = torch.tensor([label for _, label in files.files])
        self.sampler = BalancedSampler(labels, len(domains), config.training.batch_size, 0)
        batches = [self.sampler.indices(step).tolist() for step in range(10_000)]
        self.batches = iter(DataLoader(files, batch_sampler=batches))
        self.data = decoded(scan(root), side)

    def read(self) -> Batch:
        if "packed cache" in self.means:
            rows = self.data.train[self.sampler.indices(self.step) % len(self.data.train)]
            images, y = to_model_range(self.data.images.squares(rows), self.device), self.data.labels[rows]
            images = images.contiguous()
        else:
            images, y = (tensor.to(self.device) for tensor in next(self.batches))
        if "channels last" in self.means:
            images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images, y.to(self.device))

    def play(self) -> None:
        batch = self.read()
        draws = Draws(torch.Generator(self.device).manual_seed(self.step))
        context = Context(step=self.step, draws=draws)
        for turn in self.objective.turns():
            weights = turn.weights(self.step)
            if not weights or self.step % turn.every:
                continue
            if turn.name == "latent_critics" and "one pass" not in self.means:
                with torch.no_grad():
                    content, domain = self.objective.model.sample_codes(batch.images, draws)
                context.left.update(content=content, domain=domain)
            self.move(turn, weights, turn.loss(batch, context))
        with torch.no_grad():
            for kept, current in zip(self.averaged.parameters(), self.objective.model.parameters(), strict=True):
                kept.mul_(0.999).add_(current, alpha=0.001)
        self.step += 1

    def move(self, turn: Turn, weights: dict[str, float], terms: dict[str, Tensor]) -> None:
        total = torch.stack([terms[name] * weight for name, weight in weights.items()]).sum()
        own = self.trained[turn.name]
        self.objective.zero_grad()
        if "own gradients" in self.means:
            for parameter, gradient in zip(own, torch.autograd.grad(total, own, allow_unused=True), strict=True):
                parameter.grad = gradient
        else:
            total.backward()
        torch.nn.utils.clip_grad_norm_(own, 5.0)
        self.optimisers[turn.name].step()
        if "no waiting" not in self.means:
            for term in terms.values():
                term.item()


class Ours:
    """The loop of `i2i train`, with its packed images or one batch that is there."""

    def __init__(
        self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device, reads: bool
    ) -> None:
        precision = pick_precision("auto", device)
        self.loop = Loop(built(config, side, domains), config.training, device, precision, 0)
        self.data, self.reads = decoded(scan(root), side), reads
        self.sampler = BalancedSampler(self.data.labels[self.data.train], len(domains), config.training.batch_size, 0)
        self.batch = self.read()

    def read(self) -> Batch:
        rows = self.data.train[self.sampler.indices(self.loop.step)]
        images = to_model_range(self.data.images.squares(rows), self.loop.device)
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


def ratios(works: dict[str, Callable[[], None]], device: torch.device, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each, in turn; the first round warms up."""
    times: dict[str, list[float]] = {kind: [] for kind in works}
    for round_number in range(rounds + 1):
        for kind, play in works.items():
            spent = seconds(play, device)
            if round_number:
                times[kind].append(spent)
    return times


def over(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def measure(name: str, side: int, device: torch.device, means: bool) -> Iterator[str]:
    config, domains = run_config({}, None, SETTINGS[name]), DOMAINS[name]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2I_CACHE"] = str(Path(folder, "cache"))
        root = Path(folder, "data")
        draw(root, domains, side)
        ours = Ours(config, root, side, domains, device, reads=True)
        memory = Ours(config, root, side, domains, device, reads=False)
        textbook = Textbook(config, root, side, domains, device)
        times = ratios({"textbook": textbook.play, "ours": ours.play, "memory": memory.play}, device)
        with FlopCounterMode(display=False) as counter:
            memory.play()
        batch, flops = config.training.batch_size, counter.get_total_flops()
        rate = STEPS * batch / statistics.median(times["ours"])
        floor = flops / batch / peak_rate(device, ours.loop.precision)
        yield (
            f"{name}, {side} px: {rate:.1f} images/s, {over(times['textbook'], times['ours']):.2f} times the textbook, "
            f"{over(times['memory'], times['ours']):.2f} of the rate in memory; at a large matrix product's speed its "
            f"{flops / batch / 1e9:.2f} GFLOP an image would take {rate * floor:.2f} of the time; "
            f"{peak_memory(device):.2f} GiB at most"
        )
        for mean in MEANS if means else ():
            changed = Textbook(config, root, side, domains, device, (mean,))
            times = ratios({"without": textbook.play, "with": changed.play}, device, rounds=3)
            yield f"  {mean} alone: {over(times['without'], times['with']):.2f} times the textbook's rate"


def peak_memory(device: torch.device) -> float:
    """GiB that this process, or its part of the device, has held at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=[64, 128])
    parser.add_argument("--means", action="store_true")
    chosen, device = parser.parse_args(), pick_device("auto")
    for side in chosen.sizes:
        for name in DOMAINS:
            for line in measure(name, side, device, chosen.means):
                print(line, flush=True)


if __name__ == "__main__":
    main()
