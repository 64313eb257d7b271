"""A plan of batches refuses impossible values, exactly from the boundary on."""

import pytest

from corpusloom.schemas.errors import ConfigError, DamageError, InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.stream.errors import SampleError, StorageError
from corpusloom.trainers.stream.plan import SKIPPABLE, BatchPlan, check_on_error


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"workers": -1}, "workers is -1"),
        ({"workers": 0, "processes": True}, "workers is 0"),
        ({"prefetch": -1}, "prefetch is -1"),
        ({"last": "cut"}, "use pad or drop"),
        ({"on_error": "ignore"}, "use skip or raise"),
        ({"pin": True, "processes": True}, "use threads"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(values: dict, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        BatchPlan(**{"batch_size": 4, **values})


def test_the_smallest_values_are_allowed() -> None:
    BatchPlan(batch_size=1, workers=0, prefetch=0, last="drop", on_error="raise", pin=True)
    BatchPlan(batch_size=1, workers=1, processes=True, pin=False)
    check_on_error("skip")
    check_on_error("raise")


def test_by_default_two_threads_prefetch_two_batches_without_end() -> None:
    plan = BatchPlan(batch_size=4)
    assert (plan.workers, plan.prefetch, plan.processes, plan.epochs, plan.last) == (2, 2, False, None, "pad")


def test_errors_of_a_sample_are_skippable_and_those_of_the_storage_or_the_configuration_are_not() -> None:
    for error in (SampleError("x"), ImageError("x"), InputError("x"), DamageError("x"), OSError("x")):
        assert isinstance(error, SKIPPABLE)
    for other in (StorageError("x"), ConfigError("x"), KeyError("x")):
        assert not isinstance(other, SKIPPABLE)
