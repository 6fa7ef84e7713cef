"""What training in several processes costs: bytes and time of the exchanges of a step.

    python benchmarks/processes.py [SIZE]

Two processes of one thread each on this machine, by gloo, against one process of one thread with half
the batch: what a step takes beyond that is the exchange. The bytes a step are counted, and give the time
that the exchange would take where a link moves them: a ring moves 2 (n - 1) / n of the gradients' bytes.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from training import DOMAINS, SETTINGS, built

from i2i_cli.engine.loop import Loop
from i2i_cli.engine.processes import Processes, join, leave
from i2i_cli.jobs.training.config import run_config
from i2i_cli.jobs.training.launching import free_port
from i2i_cli.models.family import Batch
from i2i_cli.models.peers import ALONE, Peers

STEPS, ROUNDS = 4, 5
LINKS = {"8 GPUs by NVLink at 200 GB/s": (8, 200e9), "64 GPUs by a network of 25 GB/s": (64, 25e9)}


class Counted(Processes):
    """Counts what is exchanged."""

    gradients = rows = 0

    def averaged(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        self.gradients += sum(4 * gradient.numel() for gradient in gradients if gradient is not None)
        return super().averaged(gradients)

    def gather(self, rows: Tensor) -> Tensor:
        self.rows += rows.numel() * rows.element_size() * (2 if rows.requires_grad else 1)
        return super().gather(rows)


def step_seconds(name: str, side: int, peers: Peers, share: int) -> float:
    """Median of a step with `share` of the batch's images here."""
    config, domains = run_config({}, None, SETTINGS[name]), DOMAINS[name]
    loop = Loop(built(config, side, domains), config.training, torch.device("cpu"), "fp32", 0, peers)
    images = torch.rand(share, 3, side, side).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    batch = Batch(images, torch.arange(share) * len(domains) // share)
    found = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        for _ in range(STEPS):
            loop.advance(batch)
        found.append((time.perf_counter() - started) / STEPS)
    return statistics.median(found[1:])


def shared(name: str, side: int) -> None:
    """In one of the two processes."""
    torch.set_num_threads(1)
    join(torch.device("cpu"))
    peers = Counted()
    spent = step_seconds(name, side, peers, run_config({}, None, SETTINGS[name]).training.batch_size // 2)
    steps = STEPS * (ROUNDS + 1)
    if peers.rank == 0:
        print(spent, peers.gradients / steps, peers.rows / steps)
    leave()


def in_two(name: str, side: int) -> list[float]:
    env = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen([sys.executable, __file__, str(side), name], env=env | {"RANK": rank}, stdout=subprocess.PIPE)
        for rank in "01"
    ]
    told = [process.communicate()[0] for process in started]
    return [float(word) for word in told[0].split()]


def main() -> None:
    side = int(sys.argv[1]) if sys.argv[1:] else 64
    if sys.argv[2:]:
        shared(sys.argv[2], side)
        return
    torch.set_num_threads(1)
    for name in DOMAINS:
        batch = run_config({}, None, SETTINGS[name]).training.batch_size
        alone = step_seconds(name, side, ALONE, batch // 2)
        spent, gradients, rows = in_two(name, side)
        print(
            f"{name}, {side} px: a step exchanges {gradients / 2**20:.1f} MiB of gradients and "
            f"{rows / batch * 2 / 2**10:.1f} KiB of rows an image; two processes take {spent / alone:.2f} times a step "
            "of one with half the batch"
        )
        for link, (count, rate) in LINKS.items():
            ring = 2 * (count - 1) / count * gradients / rate
            print(f"  {link}: {ring * 1e3:.2f} ms a step for the gradients, whatever the batch")


if __name__ == "__main__":
    main()
