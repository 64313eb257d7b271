"""Sums and gathers over data ranks, with their gradients."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.trainers.training import collectives, distributed
from tests.trainers.ranks import run_ranks


def test_in_a_single_process_every_collective_returns_its_argument() -> None:
    tensor = torch.ones(3, requires_grad=True)
    assert collectives.all_gather(tensor, [3]) is tensor
    assert collectives.total_with_gradient(tensor) is tensor
    assert collectives.total(tensor).tolist() == [1, 1, 1]
    assert collectives.totals({"a": 2, "b": torch.tensor(3)}) == {"a": 2, "b": 3}
    assert collectives.totals({}) == {}
    assert collectives.row_counts(4) == [4]
    assert collectives.gather_objects("x") == ["x"]


def _on_a_rank() -> dict[str, torch.Tensor]:
    rank = distributed.data_rank()
    own = torch.arange(3.0 - rank, dtype=torch.double, requires_grad=True)
    rows = collectives.row_counts(len(own))
    gathered = collectives.all_gather(own * (rank + 1), rows)
    (gathered * (rank + 1)).sum().backward()
    summed = torch.tensor([rank + 1.0], requires_grad=True)
    (collectives.total_with_gradient(summed) * (rank + 1)).sum().backward()
    flags = collectives.all_gather(torch.tensor([[rank == 0]] * (rank + 1)), collectives.row_counts(rank + 1))
    nothing = collectives.all_gather(torch.ones(1, 2)[:0], collectives.row_counts(0))
    assert own.grad is not None
    assert summed.grad is not None
    totals = collectives.totals({"a": rank, "b": 1})
    return {
        "rows": torch.tensor(rows),
        "gathered": gathered.detach(),
        "gradient": own.grad,
        "sum_gradient": summed.grad,
        "flags": flags,
        "nothing": nothing,
        "totals": torch.tensor([totals["a"], totals["b"]]),
        "ranks": torch.tensor(collectives.gather_objects(rank)),
    }


def test_ranks_gather_uneven_rows_and_sum_the_gradients_of_all_ranks(tmp_path: Path) -> None:
    first, second = run_ranks(_on_a_rank, tmp_path)
    for found in (first, second):
        assert found["rows"].tolist() == [3, 2]
        assert found["gathered"].tolist() == [0, 1, 2, 0, 2]
        assert found["flags"].tolist() == [[True], [False], [False]]
        assert found["nothing"].shape == (0, 2)
        assert found["totals"].tolist() == [1, 2]
        assert found["ranks"].tolist() == [0, 1]
        assert found["sum_gradient"].tolist() == [3]
    assert first["gradient"].tolist() == [3, 3, 3]
    assert second["gradient"].tolist() == [6, 6]


def _rank_as_bytes() -> bytes:
    return b"made by rank %d" % distributed.rank()


def _fail() -> bytes:
    if distributed.rank() == 0:
        raise InputError("no captions", where="data")
    return b"other ranks do not make it"


def _made_and_raised() -> dict[str, torch.Tensor]:
    made = collectives.from_rank_0(_rank_as_bytes)
    with pytest.raises(InputError, match=r"^data: no captions"):
        collectives.from_rank_0(_fail)
    return {"made": torch.frombuffer(bytearray(made), dtype=torch.uint8)}


def test_what_rank_0_makes_or_raises_reaches_every_rank(tmp_path: Path) -> None:
    assert collectives.from_rank_0(_rank_as_bytes) == b"made by rank 0"
    found = run_ranks(_made_and_raised, tmp_path)
    assert [bytes(rank["made"].tolist()) for rank in found] == [b"made by rank 0"] * 2


def fail_on_one(error: Exception) -> int:
    if distributed.rank() == 1:
        raise error
    return 0


def in_step() -> dict[str, Tensor]:
    """Return what each rank learns: results, work of rank 0, a LoomError of rank 1, another error of rank 1."""
    ran = list[int]()
    collectives.on_rank_0(lambda: ran.append(1))
    with pytest.raises(DamageError, match=r"there: is broken \(mend it\)"):
        collectives.together(lambda: fail_on_one(DamageError("is broken", where="there", remedy="mend it")))
    with pytest.raises(
        ValueError if distributed.rank() == 1 else RuntimeError,
        match="x" if distributed.rank() else "rank 1: ValueError: x",
    ):
        collectives.together(lambda: fail_on_one(ValueError("x")))
    found = collectives.together(distributed.rank, dist.new_group(backend="gloo"))
    return {"found": torch.tensor(found), "ran": torch.tensor(len(ran))}


def test_two_ranks_learn_results_and_errors_of_each_other(tmp_path: Path) -> None:
    results = run_ranks(in_step, tmp_path)
    assert [result["found"].tolist() for result in results] == [[0, 1], [0, 1]]
    assert [int(result["ran"]) for result in results] == [1, 0]


def test_work_in_step_is_plain_work_in_one_process() -> None:
    assert collectives.together(lambda: 3) == [3]
    with pytest.raises(ValueError, match="x"):
        collectives.on_rank_0(lambda: int("x"))
