"""Which runs a choice of claims needs."""

from benchmarks.claims_flamingo import plan
from benchmarks.claims_flamingo.claims import CLAIMS, variants_of


def test_claims_share_the_base_runs_and_each_variant_is_trained_once() -> None:
    assert variants_of(["shots", "image", "gates", "rices"]) == [plan.BASE]
    assert variants_of(["tanh", "shots"]) == [plan.BASE, plan.UNGATED]
    assert len(variants_of(list(CLAIMS))) == 5
