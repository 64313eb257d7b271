"""Ranks, devices and meshes in a single process; test_rank_matrix tests several ranks."""

import pytest
import torch

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.training import distributed
from corpusloom.trainers.training.config import ParallelConfig


def test_a_single_process_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with distributed.session("cpu") as device:
        assert device == torch.device("cpu")
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        assert (distributed.data_rank(), distributed.data_ranks()) == (0, 1)
        assert distributed.mesh() is None
        distributed.barrier()


@pytest.mark.parametrize(
    ("ranks", "parallel", "shape"),
    [
        (8, ParallelConfig(), (8, 1, 1)),
        (8, ParallelConfig(shard=-1), (1, 8, 1)),
        (8, ParallelConfig(shard=2, tensor=2), (2, 2, 2)),
        (8, ParallelConfig(shard=-1, tensor=4), (1, 2, 4)),
    ],
)
def test_the_mesh_has_copies_shards_and_tensor_ranks(
    ranks: int, parallel: ParallelConfig, shape: tuple[int, int, int]
) -> None:
    assert distributed.check_mesh(ranks, parallel) == shape


@pytest.mark.parametrize(
    ("parallel", "message"),
    [
        (ParallelConfig(tensor=4), "tensor is 4, the run has 6 ranks"),
        (ParallelConfig(shard=4), "shard is 4, the run has 6 data ranks"),
        (ParallelConfig(shard=6, tensor=2), "shard is 6, the run has 3 data ranks"),
    ],
)
def test_ranks_that_cannot_be_divided_so_are_refused(parallel: ParallelConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        distributed.check_mesh(6, parallel)


def test_one_rank_cannot_share_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with (
        pytest.raises(ConfigError, match="shard is 2, the run has 1 data ranks"),
        distributed.session("cpu", ParallelConfig(shard=2)),
    ):
        pass


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(ConfigError, match="no device 'gpu' here"):
        distributed.pick_device("gpu")
