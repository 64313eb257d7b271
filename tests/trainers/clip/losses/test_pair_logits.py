"""The cross entropy in blocks of rows: loss and gradients are those of all logits at once."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.allocations import peak_above_start
from corpusloom.trainers.clip.losses import pair_logits
from corpusloom.trainers.clip.losses.pair_logits import cross_entropy_of_pairs, nearest

B, N, E = 7, 11, 8


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    rows, columns = (F.normalize(torch.randn(n, E, generator=generator, dtype=torch.float64), dim=1) for n in (B, N))
    scale = torch.tensor([14.0], dtype=torch.float64)
    return tuple(value.to(dtype).requires_grad_() for value in (rows, columns, scale))  # type: ignore[return-value]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("block", [1, 3 * N, 1 << 20])
def test_loss_and_gradients_are_those_of_all_logits_at_once(
    dtype: torch.dtype, tolerance: float, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_logits, "LOGITS_PER_BLOCK", block)
    labels, given, expected = torch.arange(B) + 2, inputs(dtype), inputs(dtype)
    loss = cross_entropy_of_pairs(*given, labels)
    rows, columns, scale = expected
    whole = F.cross_entropy(scale * rows @ columns.T, labels, reduction="sum")
    (3 * loss).backward()
    (3 * whole).backward()
    assert loss.item() == pytest.approx(whole.item(), rel=tolerance)
    for one, other in zip(given, expected, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert (one.grad - other.grad).abs().max() <= 10 * tolerance * other.grad.abs().max()


def test_logits_beyond_the_range_of_exp_give_a_finite_loss() -> None:
    rows, columns, _ = inputs(torch.float32)
    loss = cross_entropy_of_pairs(rows, columns, torch.tensor([1e4]), torch.arange(B))
    assert torch.isfinite(loss)


def test_no_row_gives_a_loss_and_a_gradient_of_zero() -> None:
    rows, columns, scale = inputs(torch.float32)
    loss = cross_entropy_of_pairs(rows[:0], columns, scale, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss == 0
    assert columns.grad is not None
    assert not columns.grad.any()


def test_the_nearest_column_is_that_of_all_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_logits, "LOGITS_PER_BLOCK", 3 * N)
    rows, columns, _ = inputs(torch.float32)
    assert torch.equal(nearest(rows, columns), (rows @ columns.T).argmax(1))


def test_a_large_batch_never_has_all_its_logits_in_memory() -> None:
    rows = torch.randn(4096, E, requires_grad=True)
    columns, scale = rows.detach().clone().requires_grad_(), torch.ones(1, requires_grad=True)

    def work() -> None:
        cross_entropy_of_pairs(rows, columns, scale, torch.arange(4096)).backward()

    assert peak_above_start(work) < 3 * 4 * pair_logits.LOGITS_PER_BLOCK < 4 * 4096 * 4096
