"""Sidecars in memory: each is loaded once while it is held, and the ones loaded first are dropped first."""

from pathlib import Path

import pytest

from corpusloom.trainers.stream.reading import sidecars as module
from corpusloom.trainers.stream.reading.index import open_index, read_shard
from corpusloom.trainers.stream.reading.sidecars import Sidecars
from tests.trainers.stream.datasets import make_dataset, make_pairs


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the shards that are loaded from now on."""
    found: list[int] = []

    def counted(path, shard, **options):
        found.append(shard.index)
        return read_shard(path, shard, **options)

    monkeypatch.setattr(module, "read_shard", counted)
    return found


def test_only_the_sidecars_loaded_last_are_held(tmp_path: Path, loads: list[int]) -> None:
    index = open_index(make_dataset(tmp_path, "pairs", make_pairs(30), shards=4))
    sidecars = Sidecars(index, 2, hashes=False)
    for number in (0, 1, 0, 1, 2, 1, 2, 0):
        assert len(sidecars.shard(number)) == index.counts[number]
    assert loads == [0, 1, 2, 0]


def test_hashes_are_loaded_on_demand(tmp_path: Path) -> None:
    index = open_index(make_dataset(tmp_path, "pairs", make_pairs(4), shards=1))
    assert Sidecars(index, 1, hashes=False).shard(0).hashes is None
    with_hashes = Sidecars(index, 1, hashes=True).shard(0).hashes
    assert with_hashes is not None
    assert all(len(digest) == 64 for digest in with_hashes.to_pylist())


def test_the_split_of_the_index_applies(tmp_path: Path) -> None:
    path = make_dataset(
        tmp_path, "pairs", make_pairs(9), shards=1, split_of=lambda key: "val" if key < "8" else "train"
    )
    index = open_index(path, "val")
    shard = Sidecars(index, 1, hashes=False).shard(0)
    assert shard.rows is not None
    assert [shard.key(int(row)) < "8" for row in shard.rows] == [True] * int(index.counts[0])


def test_a_lock_that_was_held_at_a_fork_is_replaced(tmp_path: Path) -> None:
    index = open_index(make_dataset(tmp_path, "pairs", make_pairs(4), shards=1))
    sidecars = Sidecars(index, 1, hashes=False)
    sidecars._lock.acquire()
    sidecars.renew_lock()
    assert len(sidecars.shard(0)) == 4
