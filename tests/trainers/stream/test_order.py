"""The order is a permutation, a pure function of seed, epoch and position, and mixes the shards."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.stream.order import Order, permute, seed_of


@settings(deadline=None)
@given(
    st.integers(1, 700),
    st.integers(0, 2**63),
    st.integers(0, 5),
    st.sampled_from((1, 4, 16)),
    st.sampled_from((16, 64, 512)),
)
def test_every_sample_stands_at_exactly_one_position(size: int, seed: int, epoch: int, block: int, window: int) -> None:
    order = Order(size, seed, block=block, window=window)
    whole = order.samples(epoch, np.arange(size))
    assert sorted(whole.tolist()) == list(range(size))
    some = np.random.default_rng(0).permutation(size)[:20]
    assert (order.samples(epoch, some) == whole[some]).all()


@given(st.integers(1, 5000), st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=30)
def test_permute_is_a_permutation(size: int, seed: int) -> None:
    assert sorted(permute(np.arange(size), size, seed).tolist()) == list(range(size))


def test_epochs_and_seeds_have_their_own_order() -> None:
    places = np.arange(500)
    first = Order(500, 1).samples(0, places)
    assert (Order(500, 1).samples(0, places) == first).all()
    assert (Order(500, 1).samples(1, places) != first).mean() > 0.9
    assert (Order(500, 2).samples(0, places) != first).mean() > 0.9
    assert seed_of(1, 2) != seed_of(2, 1)


def test_neighbours_in_training_are_rarely_neighbours_in_a_shard() -> None:
    samples = Order(20_000, 3).samples(0, np.arange(20_000))
    same_shard = samples[1:] // 1_000 == samples[:-1] // 1_000
    assert same_shard.mean() < 0.3
