"""Work in step: results of all ranks, and an error of one on all."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from corpusloom.schemas.errors import DamageError
from corpusloom.trainers.checkpoints.ranks import on_first, own_rank, together
from tests.trainers.ranks import run_ranks


def fail_on_one(error: Exception) -> int:
    if own_rank() == 1:
        raise error
    return 0


def in_step() -> dict[str, Tensor]:
    """Return what each rank learns: results, work of rank 0, a LoomError of rank 1, another error of rank 1."""
    ran = list[int]()
    on_first(lambda: ran.append(1))
    with pytest.raises(DamageError, match=r"there: is broken \(mend it\)"):
        together(lambda: fail_on_one(DamageError("is broken", where="there", remedy="mend it")))
    with pytest.raises(
        ValueError if own_rank() == 1 else RuntimeError, match="x" if own_rank() else "rank 1: ValueError: x"
    ):
        together(lambda: fail_on_one(ValueError("x")))
    found = together(own_rank, dist.new_group(backend="gloo"))
    return {"found": torch.tensor(found), "ran": torch.tensor(len(ran))}


def test_two_ranks_learn_results_and_errors_of_each_other(tmp_path: Path) -> None:
    results = run_ranks(in_step, tmp_path)
    assert [result["found"].tolist() for result in results] == [[0, 1], [0, 1]]
    assert [int(result["ran"]) for result in results] == [1, 0]


def test_one_process_works_alone() -> None:
    assert together(lambda: 3) == [3]
    with pytest.raises(ValueError, match="x"):
        on_first(lambda: int("x"))
