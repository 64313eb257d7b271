"""Skipped samples are counted by reason and listed over all streams of a run."""

from collections import Counter
from types import SimpleNamespace

from corpusloom.trainers.training.skipped import LISTED, SkippedSamples, skipped_samples


def stream(reason: str, count: int) -> SimpleNamespace:
    lines = [f"position {at}: {reason}" for at in range(count)]
    return SimpleNamespace(skipped=lines, stream=SimpleNamespace(skipped=Counter({reason: count})))


def test_the_streams_of_a_run_are_counted_together() -> None:
    joint = SimpleNamespace(streams={"a": stream("not_an_image", 2), "b": stream("bad_json", 1)})
    found = skipped_samples(joint)
    assert found.reasons == {"bad_json": 1, "not_an_image": 2}
    assert found.to_plain()["samples"] == found.count == 3
    assert found.listed[0] == "position 0: not_an_image"


def test_all_are_counted_and_the_first_are_listed() -> None:
    found = skipped_samples(stream("bad_json", LISTED + 5))
    assert (found.count, len(found.listed)) == (LISTED + 5, LISTED)


def test_a_stream_that_skips_nothing_has_no_skipped_sample() -> None:
    assert skipped_samples(object()) == SkippedSamples()
    assert SkippedSamples().count == 0
