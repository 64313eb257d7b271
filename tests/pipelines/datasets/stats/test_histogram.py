"""Quantiles are exact to 1 %, of whole numbers exact; two histograms add up to that of all their values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.datasets.stats import histogram
from corpusloom.pipelines.datasets.stats.histogram import BINS, Histogram

VALUES = st.lists(st.floats(-1e3, 1e9), max_size=100)


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=300))
def test_quantiles_are_within_one_percent(values: list[float]) -> None:
    found = Histogram.of(np.array(values))
    for share in (0.05, 0.5, 0.95):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert abs(found.quantile(share) - exact) <= 0.0102 * exact
    assert sum(count for _, _, count in found.bars()) == len(values)
    assert (found.summary()["min"], found.summary()["max"]) == (min(values), max(values))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_two_histograms_add_up_to_that_of_all_values(first: list[float], second: list[float]) -> None:
    summed = Histogram.of(np.array(first)) + Histogram.of(np.array(second))
    whole = Histogram.of(np.array(first + second))
    assert (summed.count, summed.low, summed.high) == (whole.count, whole.low, whole.high)
    assert summed.total == pytest.approx(whole.total)
    assert np.array_equal(summed.bins, whole.bins)


def test_a_summary_has_the_quantiles_in_their_order() -> None:
    summary = Histogram.of(np.arange(1.0, 101.0)).summary()
    assert list(summary) == ["min", "p05", "p50", "p95", "max", "mean"]
    assert list(summary.values()) == pytest.approx([1, 5, 50, 95, 100, 50.5], rel=0.011)


def test_a_quantile_lies_between_the_extremes() -> None:
    found = Histogram.of(np.array([3.0, 3.0]))
    assert [found.quantile(share) for share in (0, 0.5, 1)] == [3.0, 3.0, 3.0]


def test_no_values_have_no_summary_and_no_bars() -> None:
    assert Histogram.of(np.array([])).summary() == {}
    assert Histogram.of(np.array([np.nan, np.inf])).bars() == ()


def test_zero_and_negative_values_share_the_first_bin() -> None:
    found = Histogram.of(np.array([0.0, -5.0, 1e-9, 1e300]))
    assert (found.bins[0], found.bins[1], found.bins[BINS - 1]) == (2, 1, 1)


WHOLE = st.lists(st.integers(-5, 10**9), min_size=1, max_size=100)


@settings(deadline=None)
@given(WHOLE, WHOLE)
def test_quantiles_of_whole_numbers_are_values_that_occur(first: list[int], second: list[int]) -> None:
    summed = Histogram.of(np.array(first)) + Histogram.of(np.array(second))
    for share in (0.05, 0.5, 0.95):
        exact = np.quantile(first + second, share, method="inverted_cdf")
        assert summed.quantile(share) == exact


def test_a_number_that_is_not_whole_makes_the_sum_inexact() -> None:
    whole, other = Histogram.of(np.array([1.0, 2.0])), Histogram.of(np.array([1.5]))
    assert (whole + other).whole is None
    assert (Histogram() + whole).quantile(0.5) == 1.0


def test_too_many_distinct_numbers_are_counted_in_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "MOST_EXACT", 3)
    summed = Histogram.of(np.arange(3.0)) + Histogram.of(np.arange(2.0, 6.0))
    assert (summed.whole, summed.count, summed.bins.sum()) == (None, 7, 7)


def test_few_whole_numbers_have_a_bar_each() -> None:
    bars = Histogram.of(np.array([1.0] * 5 + [2.0] * 3 + [4.0])).bars()
    assert bars == ((1.0, 2.0, 5), (2.0, 3.0, 3), (3.0, 4.0, 0), (4.0, 5.0, 1))


@pytest.mark.parametrize(
    "values",
    [np.arange(1.0, 1_001.0), np.arange(0.0, 97.0), np.linspace(0.3, 0.9, 5_000), np.linspace(-1.0, 1.0, 999)],
)
def test_even_values_have_even_bars(values: np.ndarray) -> None:
    bars = Histogram.of(values).bars()
    widths = [high - low for low, high, _ in bars]
    counts = [count for *_, count in bars]
    assert max(widths) == pytest.approx(min(widths))
    assert sum(counts) == len(values)
    if values.min() >= 0:  # the bins lump negative values together
        assert max(counts[:-1]) <= 1.25 * min(counts[:-1])
    assert 10 < len(bars) <= 24


@pytest.mark.parametrize("values", [np.geomspace(1, 1e6, 2_000), np.round(np.geomspace(1, 1e6, 2_000))])
def test_a_wide_range_has_even_bars_on_a_logarithmic_axis(values: np.ndarray) -> None:
    bars = Histogram.of(values).bars()
    densities = [count / np.log2(high / low) for low, high, count in bars]
    assert sum(count for *_, count in bars) == len(values)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(bars))
    assert max(densities[1:-1]) <= 1.6 * min(densities[1:-1])
    assert (bars[0][0], len(bars)) == (1.0, pytest.approx(23, abs=2))


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_zeros_of_a_wide_range_have_a_bar_of_their_own(scale: float) -> None:
    bars = Histogram.of(np.array([0.0] * 7 + [scale * 2**n for n in range(12)])).bars()
    assert (bars[0][0], bars[0][2]) == (0.0, 7)
    assert sum(count for *_, count in bars) == 19


def test_one_value_has_one_bar() -> None:
    assert Histogram.of(np.array([2.0, 2.0])).bars() == ((2.0, 2.0, 2),)
