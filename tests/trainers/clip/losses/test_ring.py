"""Rows travel round a ring of ranks, whatever their number."""

from pathlib import Path

import torch
from torch import Tensor

from corpusloom.trainers.clip.losses.ring import pass_on
from corpusloom.trainers.training import distributed
from tests.trainers.ranks import run_ranks

ROWS = (2, 0, 3)


def test_one_rank_keeps_its_rows() -> None:
    rows = torch.ones(2, 3)
    assert pass_on(rows, 2) is rows


def _passed() -> dict[str, Tensor]:
    rank = distributed.data_rank()
    held = torch.full((ROWS[rank], 2), float(rank))
    found = {}
    for step in range(1, 4):
        held = pass_on(held, ROWS[(rank - step) % 3])
        found[str(step)] = held
    return found


def test_rows_come_home_after_as_many_steps_as_there_are_ranks(tmp_path: Path) -> None:
    for rank, found in enumerate(run_ranks(_passed, tmp_path, 3)):
        for step in range(1, 4):
            owner = (rank - step) % 3
            assert found[str(step)].tolist() == [[float(owner)] * 2] * ROWS[owner]
