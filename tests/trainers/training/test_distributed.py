"""Functions over ranks in a single process; test_loop and clip/test_objective test several ranks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.distributed import _buckets
from tests.trainers.ranks import run_ranks


def test_a_single_process_is_one_rank_and_gathers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with distributed.session("cpu") as device:
        assert device == torch.device("cpu")
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        tensor = torch.ones(3)
        assert distributed.all_gather(tensor, [len(tensor)]) is tensor
        assert distributed.mean_over_ranks(tensor) is tensor
        distributed.barrier()


def test_in_a_single_process_absent_gradients_stay_absent() -> None:
    parameter = nn.Parameter(torch.ones(2))
    distributed.average_gradients([parameter])
    assert parameter.grad is None


def test_buckets_hold_all_parameters_in_order_by_size_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "BUCKET_BYTES", 100)
    sizes = [10, 10, 10, 40, 1, 1]
    parameters = [nn.Parameter(torch.zeros(size)) for size in sizes]
    parameters[-1] = nn.Parameter(torch.zeros(1, dtype=torch.double))
    buckets = list(_buckets(parameters))
    assert [p.numel() for bucket in buckets for p in bucket] == sizes
    assert [len(bucket) for bucket in buckets] == [2, 1, 1, 1, 1]
    assert list(_buckets([])) == []


def _rank_as_bytes() -> bytes:
    return b"made by rank %d" % distributed.rank()


def _fail() -> bytes:
    if distributed.rank() == 0:
        raise InputError("no captions", where="data")
    return b"other ranks do not make it"


def _made_and_raised() -> dict[str, Tensor]:
    made = distributed.from_rank_0(_rank_as_bytes)
    with pytest.raises(InputError, match=r"^data: no captions"):
        distributed.from_rank_0(_fail)
    return {"made": torch.frombuffer(bytearray(made), dtype=torch.uint8)}


def test_what_rank_0_makes_or_raises_reaches_every_rank(tmp_path: Path) -> None:
    assert distributed.from_rank_0(_rank_as_bytes) == b"made by rank 0"
    found = run_ranks(_made_and_raised, tmp_path)
    assert [bytes(rank["made"].tolist()) for rank in found] == [b"made by rank 0"] * 2
