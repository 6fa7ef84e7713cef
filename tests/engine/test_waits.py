"""A step waits for no device: nothing in it reads a value or makes a tensor whose size depends on values.

On fake tensors, which have shapes and no numbers. Those of CUDA take no GPU, but torch derives nothing of them
where there is none: what gradients ask for is found on those of a CPU.
"""

import warnings

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from i2i_cli.config import updated
from i2i_cli.data.augment import DataConfig, augmented, from_levels
from i2i_cli.models import FAMILIES
from i2i_cli.models.family import Batch, Context, Objective
from i2i_cli.models.peers import Draws

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
DOMAINS = ("a", "b", "c", "d")
EVERY_CHANGE = {"flip": True, "shift": 0.1, "zoom": 0.1, "rotate": 5.0, "tone": 0.4, "sharpness": 0.4}
RECIPES = [(kind.name, recipe) for kind in FAMILIES.values() for recipe in kind.recipes]
SIZES = {
    "srae": {"width": 16, "min_width": 8},
    "dual": {"inputs": ("a", "d"), "outputs": ("c", "b"), "width": 0.0625},
}
"""The smallest networks of every family."""

MORE = {
    "srae": {"weights": {"image_mismatch": 0.5, "structure": 1.0, "image_cycle": 1.0}, "swap_across": True},
    "dual": {"augmentation": True, "adversarial_loss": "hinge"},
}
"""Settings that no recipe turns on."""


def built(name: str, recipe: str, changes: dict) -> Objective:
    kind = FAMILIES[name]
    tables = kind.recipes[recipe]
    networks = updated(updated(kind.networks, tables.get("networks", {})), SIZES[name])
    objective = updated(updated(kind.objective, tables.get("objective", {})), changes)
    if getattr(objective, "perceptual", "none") == "auto":
        objective = updated(objective, {"perceptual": "random"})
    return kind.build_objective(kind.build_model(networks, 32, DOMAINS), objective)


def make_fake(module: nn.Module, mode: FakeTensorMode, device: torch.device) -> None:
    def fake(tensor: torch.Tensor) -> torch.Tensor:
        real = tensor.detach()
        with mode:
            return mode.from_tensor(real).to(device)

    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(fake(parameter), requires_grad=parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = fake(buffer)


def fake_context(step: int, device: torch.device) -> Context:
    draws = Draws(torch.Generator())
    draws.generator, draws.device = None, device  # type: ignore[assignment]
    return Context(step=step, draws=draws, place=torch.zeros(2, dtype=torch.float64, device=device))


class NothingFromTheHost(TorchDispatchMode):
    """Refuses copies of what lies in the host's memory, which is not pinned."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name in ("aten::copy_", "aten::_to_copy"):
            found, source = func(*args, **(kwargs or {})), args[-1] if func._schema.name == "aten::copy_" else args[0]
            assert found.device == source.device, f"{func} from {source.device} to {found.device}"
            return found
        return func(*args, **(kwargs or {}))


def unlike(objective: Objective) -> list[int]:
    """Steps with different terms."""
    kinds = {str([turn.weights(step).keys() for turn in objective.turns()]): step for step in (0, 5008)}
    return list(kinds.values())


def play(objective: Objective, step: int, device: torch.device) -> set[str]:
    """Every turn that has terms at `step`, and their gradients. Returns the names of the terms."""
    derives = device == CPU or torch.cuda.is_available()
    context, found = fake_context(step, device), set[str]()
    levels = torch.zeros(12, 32, 32, 3, dtype=torch.uint8, device=device)
    images = augmented(from_levels(levels), DataConfig(**EVERY_CHANGE), context.draws)
    batch = Batch(images, torch.zeros(12, dtype=torch.int64, device=device))
    objective.before_step()
    for turn in objective.turns():
        weights = turn.weights(step)
        if not weights or ("r1" in weights and not derives):
            continue
        terms = turn.loss(batch, context)
        total = torch.stack([terms[name].float() for name in weights]).sum()
        parameters = [parameter for module in turn.trains for parameter in module.parameters()]
        if derives:
            torch.autograd.grad(total, parameters, allow_unused=True)
        found |= terms.keys()
    return found


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize(
    ("name", "recipe", "more"),
    [*((*kind, False) for kind in RECIPES), ("srae", "sharp", True), ("dual", "default", True)],
)
def test_a_step_reads_nothing_and_makes_nothing_of_unknown_size(name, recipe, more, device) -> None:
    objective, mode = built(name, recipe, MORE[name] if more else {}), FakeTensorMode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no CUDA
        make_fake(objective, mode, device)
        with mode, NothingFromTheHost():
            terms = set.union(*(play(objective, step, device) for step in unlike(objective)))
    assert terms, "something was played"


@pytest.mark.parametrize(
    "wait", [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: float(x[0])]
)
def test_what_waits_is_found(wait) -> None:
    with warnings.catch_warnings(), FakeTensorMode():
        warnings.simplefilter("ignore")
        with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
            wait(torch.zeros(4, device=CUDA))


def test_copies_from_the_host_are_found() -> None:
    with warnings.catch_warnings(), FakeTensorMode(), NothingFromTheHost():
        warnings.simplefilter("ignore")
        with pytest.raises(AssertionError, match="from cpu to cuda"):
            torch.zeros(4, device=CUDA).copy_(torch.zeros(4))
        with pytest.raises(AssertionError, match="from cpu to cuda"):
            torch.zeros(4).to(CUDA)
