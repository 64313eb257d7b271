"""Rows of the claims: a difference is shown when its interval leaves out 0."""

import pytest

from benchmarks.claims_clip.claims import Row
from benchmarks.claims_common.estimates import Estimate

ANY = Estimate(0.5, 0.4, 0.6)


@pytest.mark.parametrize(
    ("difference", "shows"),
    [
        (Estimate(0.1, 0.05, 0.2), "better"),
        (Estimate(-0.1, -0.2, -0.05), "worse"),
        (Estimate(0.1, -0.05, 0.2), "no difference shown"),
        (None, ""),
    ],
)
def test_a_difference_is_shown_when_its_interval_leaves_out_zero(difference: Estimate | None, shows: str) -> None:
    assert Row("claim", "measured", ANY, ANY, "base", difference).shows == shows
