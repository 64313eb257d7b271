"""The plan: every variant is a configuration that loads, and batches are equal in steps or in samples."""

import pytest

from benchmarks.claims_clip import plan
from corpusloom.trainers.training.config import load_config

VARIANTS = [plan.BASE, *plan.EQUAL_SAMPLES, *plan.EQUAL_STEPS, *plan.SIGMOID, plan.NOISY, *plan.FILTERED]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_loads(variant: plan.Variant) -> None:
    config = load_config(str(plan.CONFIG), variant.settings())
    assert (config.train.batch_size, config.train.steps) == (variant.batch, variant.steps)
    assert config.model["loss"] == variant.loss


def test_variants_have_equal_samples_or_equal_steps() -> None:
    assert {variant.batch * variant.steps for variant in plan.EQUAL_SAMPLES} == {plan.BATCH * plan.STEPS}
    assert {variant.steps for variant in plan.EQUAL_STEPS} == {plan.STEPS}
    assert plan.shorter(plan.BASE, 0.01).steps == 4
