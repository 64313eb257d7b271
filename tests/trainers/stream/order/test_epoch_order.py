"""The order of an epoch: a permutation that mixes shards, computed block by block."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.trainers.stream.order.epoch_order import EpochOrder, permutation

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=25).filter(any)


def order(counts: list[int], epoch: int = 0, block: int = 4, shuffle: bool = True) -> EpochOrder:
    return EpochOrder(np.asarray(counts, dtype=np.int64), rng_seed=7, epoch=epoch, block_shards=block, shuffle=shuffle)


@settings(deadline=None)
@given(counts=COUNTS, epoch=st.integers(0, 3), block=st.integers(1, 30))
def test_each_sample_stands_at_one_position(counts: list[int], epoch: int, block: int) -> None:
    shards, samples = order(counts, epoch, block).locate(np.arange(sum(counts)))
    found = sorted(zip(shards.tolist(), samples.tolist(), strict=True))
    assert found == [(shard, sample) for shard, count in enumerate(counts) for sample in range(count)]


@settings(deadline=None)
@given(counts=COUNTS, data=st.data())
def test_any_subset_of_positions_gives_the_same_places_as_the_whole_order(
    counts: list[int], data: st.DataObject
) -> None:
    whole = np.stack(order(counts).locate(np.arange(sum(counts))))
    chosen = np.asarray(data.draw(st.lists(st.integers(0, sum(counts) - 1), min_size=1, max_size=20)))
    assert np.array_equal(np.stack(order(counts).locate(chosen)), whole[:, chosen])


def test_neighbours_are_rarely_of_one_shard_and_epochs_differ() -> None:
    shards, _ = order([1000] * 20, block=16).locate(np.arange(20_000))
    assert (shards[1:] == shards[:-1]).mean() < 0.15
    other = order([1000] * 20, epoch=1, block=16).locate(np.arange(20_000))
    assert (other[0] == shards).mean() < 0.2


def test_memory_is_a_few_bytes_per_shard_and_one_window() -> None:
    many = order([100] * 50_000, block=8)
    many.locate(np.arange(2_000_000, 2_000_100))
    held = many.shards.nbytes + many.cuts.nbytes + many.starts.nbytes
    assert held / 50_000 < 16
    assert sum(len(block[0]) for block in many._blocks.values()) <= 3 * 9 * 100


def test_permutations_are_the_same_on_every_machine() -> None:
    assert permutation(8, 1, 2).tolist() == PINNED
    assert sorted(permutation(1000, 3).tolist()) == list(range(1000))
    assert abs(np.corrcoef(permutation(5000, 9), np.arange(5000))[0, 1]) < 0.05


PINNED = [2, 7, 3, 0, 4, 5, 6, 1]
