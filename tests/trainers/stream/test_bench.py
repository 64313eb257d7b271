"""Throughput by stage: every stage is measured, and the stage that bounds the loader is named."""

from pathlib import Path

import numpy as np
import pytest

from corpusloom.trainers.stream.bench import StageSpeed, bench, bound_by, decode_square, first_image
from corpusloom.trainers.stream.samples.typed import ClipSample, InterleavedSample, PairSample
from tests.trainers.stream.datasets import make_dataset, make_image, make_pairs


def stage(name: str, cpu_ms: float, wall_ms: float | None = None, starved_s: float = 0.0) -> StageSpeed:
    """Return a stage of 1,000 samples with these milliseconds per sample."""
    return StageSpeed(stage=name, samples=1000, wall_s=wall_ms or cpu_ms, cpu_s=cpu_ms, starved_s=starved_s)


def test_every_stage_is_measured_on_as_many_samples_as_asked_for(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(21), shards=2)
    stages = bench(path, samples=20, batch_size=4, workers=1)
    assert [found.stage for found in stages] == ["read", "parse", "decode", "batches, 1 workers"]
    assert all(found.samples == 20 and found.samples_per_second > 0 for found in stages)
    assert bound_by(stages).split(":")[0] in ("storage", "read", "parse", "decode", "collate")


def test_a_small_dataset_is_measured_on_all_samples_but_the_first(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(5), shards=1)
    assert [found.samples for found in bench(path, batch_size=2, workers=1)] == [4, 4, 4, 4]


def test_reading_that_waits_for_more_than_half_its_time_is_bound_by_storage() -> None:
    rest = (stage("parse", 1.1), stage("decode", 3.0), stage("batches", 3.1))
    assert bound_by((stage("read", 1.0, wall_ms=2.1), *rest)).startswith("storage: reading waits 52%")
    assert bound_by((stage("read", 1.0, wall_ms=2.0), *rest)).startswith("decode: 1.900 of 3.100 CPU ms per sample")


def test_time_in_which_other_processes_had_the_cores_is_not_waiting() -> None:
    assert stage("read", 1.0, wall_ms=4.0).waiting == pytest.approx(0.75)
    assert stage("read", 1.0, wall_ms=4.0, starved_s=3.0).waiting == pytest.approx(0.0)
    assert stage("read", 2.0).cpu_ms_per_sample == pytest.approx(2.0)
    assert stage("read", 2.0).samples_per_second == pytest.approx(500)


def test_the_first_image_of_each_kind_is_decoded_to_a_square() -> None:
    image = make_image(1)
    page = InterleavedSample("k", ("a", None, None), (None, image, b"another"), {})
    assert first_image(page) == image == first_image(ClipSample("k", (image, b"x"), "", {}))
    square = decode_square(PairSample("k", image, "", {}), np.random.default_rng(0), side=16)["image"]
    assert square.shape == (16, 16, 3)
    assert square.std() > 0
    blank = decode_square(InterleavedSample("k", ("a",), (None,), {}), np.random.default_rng(0), side=16)["image"]
    assert blank.shape == (16, 16, 3)
    assert not blank.any()
