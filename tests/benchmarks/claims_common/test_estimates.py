"""Estimates: their interval holds the mean, and shrinks with the number of pictures."""

import numpy as np

from benchmarks.claims_common.estimates import estimate


def test_an_interval_is_about_that_of_independent_trials() -> None:
    hits = np.random.default_rng(0).random((3, 400)) < 0.2
    found = estimate(hits)
    assert found.low < found.value < found.high
    assert 0.03 < found.high - found.low < 0.12
    wide = estimate(hits[:, :25])
    assert wide.high - wide.low > 2 * (found.high - found.low)


def test_equal_values_have_no_interval_and_signs_are_printed() -> None:
    assert estimate(np.full((2, 5), 0.25)).text(signed=True) == "+25.0 (+25.0 to +25.0)"
