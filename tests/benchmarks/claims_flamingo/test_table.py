"""Bars of the gates."""

import numpy as np

from benchmarks.claims_flamingo.table import BAR, bars


def test_a_bar_is_as_long_as_the_mean_over_seeds() -> None:
    lines = list(bars(np.array([[[0.0, 1.0]], [[0.5, 1.0]]])))
    assert [line.count("█") for line in lines] == [BAR // 4, BAR]
    assert lines[0].startswith("block 1  attention     0.25")
