"""Two processes on this machine against one: the same gradients, whatever a step is made of."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i_cli.config import updated
from i2i_cli.engine.loop import Loop
from i2i_cli.engine.processes import Processes, join, local_device
from i2i_cli.engine.schedule import TrainingConfig
from i2i_cli.errors import ConfigError
from i2i_cli.models import family
from i2i_cli.models.family import Batch
from i2i_cli.models.peers import Peers

CPU = torch.device("cpu")
STEPS = 2
"""The second finds memories filled."""

RATE = 1e-9
"""Next to nothing: Adam's first step follows signs, and rounding with them."""

FAMILIES = {
    "srae": {"objective": {"critic_width": 8, "perceptual": "none", "hiding_ramp": 0}},
    "srae, paper": {"recipe": "paper", "objective": {"critic_width": 8, "perceptual": "random"}},
    "srae, sharp": {"recipe": "sharp", "objective": {"critic_width": 8, "swap_start": 0, "perceptual": "random"}},
    "srae, neighbours": {"recipe": "neighbours", "objective": {"critic_width": 8, "perceptual": "none"}},
    "dual": {"objective": {"critic_width": 0.0625, "pretraining_steps": 0, "r1_every": 1}},
}


def build(name: str, peers: Peers) -> Loop:
    kind, settings = family(name.split(",")[0]), FAMILIES[name]
    tables = kind.recipes[settings.get("recipe", "default")]
    networks = {"width": 16, "min_width": 8} if kind.name == "srae" else {"width": 0.0625}
    if kind.name == "dual":
        networks |= {"inputs": ("a", "d"), "outputs": ("c", "b")}
    objective = updated(updated(kind.objective, tables.get("objective", {})), settings["objective"])
    torch.manual_seed(0)
    model = kind.build_model(updated(kind.networks, {**tables.get("networks", {}), **networks}), 32, tuple("abcd"))
    config = TrainingConfig(clip=0, learning_rate=RATE)
    return Loop(kind.build_objective(model, objective), config, CPU, "fp32", 0, peers)


def gradients(name: str, peers: Peers, folder: Path) -> None:
    """Play steps on this process's share of the batches, and keep what every turn was moved by."""
    loop, found, average = build(name, peers), {}, peers.averaged

    def kept(own: Sequence[Tensor | None]) -> list[Tensor | None]:
        means = average(own)
        place = len(found)
        there = [gradient.flatten() for gradient in means if gradient is not None]
        found[f"{place:03d} of step {loop.step}"] = torch.cat(there)
        return means

    peers.averaged = kept  # type: ignore[method-assign]
    for step in range(STEPS):
        images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(step)) * 2 - 1
        rows = peers.own(torch.arange(16))
        loop.advance(Batch(images[rows], (rows // 4)))
    found["terms"] = torch.tensor(list(loop.take_terms().values()))
    if peers.rank == 0:
        save_file(found, folder / f"{peers.count}-{name}.safetensors")


def in_two_processes(arguments: list[str], **options) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen([sys.executable, *arguments], env=shared | {"RANK": rank, "LOCAL_RANK": rank}, **options)
        for rank in "01"
    ]


def test_gradients_are_those_of_one_process(tmp_path: Path) -> None:
    for process in in_two_processes([__file__, str(tmp_path)]):
        assert process.wait(120) == 0
    for name in FAMILIES:
        gradients(name, Peers(), tmp_path)
        # Rounding turns some ReLUs: of the bundled features so many that random ones stand in for them.
        one, two = (load_file(tmp_path / f"{count}-{name}.safetensors") for count in (1, 2))
        assert one.keys() == two.keys()
        for turn in one:
            assert float((one[turn] - two[turn]).norm()) <= 2e-3 * float(one[turn].norm()), (name, turn)


def test_several_processes_have_a_device_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_device("cuda:1") == "cuda:1"
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert local_device("cpu") == "cpu" and local_device("cuda") == "cuda:1"
    with pytest.raises(ConfigError, match="one device, but several processes"):
        local_device("cuda:1")


if __name__ == "__main__":
    torch.set_num_threads(1)
    together = join(CPU)
    assert isinstance(together, Processes)
    for name in FAMILIES:
        gradients(name, Processes(), Path(sys.argv[1]))
    rank = together.rank
    assert together.greatest([rank, -rank, rank / 4]) == [1, 0, 0.25], "what all go by is the same in both"
    together.greatest([0])
    os._exit(0)  # as the command line does: see `end_at_once`
