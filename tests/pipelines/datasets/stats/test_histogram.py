"""Quantiles are exact to 1 %, and two histograms add up to that of all their values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.datasets.stats.histogram import BINS, LogHistogram

VALUES = st.lists(st.floats(-1e3, 1e9), max_size=100)


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=300))
def test_quantiles_are_within_one_percent(values: list[float]) -> None:
    histogram = LogHistogram.of(np.array(values))
    for share in (0.05, 0.5, 0.95):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert abs(histogram.quantile(share) - exact) <= 0.0102 * exact
    assert sum(count for _, _, count in histogram.bars()) == len(values)
    assert (histogram.summary()["min"], histogram.summary()["max"]) == (min(values), max(values))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_two_histograms_add_up_to_that_of_all_values(first: list[float], second: list[float]) -> None:
    summed = LogHistogram.of(np.array(first)) + LogHistogram.of(np.array(second))
    whole = LogHistogram.of(np.array(first + second))
    assert (summed.count, summed.low, summed.high) == (whole.count, whole.low, whole.high)
    assert summed.total == pytest.approx(whole.total)
    assert np.array_equal(summed.bins, whole.bins)


def test_a_summary_has_the_quantiles_in_their_order() -> None:
    summary = LogHistogram.of(np.arange(1.0, 101.0)).summary()
    assert list(summary) == ["min", "p05", "p50", "p95", "max", "mean"]
    assert list(summary.values()) == pytest.approx([1, 5, 50, 95, 100, 50.5], rel=0.011)


def test_a_quantile_lies_between_the_extremes() -> None:
    histogram = LogHistogram.of(np.array([3.0, 3.0]))
    assert [histogram.quantile(share) for share in (0, 0.5, 1)] == [3.0, 3.0, 3.0]


def test_no_values_have_no_summary_and_no_bars() -> None:
    assert LogHistogram.of(np.array([])).summary() == {}
    assert LogHistogram.of(np.array([np.nan, np.inf])).bars() == ()


def test_zero_and_negative_values_share_the_first_bin() -> None:
    histogram = LogHistogram.of(np.array([0.0, -5.0, 1e-9, 1e300]))
    assert (histogram.bins[0], histogram.bins[1], histogram.bins[BINS - 1]) == (2, 1, 1)
    assert histogram.bars()[0][0] == 0.0


def test_bars_cover_the_values_in_order_and_never_exceed_their_number() -> None:
    bars = LogHistogram.of(np.geomspace(1, 1e6, 500)).bars()
    assert len(bars) == 24
    assert all(first[1] == second[0] for first, second in itertools.pairwise(bars))
    assert bars[0][0] <= 1.0
    assert bars[-1][1] >= 1e6
    assert all(low < high for low, high, _ in bars)
    assert len(LogHistogram.of(np.array([2.0, 2.0])).bars()) == 1
