"""The global order over data sets: places, draws and shards follow from the running position alone."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from corpusloom.trainers.stream.order.epoch_order import EpochOrder
from corpusloom.trainers.stream.order.global_order import GlobalOrder
from corpusloom.trainers.stream.order.mixing import Mixture

COUNTS = {"a": np.asarray([3, 0, 5, 2]), "b": np.asarray([4, 3])}
MIXTURE = Mixture(datasets={"a": "x", "b": "y"}, weights={"a": 0.6, "b": 0.4})


def order_of(
    counts: Mapping[str, np.ndarray], mixture: Mixture | None = None, seed: int = 7, shuffle: bool = True
) -> GlobalOrder:
    return GlobalOrder(counts, mixture, rng_seed=seed, block_shards=2, shuffle=shuffle)


def test_a_single_data_set_follows_the_orders_of_its_epochs() -> None:
    order = order_of({"": COUNTS["a"]})
    assert order.epoch_samples == 10
    for epoch in (0, 1, 5):
        shards, rows = EpochOrder(COUNTS["a"], rng_seed=7, epoch=epoch, block_shards=2, shuffle=True).locate(
            np.arange(10)
        )
        places = order.places(epoch * 10 + np.arange(10))
        assert [(place.shard, place.row) for place in places] == list(zip(shards.tolist(), rows.tolist(), strict=True))
        assert {place.epoch for place in places} == {epoch}
        assert [place.position for place in places] == list(range(epoch * 10, epoch * 10 + 10))


def test_without_shuffling_shards_and_rows_come_in_order() -> None:
    places = order_of({"": COUNTS["a"]}, shuffle=False).places(np.arange(10))
    assert [(place.shard, place.row) for place in places] == [
        *((0, row) for row in range(3)),
        *((2, row) for row in range(5)),
        *((3, row) for row in range(2)),
    ]


def test_each_data_set_of_a_mixture_gives_each_sample_once_per_epoch_of_its_own() -> None:
    order = order_of(COUNTS, MIXTURE)
    places = order.places(np.arange(60))
    for number, size in ((0, 10), (1, 7)):
        mine = [place for place in places if place.dataset == number]
        seen = Counter((place.epoch, place.shard, place.row) for place in mine)
        assert set(seen.values()) == {1}
        whole = [place for place in mine if place.epoch == 0]
        assert len(whole) == size
    assert order.draws(60) == {"a": 36, "b": 24}
    assert order.draws(0) == {"a": 0, "b": 0}


def test_places_do_not_depend_on_the_positions_asked_for_together() -> None:
    positions = np.asarray([41, 3, 17, 3, 40])
    together = order_of(COUNTS, MIXTURE).places(positions)
    assert together == [order_of(COUNTS, MIXTURE).places(np.asarray([position]))[0] for position in positions]


def test_another_seed_is_another_order() -> None:
    positions = np.arange(10)
    assert order_of({"": COUNTS["a"]}).places(positions) != order_of({"": COUNTS["a"]}, seed=8).places(positions)


def test_shards_come_once_in_the_order_of_their_first_samples() -> None:
    order = order_of(COUNTS, MIXTURE)
    places = order.places(np.arange(5, 30))
    expected = list(dict.fromkeys((place.dataset, place.shard) for place in places))
    assert order.shards(np.arange(5, 30)) == expected
    assert len(set(expected)) == len(expected) > 3


def test_an_epoch_ends_with_the_last_or_the_first_data_set_as_the_mixture_says() -> None:
    first = Mixture(datasets=MIXTURE.datasets, weights=MIXTURE.weights, exhaustion="first")
    last, early = order_of(COUNTS, MIXTURE).epoch_samples, order_of(COUNTS, first).epoch_samples
    assert early < last
    for samples, whole in ((last, all), (early, any)):
        draws = order_of(COUNTS, MIXTURE).draws(samples)
        before = order_of(COUNTS, MIXTURE).draws(samples - 1)
        assert whole((draws["a"] >= 10, draws["b"] >= 7))
        assert not whole((before["a"] >= 10, before["b"] >= 7))
