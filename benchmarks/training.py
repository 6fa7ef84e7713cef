"""Training of both families, as ratios to a textbook loop around the same networks, run in turn.

    python benchmarks/training.py [--sizes 64 128] [--batches 32] [--kinds srae sharp dual] [--compiled]

The textbook loop: NCHW, float32, a DataLoader over image files, a backward pass through all that is
there, `.item()` of every loss at every step; SRAE's critics are given codes of their own pass of the
encoder. Ours: the same objectives as `i2i train` plays them, from its packed cache. Random images, as files; the
median of the ratios of several rounds.

Operations are counted in float32, views and allocations aside. The limit is the time that a step would take at
the rate of a large matrix product, or at that of a large copy, whichever is longer: FLOP as torch counts
them, bytes as every operation reads and writes. On a GPU:
how long its kernels run of a step (the profiler's, of a recorded step), how many they are, and the rate of steps
played one kernel at a time. `--compiled`: what torch.compile of the networks brings, and how long it takes.
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
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torch.utils.flop_counter import FlopCounterMode

from i2i_cli.data.augment import from_levels
from i2i_cli.data.dataset import decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.loading import Loader
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.engine.device import choose_kernels, pick_device, pick_precision
from i2i_cli.engine.loop import Loop
from i2i_cli.jobs.training.config import RunConfig, run_config
from i2i_cli.models import family
from i2i_cli.models.family import Batch, Context, Objective, Turn
from i2i_cli.models.peers import ALONE, Draws

DOMAINS = {"srae": ("a", "b"), "sharp": ("a", "b"), "dual": ("a", "b", "c", "d")}
SETTINGS = {
    "srae": ("objective.perceptual=none",),
    "sharp": ("recipe=sharp", "objective.swap_start=0"),
    "dual": (
        "family=dual", 'networks.inputs=["a", "d"]', 'networks.outputs=["c", "b"]', "networks.width=0.25",
        "objective.critic_width=0.25", "objective.pretraining_steps=0",
    ),
}  # fmt: skip
NUM_FILES = 512
SECONDS = 0.5
VIEWS = {
    "view", "_unsafe_view", "expand", "slice", "select", "permute", "transpose", "t", "unsqueeze", "squeeze", "detach",
    "split", "split_with_sizes", "alias", "as_strided", "diagonal", "unbind", "_reshape_alias", "unfold",
    "_record_function_enter_new", "_record_function_exit", "empty", "empty_like", "new_empty",
}  # fmt: skip
"""What launches nothing."""


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

    def __init__(self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device):
        self.objective, self.device, self.step = built(config, side, domains).to(device), device, 0
        self.averaged = copy.deepcopy(self.objective.model)
        self.trained = {
            turn.name: [p for module in turn.trains for p in module.parameters()] for turn in self.objective.turns()
        }
        self.optimisers = {name: torch.optim.Adam(own, 1e-4) for name, own in self.trained.items()}
        files = Files(root, domains)
        labels = torch.tensor([label for _, label in files.files])
        sampler = BalancedSampler(labels, len(domains), config.training.batch_size, 0)
        batches = [sampler.indices(step).tolist() for step in range(10_000)]
        workers = min(8, (os.cpu_count() or 1) - 2) if device.type == "cuda" else 0
        self.batches = iter(DataLoader(files, batch_sampler=batches, num_workers=workers))

    def play(self) -> None:
        images, y = (tensor.to(self.device) for tensor in next(self.batches))
        batch, draws = Batch(images, y), Draws(torch.Generator(self.device).manual_seed(self.step))
        context = Context(step=self.step, draws=draws)
        self.objective.before_step()
        for turn in self.objective.turns():
            weights = turn.weights(self.step)
            if not weights or self.step % turn.every:
                continue
            if turn.name == "latent_critics":
                with torch.no_grad():
                    content, domain = self.objective.model.sample_codes(batch.images, draws)
                context.left.update(content=content, domain=domain)
            self.move(turn, weights, turn.loss(batch, context))
        with torch.no_grad():
            for kept, current in zip(self.averaged.parameters(), self.objective.model.parameters(), strict=True):
                kept.mul_(0.999).add_(current, alpha=0.001)
        self.step += 1

    def move(self, turn: Turn, weights: dict[str, float], terms: dict[str, Tensor]) -> None:
        own = self.trained[turn.name]
        self.objective.zero_grad()
        torch.stack([terms[name] * weight for name, weight in weights.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(own, 5.0)
        self.optimisers[turn.name].step()
        for term in terms.values():
            term.item()


class Ours:
    """The loop of `i2i train` with its loader."""

    def __init__(self, config: RunConfig, root: Path, side: int, domains: tuple[str, ...], device: torch.device):
        precision = pick_precision(config.training.precision, device)
        objective = built(config, side, domains)
        self.loop = Loop(
            objective, config.training, device, precision, 0, prepare=lambda x, _: from_levels(x).contiguous(
                memory_format=torch.channels_last
            ),
        )  # fmt: skip
        data = decoded(scan(root), side)
        sampler = BalancedSampler(data.labels[data.train], len(domains), config.training.batch_size, 0)
        self.loader = Loader(data, sampler, device, ALONE.own)

    def play(self) -> None:
        self.loop.advance(self.loader.batch(self.loop.step))
        if self.loop.step % 20 == 0:
            self.loop.take_terms()


def settings(kind: str, batch: int, *more: str) -> RunConfig:
    return run_config({}, None, (*SETTINGS[kind], f"training.batch_size={batch}", *more))


def seconds(play: Callable[[], None], device: torch.device, steps: int) -> float:
    """Of a step."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(steps):
        play()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def ratios(works: dict[str, Callable[[], None]], device: torch.device, rounds: int) -> dict[str, list[float]]:
    """Seconds of a step of each, in turn, of some `SECONDS` each time."""
    steps = {kind: max(3, min(100, round(SECONDS / seconds(play, device, 4)))) for kind, play in works.items()}
    times: dict[str, list[float]] = {kind: [] for kind in works}
    for _ in range(rounds):
        for kind, play in works.items():
            times[kind].append(seconds(play, device, steps[kind]))
    return times


