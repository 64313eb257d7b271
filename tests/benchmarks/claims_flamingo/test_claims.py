"""Rows of the claims: what a difference shows, and which runs a choice of claims needs."""

import numpy as np
import pytest

from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.claims import CLAIMS, row, variants_of


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


def test_claims_share_the_base_runs_and_each_variant_is_trained_once() -> None:
    assert variants_of(["shots", "image", "gates", "rices"]) == [plan.BASE]
    assert variants_of(["tanh", "shots"]) == [plan.BASE, plan.UNGATED]
    assert len(variants_of(list(CLAIMS))) == 5
