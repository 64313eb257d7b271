"""Errors of samples: their reasons are counted, and they travel between processes."""

import pickle

import pytest

from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.trainers.stream.errors import CarriedError, SampleError, reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SampleError("missing_txt"), "missing_txt"),
        (ImageError("not_an_image"), "not_an_image"),
        (CarriedError("bad_json", "text"), "bad_json"),
        (DamageError("cut off"), "damaged_shard"),
        (InputError("unreadable address"), "unreadable"),
        (OSError("gone"), "unreadable"),
    ],
)
def test_a_skipped_sample_is_counted_under_the_reason_of_its_error(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize("error", [SampleError("truncated", "3 of 5 bytes"), CarriedError("truncated", "3 of 5")])
def test_errors_of_samples_survive_a_pickle(error: SampleError | CarriedError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # our own bytes
    assert type(copy) is type(error)
    assert (copy.reason, str(copy)) == (error.reason, str(error))


def test_the_text_of_an_error_is_its_reason_and_its_detail() -> None:
    assert str(SampleError("truncated", "3 of 5 bytes")) == "truncated: 3 of 5 bytes"
    assert str(SampleError("truncated")) == "truncated"