def over(first: list[float], second: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


class Counted(TorchDispatchMode):
    """Operations that launch something, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.bytes = 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func._schema.name.split("::")[1] not in VIEWS:
            self.operations += 1
            tensors = [leaf for leaf in tree_leaves((args, kwargs, found)) if isinstance(leaf, Tensor)]
            self.bytes += sum(tensor.nbytes for tensor in tensors)
        return found


def peak_rates(device: torch.device, precision: str) -> tuple[float, float]:
    """FLOP/s of a large matrix product, and bytes/s of a large copy."""
    kind, side = torch.bfloat16 if precision == "bf16" else torch.float32, 8192 if device.type == "cuda" else 2048
    a = torch.rand(side, side, device=device, dtype=kind)
    large = torch.rand(2**28 if device.type == "cuda" else 2**24, device=device)
    target = torch.empty_like(large)

    def product() -> None:
        torch.mm(a, a)

    def copying() -> None:
        target.copy_(large)

    of_product, of_copy = (min(seconds(work, device, 4) for _ in range(5)) for work in (product, copying))
    return 2 * side**3 / of_product, 2 * large.nbytes / of_copy


def on_chip(ours: Ours, steps: int = 3) -> tuple[float, float]:
    """Milliseconds that kernels run in a step, and how many they are."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(steps):
            ours.play()
        torch.cuda.synchronize()
    kernels = [event for event in found.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return sum(event.device_time for event in kernels) / 1e3 / steps, len(kernels) / steps


def measure(kind: str, side: int, size: int, device: torch.device, compiled: bool) -> Iterator[str]:
    domains, config = DOMAINS[kind], settings(kind, size)
    rounds = 3 if device.type == "cuda" else 5
    with tempfile.TemporaryDirectory() as folder:
        os.environ["I2I_CACHE"] = str(Path(folder, "cache"))
        root = Path(folder, "data")
        draw(root, domains, side)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        ours = Ours(config, root, side, domains, device)
        textbook = Textbook(config, root, side, domains, device)
        eager = Ours(settings(kind, size, "training.recorded=false"), root, side, domains, device)
        works = {"textbook": textbook.play, "ours": ours.play}
        seconds(ours.play, device, 20)  # the steps that are eager before others are recorded
        memory = peak_memory(device)
        if device.type == "cuda":
            works["eager"] = eager.play
            # Kernels are chosen for the whole process, when a loop is made; a recording keeps those it was made with.
            fast = Ours(settings(kind, size, "training.deterministic=false"), root, side, domains, device)
            seconds(fast.play, device, 20)
            choose_kernels(config.training.deterministic)
            works["fast"] = fast.play
        times = ratios(works, device, rounds)
        plain = Ours(
            settings(kind, size, "training.recorded=false", "training.precision=fp32"), root, side, domains, device
        )
        plain.play()
        of_plain, counted, flops = Counted(), Counted(), FlopCounterMode(display=False)
        with of_plain:
            plain.play()
        with counted:
            eager.play()
        with flops:
            eager.play()
        peak, copying = peak_rates(device, ours.loop.precision)
        step = statistics.median(times["ours"])
        limit = max(flops.get_total_flops() / peak, counted.bytes / copying)
        line = (
            f"{kind}, {side} px, batch {size}: {size / step:.0f} images/s, {1 / step:.1f} steps/s, "
            f"{over(times['textbook'], times['ours']):.2f} times the textbook; "
            f"{of_plain.operations} operations a step; "
            f"{flops.get_total_flops() / step / peak:.3f} of a large product's rate, {limit / step:.2f} of the limit"
        )
        if device.type == "cuda":
            busy, kernels = on_chip(ours)
            line += (
                f"; chip busy {busy:.1f} of {1e3 * step:.1f} ms ({busy / 1e3 / step:.0%}), {kernels:.0f} kernels; "
                f"{over(times['eager'], times['ours']):.2f} times our steps played as they are; "
                f"deterministic=false {over(times['ours'], times['fast']):.2f} times ours"
            )
        yield f"{line}; {memory:.2f} GiB at most"
        if compiled:
            yield compile_too(Ours(config, root, side, domains, device), ours, device)


def compile_too(changed: Ours, ours: Ours, device: torch.device) -> str:
    started = time.perf_counter()
    for network in changed.loop.objective.model.children():
        network.compile(dynamic=False)
    seconds(changed.play, device, 20)
    spent = time.perf_counter() - started
    times = ratios({"ours": ours.play, "compiled": changed.play}, device, 3)
    return (
        f"  torch.compile of the networks: {over(times['ours'], times['compiled']):.2f} times ours, after {spent:.0f} s"
    )


def peak_memory(device: torch.device) -> float:
    """GiB that this process, or its part of the device, has held at most."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128])
    parser.add_argument("--batches", type=int, nargs="*", default=[32])
    parser.add_argument("--kinds", nargs="*", default=list(DOMAINS), choices=list(DOMAINS))
    parser.add_argument("--compiled", action="store_true")
    chosen, device = parser.parse_args(), pick_device("auto")
    for side in chosen.sizes:
        for size in chosen.batches:
            for kind in chosen.kinds:
                for line in measure(kind, side, size, device, chosen.compiled):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
