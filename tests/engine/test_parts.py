"""Steps that do not fit into memory, in parts."""

import copy

import pytest
import torch

from i2i_cli.engine.loop import Loop
from i2i_cli.engine.parts import Part, halves
from tests.engine.test_loop import advance, batch, loop


def limited(trained: Loop, most: int) -> Loop:
    """`trained` on a machine where turns of more than `most` images find no memory."""

    def starved(turn):
        loss = turn.loss

        def starved_loss(batch, context):
            if len(batch.y) > most:
                torch.empty(2**50, dtype=torch.uint8)  # a pebibyte: the allocator's own error
            return loss(batch, context)

        object.__setattr__(turn, "loss", starved_loss)

    for turn in {id(turn): turn for turn in trained.turns}.values():
        starved(turn)
    return trained


def test_halves_have_the_rows_and_the_noise_of_the_whole() -> None:
    context = loop().context()
    whole = Part(batch(0), context)
    parts = halves(halves([whole]))
    rows = [whole.batch.images[place::4] for place in (0, 2, 1, 3)]
    assert all(torch.equal(part.batch.images, images) for part, images in zip(parts, rows, strict=True))
    noise = [part.context.draws.normal((len(part.batch.y), 5)) for part in halves([whole])]
    drawn = context.draws.normal((6, 5))
    assert torch.equal(noise[0], drawn[0::2]) and torch.equal(noise[1], drawn[1::2])
    turns = [part.context.draws.integers(0, 99, (2, len(part.batch.y)), batch_dim=1) for part in halves([whole])]
    later = context.draws.integers(0, 99, (2, 6), batch_dim=1)
    assert torch.equal(turns[0], later[:, 0::2]) and torch.equal(turns[1], later[:, 1::2])


def test_where_memory_is_short_a_step_is_done_in_parts_and_comes_to_the_same() -> None:
    fast = {"fit_memory": True, "learning_rate": 1e-2, "warmup": 1}
    whole, parted, still = loop(**fast), limited(loop(**fast), most=3), loop(**fast)
    for trained in (whole, parted):
        advance(trained, 1)
    assert (whole.num_parts, parted.num_parts) == (1, 2)
    first, second = whole.take_terms(), parted.take_terms()
    assert first == pytest.approx(second, abs=1e-6)

    def apart(other: Loop) -> float:
        pairs = zip(whole.objective.parameters(), other.objective.parameters(), strict=True)
        return float(torch.cat([(a - b).detach().flatten() for a, b in pairs]).norm())

    # Adam's first step follows signs, and where a gradient is next to nothing, rounding decides them.
    assert apart(parted) < 0.02 * apart(still), "the same step, but for rounding"


def test_gradients_of_parts_add_up_to_those_of_the_whole() -> None:
    """Weights would not tell: Adam's first step is as long for gradients of any size."""
    found: dict[int, list[torch.Tensor]] = {}
    for most in (99, 3):
        trained = limited(loop(fit_memory=True), most)
        trained.peers = copy.copy(trained.peers)

        def kept(gradients, most=most):
            found.setdefault(most, []).append(torch.cat([g.flatten() for g in gradients if g is not None]))
            return list(gradients)

        trained.peers.averaged = kept  # type: ignore[method-assign]
        advance(trained, 1)
    for whole, parted in zip(found[99], found[3], strict=True):
        assert float((whole - parted).norm()) < 1e-3 * float(whole.norm())


def test_without_leave_or_with_nothing_to_halve_the_error_stands() -> None:
    with pytest.raises(RuntimeError, match="allocate"):
        advance(limited(loop(), most=3), 1)
    with pytest.raises(RuntimeError, match="allocate"):
        advance(limited(loop(fit_memory=True), most=0), 1)
    trained = limited(loop(fit_memory=True), most=99)
    trained.turns[0].__dict__["loss"] = lambda batch, context: 1 / 0
    with pytest.raises(ZeroDivisionError):
        advance(trained, 1)


def test_what_was_left_is_not_halved_until_nothing_is_there() -> None:
    context = loop().context()
    context.left["made"] = torch.zeros(2, 3, 8, 8)
    whole = Part(batch(0), context)
    assert whole.can_be_halved and not whole.half(0).can_be_halved
