import pytest
import torch

from i2i_cli.models.seeding import own_draws


def test_draws_depend_on_the_seed_alone_and_leave_others_as_they_were() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    found = []
    for before in (1, 2):
        torch.manual_seed(before)
        with own_draws(5):
            found.append(torch.rand(3))
    assert torch.equal(*found)
    torch.manual_seed(7)
    with own_draws(5):
        torch.rand(9)
    assert torch.equal(torch.rand(3), wanted)


def test_no_other_device_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `torch.manual_seed` would: a caller's CUDA generator begins anew, unasked."""
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with own_draws(5):
        torch.rand(1)
    assert not seeded
    torch.manual_seed(5)
    assert seeded == [5], "or this test sees nothing"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_on_cuda_too_all_is_as_before() -> None:
    device = torch.device("cuda")
    torch.cuda.manual_seed(7)
    wanted = torch.rand(3, device=device)
    torch.cuda.manual_seed(7)
    with own_draws(5, device):
        first = torch.rand(3, device=device)
    with own_draws(5, device):
        assert torch.equal(torch.rand(3, device=device), first)
    assert torch.equal(torch.rand(3, device=device), wanted)
