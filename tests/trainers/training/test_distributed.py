"""Functions over ranks in a single process; test_loop and clip/test_objective test several ranks."""

import pytest
import torch
from torch import nn

from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.distributed import _buckets


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
