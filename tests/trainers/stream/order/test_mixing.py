"""Mixtures: shares in every window, counts in closed form, schedules, exact epochs of each data set."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.order.mixing import PERIOD, Mixing, Mixture, Pattern, at_steps, shares
from tests.trainers.stream.datasets import make_dataset, make_pairs

WEIGHTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=6)


def mixing(weights: list[float], schedule: tuple = ()) -> Mixing:
    names = tuple(f"d{at}" for at in range(len(weights)))
    named = dict(zip(names, weights, strict=True))
    later = tuple((start, dict(zip(names, other, strict=True))) for start, other in schedule)
    return Mixing(names, Mixture(datasets=dict.fromkeys(names, "x"), weights=named, schedule=later))


@settings(max_examples=20, deadline=None)
@given(weights=WEIGHTS, start=st.integers(0, 3 * PERIOD))
def test_in_any_thousand_draws_each_data_set_has_its_share(weights: list[float], start: int) -> None:
    which, _ = mixing(weights).locate(np.arange(start, start + 1000))
    measured = np.bincount(which, minlength=len(weights)) / 1000
    assert np.abs(measured - np.asarray(weights) / sum(weights)).max() <= 0.0021


@settings(max_examples=20, deadline=None)
@given(weights=WEIGHTS, other=st.integers(1, 25_000))
def test_counts_of_draws_in_closed_form_agree_with_counting_across_a_schedule(weights: list[float], other: int) -> None:
    mixed = mixing(weights, ((other, weights[::-1]),))
    which, draw = mixed.locate(np.arange(30_000))
    for dataset in range(len(weights)):
        assert np.array_equal(draw[which == dataset], np.arange((which == dataset).sum()))
    for position in (0, 1, other, other + 1, 29_999):
        assert mixed.draws(position).tolist() == np.bincount(which[:position], minlength=len(weights)).tolist()


def test_shares_sum_to_the_period_and_every_positive_weight_has_a_slot() -> None:
    assert shares(np.asarray([1.0, 1.0, 1.0])).sum() == PERIOD
    assert shares(np.asarray([1e9, 1.0, 0.0])).tolist() == [PERIOD - 1, 1, 0]
    assert Pattern(np.asarray([1.0, 0.2, 0.2, 0.03])).shares.sum() == PERIOD


def test_each_data_set_keeps_its_own_exact_epochs(tmp_path: Path) -> None:
    paths = {
        "large": make_dataset(tmp_path / "a", "pairs", make_pairs(30)),
        "small": make_dataset(tmp_path / "b", "pairs", make_pairs(5, start=100)),
    }
    small = {sample.key for sample in StreamingDataset(paths["small"], 0, 0, 1)}
    every = StreamingDataset(Mixture(datasets=paths, weights={"large": 0.5, "small": 0.5}), 0, 0, 1)
    assert every.epoch_samples in (59, 60)
    counts = Counter(sample.key for sample in every)
    assert all(count == 1 for key, count in counts.items() if key not in small)
    assert {counts[key] for key in small} <= {5, 6}
    first = Mixture(datasets=paths, weights={"large": 0.5, "small": 0.5}, exhaustion="first")
    assert StreamingDataset(first, 0, 0, 1).epoch_samples in (9, 10)
    assert StreamingDataset({paths["large"]: 3.0, paths["small"]: 1.0}, 0, 0, 1).kinds == ("pairs", "pairs")


@pytest.mark.parametrize(
    "fields",
    [
        {"datasets": {}, "weights": {}},
        {"datasets": {"a": "x"}, "weights": {"b": 1.0}},
        {"datasets": {"a": "x"}, "weights": {"a": -1.0}},
        {"datasets": {"a": "x"}, "weights": {"a": 0.0}},
        {"datasets": {"a": "x"}, "weights": {"a": float("nan")}},
        {"datasets": {"a": "x"}, "weights": {"a": 1.0}, "exhaustion": "never"},
        {"datasets": {"a": "x"}, "weights": {"a": 1.0}, "schedule": ((5, {"a": 1.0}), (5, {"a": 1.0}))},
    ],
)
def test_a_mixture_that_contradicts_itself_is_refused(fields: dict) -> None:
    with pytest.raises(ConfigError):
        Mixture(**fields)


@settings(max_examples=25, deadline=None)
@given(
    weights=st.tuples(st.floats(0.1, 1), st.floats(0.1, 1)),
    change=st.integers(1, 400),
    later=st.sampled_from([(0.5, 0.5), (1.0, 0.0), (0.05, 1.0)]),
    sizes=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
def test_an_epoch_under_a_schedule_ends_when_all_or_the_first_data_set_was_drawn_whole(
    weights: tuple[float, float], change: int, later: tuple[float, float], sizes: tuple[int, int]
) -> None:
    mixed = mixing(list(weights), ((change, list(later)),))
    draws = [mixed.draws(position) for position in range(12_000)]
    whole = [next((p for p, d in enumerate(draws) if d[at] >= sizes[at]), None) for at in (0, 1)]
    ends = [position for position in whole if position is not None]
    assert mixed.epoch_length(np.asarray(sizes), "all") == max(ends)
    assert mixed.epoch_length(np.asarray(sizes), "first") == min(ends)


def test_weights_change_at_a_step_and_resume_on_other_ranks_is_exact(tmp_path: Path) -> None:
    paths = {
        "a": make_dataset(tmp_path / "a", "pairs", make_pairs(30)),
        "b": make_dataset(tmp_path / "b", "pairs", make_pairs(30, start=100)),
    }
    later = at_steps({5: {"a": 0.0, "b": 1.0}}, global_batch=4)
    mixture = Mixture(datasets=paths, weights={"a": 1.0, "b": 0.0}, schedule=later)
    of_b = {sample.key for sample in StreamingDataset(paths["b"])}
    whole = StreamingDataset(mixture, 3, 0, 1)
    order = [whole.reader.read(place)[0] for place in whole.order.places(np.arange(40))]
    assert [key in of_b for key in order] == [False] * 20 + [True] * 20
    state = None
    seen: list[str] = []
    for world, steps in ((4, 3), (2, 4), (1, 20)):
        ranks = [StreamingDataset(mixture, 3, rank, world) for rank in range(world)]
        for stream in ranks:
            if state:
                stream.load_state_dict(state)
        iterators = [iter(stream) for stream in ranks]
        seen += [next(iterators[rank]).key for _ in range(steps) for rank in range(world)]
        state = ranks[0].state_dict()
    assert seen == order
