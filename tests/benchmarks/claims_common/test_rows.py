"""Rows of the claims: what a difference shows."""

import numpy as np
import pytest

from benchmarks.claims_common.estimates import estimate
from benchmarks.claims_common.rows import Row, row, table_of


@pytest.mark.parametrize(
    ("gain", "result"), [(0.2, "shows"), (-0.2, "the opposite shows"), (0.0, "does not show at this size")]
)
def test_a_claim_shows_when_the_interval_leaves_out_zero_on_its_side(gain: float, result: str) -> None:
    rng = np.random.default_rng(0)
    other = rng.random((2, 20))
    found = row("claim", "F1", ("own", "other"), other + gain + rng.normal(0, 0.05, (2, 20)), other)
    assert found.result == result
    assert found.difference is not None
    assert found.difference.low < gain < found.difference.high


def test_a_row_without_another_side_has_empty_cells() -> None:
    plain = Row("claim", "R@1", "own", estimate(np.full((2, 4), 0.5)))
    assert table_of([plain]).splitlines()[-1] == "| claim | R@1 | own | 50.0 (50.0 to 50.0) |  |  |  |"
