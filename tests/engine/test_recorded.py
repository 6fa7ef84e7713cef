"""Steps recorded and replayed. Most of it takes a GPU."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import ClassVar

import pytest
import torch

from i2i_cli.config import updated
from i2i_cli.engine.device import pick_precision
from i2i_cli.engine.loop import Loop
from i2i_cli.engine.recorded import EAGER, Recorder
from i2i_cli.engine.schedule import Schedule, TrainingConfig
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.models import family
from i2i_cli.models.family import Batch
from i2i_cli.models.peers import Peers

CUDA = torch.device("cuda")
on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
KINDS = {
    "srae": ("srae", "default", {"hiding_ramp": 6, "perceptual": "none"}),
    "srae, sharp": ("srae", "sharp", {"swap_start": 8, "perceptual": "bundled"}),
    "srae, neighbours": ("srae", "neighbours", {"perceptual": "none"}),
    "dual": ("dual", "default", {"pretraining_steps": 6, "r1_every": 2, "augmentation": True}),
}
DOMAINS = ("a", "b", "c", "d")


def built(kind: str, device: torch.device = CUDA, precision: str = "auto", **training) -> Loop:
    name, recipe, changes = KINDS[kind]
    method = family(name)
    roles = {"inputs": ("a", "d"), "outputs": ("c", "b"), "width": 0.125}
    sizes = roles if name == "dual" else {"width": 32, "min_width": 16}
    networks = updated(updated(method.networks, method.recipes[recipe].get("networks", {})), sizes)
    objective = updated(updated(method.objective, method.recipes[recipe].get("objective", {})), changes)
    torch.manual_seed(0)
    made = method.build_objective(method.build_model(networks, 32, DOMAINS), objective)
    config = TrainingConfig(steps=40, cooldown=0.5, warmup=5, **training)
    said: list[str] = []
    loop = Loop(made, config, device, pick_precision(precision, device), 0, prepare=noisy, note=said.append)
    loop.said = said  # type: ignore[attr-defined]
    return loop


def noisy(images: torch.Tensor, draws) -> torch.Tensor:
    return images + 0.1 * draws.normal(images.shape)


def batch(step: int) -> Batch:
    images = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(step)) * 2 - 1
    return Batch(images.to(CUDA, memory_format=torch.channels_last), torch.arange(16, device=CUDA) // 4)


def advance(loop: Loop, steps: int, act: Callable[[Loop], None] = lambda loop: None) -> Loop:
    for _ in range(steps):
        loop.advance(batch(loop.step))
        act(loop)
    return loop


def same(first: Loop, second: Loop) -> bool:
    a, b = first.state(), second.state()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@on_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_recorded_and_eager_steps_give_the_same_weights(kind: str) -> None:
    recorded, eager = built(kind, recorded=True), built(kind, recorded=False)
    for loop in (recorded, eager):
        advance(loop, 30)
    assert (
        recorded._recorder.num_recorded >= (2 if kind in ("srae, sharp", "dual") else 1)
        and eager._recorder.num_recorded == 0
    )
    assert same(recorded, eager)
    first, second = recorded.take_terms(), eager.take_terms()
    assert first == second and first


@on_cuda
@pytest.mark.parametrize("kind", ["srae, sharp", "dual"])
def test_a_recorded_run_is_resumed_exactly(kind: str) -> None:
    whole, first, second = built(kind), built(kind), built(kind)
    advance(whole, 30)
    advance(first, 17)
    saved = {name: tensor.cpu().contiguous() for name, tensor in first.state().items()}
    second.load_state({name: tensor.to(CUDA) for name, tensor in saved.items()}, 17)
    advance(second, 13)
    assert whole._recorder.num_recorded and second._recorder.num_recorded
    assert same(whole, second)


@on_cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_waits_for_nothing(kind: str) -> None:
    for recorded in (True, False):
        loop = advance(built(kind, recorded=recorded), 20)
        given = [batch(step) for step in range(4)]
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for one in given:
                loop.advance(one)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@on_cuda
def test_a_family_that_waits_is_played_as_it_is_with_one_line_that_says_why() -> None:
    def waiting(loop: Loop) -> Loop:
        turn = loop.turns[0]
        loss = turn.loss
        object.__setattr__(turn, "loss", lambda b, c: {k: v * (1 + 0 * v.item()) for k, v in loss(b, c).items()})
        return loop

    auto, eager = waiting(built("srae")), waiting(built("srae", recorded=False))
    for loop in (auto, eager):
        advance(loop, 12)
    assert same(auto, eager)
    assert len(auto.said) == 1 and "cannot be recorded" in auto.said[0]  # type: ignore[attr-defined]
    with pytest.raises(I2IError, match="cannot be recorded"):
        advance(waiting(built("srae", recorded=True)), EAGER + 1)


@on_cuda
def test_what_happens_between_steps_changes_nothing() -> None:
    """Samples, scores and readings of the terms use the networks and the memory between two steps."""

    def between(loop: Loop) -> None:
        with torch.no_grad():
            codes = loop.averaged.encode(torch.rand(64, 3, 32, 32, device=CUDA))
            loop.averaged.decode(*codes)
        loop.take_terms()
        torch.cuda.empty_cache()

    quiet, busy = advance(built("srae, sharp"), 24), advance(built("srae, sharp"), 24, between)
    assert same(quiet, busy)


@on_cuda
def test_bf16_and_the_fastest_convolutions_are_recorded_too() -> None:
    loop = built("srae, sharp", recorded=True, deterministic=False)
    before = advance(loop, 4).take_terms()
    after = advance(loop, 30).take_terms()
    assert loop._recorder.num_recorded and after["pixel"] < before["pixel"]
    built("srae")  # chooses the kernels that the other tests want


def test_steps_are_recorded_on_cuda_alone() -> None:
    cpu = torch.device("cpu")
    with pytest.raises(ConfigError, match="cannot be recorded on cpu"):
        built("srae", cpu, recorded=True)
    assert not built("srae", cpu)._recorder.records
    with pytest.raises(ConfigError, match=r"training.recorded = 'yes'"):
        TrainingConfig(recorded="yes")


class FakeGraph:
    """Stands in for a CUDA graph: counts what is asked of it."""

    made: ClassVar[list["FakeGraph"]] = []

    def __init__(self) -> None:
        self.replays = 0
        self.generator: torch.Generator | None = None
        FakeGraph.made.append(self)

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generator = generator

    def replay(self) -> None:
        self.replays += 1


@pytest.fixture
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGraph.made = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **_: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)


def recorder(said: list[str]) -> Recorder:
    schedule = Schedule(0, torch.device("cpu"))
    schedule.set(0)
    return Recorder("auto", CUDA, Peers(), schedule, said.append)


def given(size: int = 4) -> Batch:
    return Batch(torch.zeros(size, 3, 8, 8), torch.zeros(size, dtype=torch.int64))


def test_a_kind_is_played_then_recorded_then_replayed(without_a_gpu: None) -> None:
    played: list[str] = []
    plays = recorder([])
    for _ in range(EAGER + 4):
        plays.play("a", given(), lambda batch: played.append("a"))
    assert played == ["a"] * (EAGER + 1), "the last of them while it was recorded"
    assert [graph.replays for graph in FakeGraph.made] == [4]


def test_a_new_kind_finds_the_memory_of_recordings_free_and_both_are_recorded_in_the_end(without_a_gpu: None) -> None:
    plays, free = recorder([]), []
    for step in range(60):
        kind = "seldom" if step % 16 == 8 else "often"
        plays.play(kind, given(), lambda batch: free.append(plays.num_recorded))
        if step == 8:
            assert plays.num_recorded == 0, "dropped before the new kind is played"
    assert plays.num_recorded == 2 - (plays._played["seldom"] <= EAGER)
    assert len(FakeGraph.made) <= 4


def test_where_one_kind_cannot_be_recorded_no_other_is_replayed_with_draws_that_nobody_seeds(
    without_a_gpu: None,
) -> None:
    said: list[str] = []
    plays, played = recorder(said), {"good": 0, "bad": 0}
    before = plays._schedule.generator

    def good(batch: Batch) -> None:
        played["good"] += 1

    def bad(batch: Batch) -> None:
        played["bad"] += 1
        if played["bad"] == EAGER + 1:
            raise RuntimeError("no graph can hold this")

    for _ in range(EAGER + 2):
        plays.play("good", given(), good)
    for _ in range(EAGER):
        plays.play("bad", given(), bad)
        plays.play("good", given(), good)
    assert plays.num_recorded == 1
    for _ in range(2):
        plays.play("bad", given(), bad)
    count = played["good"]
    plays.play("good", given(), good)
    assert played["good"] == count + 1 and plays.num_recorded == 0
    assert said == ["steps run eagerly, which is slower: they cannot be recorded (no graph can hold this)"]
    assert plays._schedule.generator is not before
    assert plays._schedule.generator.initial_seed() == before.initial_seed()
