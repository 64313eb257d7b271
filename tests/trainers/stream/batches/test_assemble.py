"""Assembling a batch: rows in place, skipped samples filled with a neighbour, clear errors for odd transforms."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.trainers.stream.batches.assemble import AssembledBatch, allocation, assemble, plain, tensor
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.plan import SamplePlace, Transform
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from tests.trainers.stream.datasets import make_dataset, make_pairs

COUNT = 8
PLACES = [SamplePlace(position=row, dataset=0, epoch=0, shard=0, row=row) for row in range(COUNT)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> SampleReader:
    data = make_dataset(tmp_path_factory.mktemp("data"), "pairs", make_pairs(COUNT), shards=1)
    return SampleReader(ReaderConfig(paths=(data,)))


def numbers(reader: SampleReader) -> list[int]:
    """Return the number of each row's picture."""
    return [int(reader.read(place)[1]["txt"].split()[1]) for place in PLACES]


def number(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
    return {"number": int(sample.text.split()[1]), "draw": rng.random()}


def make(reader: SampleReader, transform: Transform, places: Any = PLACES, on_error: str = "skip") -> AssembledBatch:
    return assemble(reader, places, transform, plain, rng_seed=3, on_error=on_error)


def refuse(rows: set[int], reader: SampleReader) -> Transform:
    """Return a transform that refuses the samples of some rows."""
    refused = {numbers(reader)[row] for row in rows}

    def transform(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
        if int(sample.text.split()[1]) in refused:
            raise SampleError("too_dark")
        return number(sample, rng)

    return transform


def test_each_row_is_its_places_sample(reader: SampleReader) -> None:
    made = make(reader, number)
    assert made.arrays["number"].tolist() == numbers(reader)
    assert made.arrays["valid"].all()
    assert made.keys == [reader.key_of(place) for place in PLACES]
    assert made.skipped == []
    assert len(set(made.arrays["draw"].tolist())) == COUNT


@pytest.mark.parametrize(
    ("skipped", "filled"),
    [
        ({3}, [0, 1, 2, 2, 4, 5, 6, 7]),
        ({3, 4}, [0, 1, 2, 2, 2, 5, 6, 7]),
        ({0, 1}, [2, 2, 2, 3, 4, 5, 6, 7]),
        ({7}, [0, 1, 2, 3, 4, 5, 6, 6]),
    ],
)
def test_a_skipped_row_has_the_values_of_the_valid_row_before_it(
    reader: SampleReader, skipped: set[int], filled: list[int]
) -> None:
    made = make(reader, refuse(skipped, reader))
    assert made.arrays["number"].tolist() == [numbers(reader)[row] for row in filled]
    assert [not valid for valid in made.arrays["valid"].tolist()] == [row in skipped for row in range(COUNT)]
    assert [(place.row, key) for place, key, _ in made.skipped] == [(r, made.keys[r]) for r in sorted(skipped)]


def test_padding_is_filled_and_has_no_key(reader: SampleReader) -> None:
    made = make(reader, number, [*PLACES[:2], None])
    assert made.arrays["valid"].tolist() == [True, True, False]
    assert made.arrays["number"][2] == numbers(reader)[1]
    assert made.keys[2] == ""
    assert make(reader, number, [None, None]).arrays["valid"].tolist() == [False, False]


def test_a_batch_without_a_usable_sample_has_no_array_but_valid(reader: SampleReader) -> None:
    made = make(reader, refuse(set(range(COUNT)), reader))
    assert list(made.arrays) == ["valid"]
    assert not made.arrays["valid"].any()
    assert [(skipped.key, str(skipped.error)) for skipped in made.skipped] == [(key, "too_dark") for key in made.keys]


def test_the_first_bad_sample_is_raised_when_errors_are_to_be_raised(reader: SampleReader) -> None:
    with pytest.raises(DamageError, match=f"sample {reader.key_of(PLACES[2])}: too_dark"):
        make(reader, refuse({2, 5}, reader), on_error="raise")


def test_a_list_of_arrays_counts_as_one_array(reader: SampleReader) -> None:
    def parts(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
        first = np.full((2, 3), int(sample.text.split()[1]), np.uint8)
        return {"parts": [first, first + 1]}

    made = make(reader, parts).arrays["parts"]
    assert made.shape == (COUNT, 2, 2, 3)
    assert (made[:, 1] == made[:, 0] + 1).all()
    assert made[:, 0, 0, 0].tolist() == numbers(reader)


@pytest.mark.parametrize(("later", "match"), [({"a": np.zeros(3)}, "pad in the transform"), ({"b": 0}, "returned")])
def test_a_transform_whose_arrays_change_is_refused(reader: SampleReader, later: dict[str, Any], match: str) -> None:
    answers = iter([{"a": np.zeros(2)}, later])
    with pytest.raises(ConfigError, match=match):
        make(reader, lambda sample, rng: next(answers))


def test_a_torch_that_another_thread_is_importing_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert allocation(None) is plain


def test_a_tensor_has_the_memory_of_its_array() -> None:
    array = np.zeros(3)
    tensor(array)[1] = 5
    assert array.tolist() == [0, 5, 0]


def test_a_sample_that_the_reader_refuses_is_skipped_with_its_key(tmp_path: Path) -> None:
    samples = make_pairs(4)
    del samples[1][1]["txt"]
    reader = SampleReader(ReaderConfig(paths=(make_dataset(tmp_path, "pairs", samples, shards=1),)))
    made = make(reader, number, PLACES[:4])
    assert [(key, str(error)) for _, key, error in made.skipped] == [(samples[1][0], "missing_txt: txt")]
