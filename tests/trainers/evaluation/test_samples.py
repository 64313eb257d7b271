"""Samples of datasets are read by the rank that needs them."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings, read_all
from corpusloom.trainers.evaluation.samples import check_split, dataset_source
from corpusloom.trainers.stream.errors import SampleError
from tests.trainers.datasets import Pair, coloured_pairs, write_pairs

SETTINGS = EvaluationSettings(batch_size=3)


def test_samples_of_datasets_are_read_by_place_up_to_the_limit_and_broken_ones_named(tmp_path: Path) -> None:
    broken = Pair(b"\xff\xd8 no picture", "a broken picture")
    paths = [write_pairs(tmp_path / name, [*coloured_pairs(3), broken]) for name in ("one", "two")]

    def make(sample: object) -> str:
        if sample.text == broken.text:  # type: ignore[attr-defined]
            raise SampleError("not_an_image")
        return str(sample.text)  # type: ignore[attr-defined]

    with ExitStack() as closing:
        rows, skipped = read_all(dataset_source(paths, make, closing), SETTINGS)
        assert sorted(rows) == sorted(2 * [pair.text for pair in coloured_pairs(3)])
        assert len(skipped) == 2
        assert all(line.endswith(": not_an_image") and len(line.split(":")[0]) == 32 for line in skipped)
        first, _ = read_all(dataset_source(paths[:1], lambda sample: sample.key, closing, limit=2), SETTINGS)
        assert len(first) == 2


def test_a_split_that_one_of_the_datasets_lacks_is_refused(tmp_path: Path) -> None:
    paths = [write_pairs(tmp_path / "one", coloured_pairs(2, "val")), write_pairs(tmp_path / "two", coloured_pairs(2))]
    check_split(paths[:1], "val")
    with pytest.raises(InputError, match=r"two: holds no sample .*'val'"):
        check_split(paths, "val")
