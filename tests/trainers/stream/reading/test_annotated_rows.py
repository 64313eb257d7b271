"""A stream over annotations has one item per annotation, resumes at the exact one, and refuses other annotations."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows, annotate
from corpusloom.trainers.stream.reading.index import open_index
from tests.trainers.datasets import coloured_pairs, write_pairs


@dataclass(frozen=True)
class Note:
    key: str
    text: str = ""


COUNTS = (2, 0, 1, 3, 0, 1)
"""Annotations of each row."""


def rows(path: str, text: str = "") -> AnnotatedRows:
    found = [(0, row, Note(f"{row}.{n}", text)) for row, count in enumerate(COUNTS) for n in range(count)]
    return annotate(open_index(path), found[::-1])


def stream(path: str, annotated: AnnotatedRows, rank: int = 0, world: int = 1) -> StreamingDataset:
    return StreamingDataset(path, rng_seed=3, rank=rank, world_size=world, annotated=annotated)


def pair_of(item: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    row, number = map(int, item.key.split("."))
    return {"place": np.array([row, number]), "draw": rng.random(1)}


def test_each_annotation_comes_once_per_epoch_with_its_sample(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, coloured_pairs(6))
    keys = [sample.key for sample in StreamingDataset(path, rank=0, world_size=1, shuffle=False)]
    opened = stream(path, rows(path))
    assert (len(opened), opened.left_out) == (7, 0)
    first, second = list(opened), list(opened)
    for items in (first, second):
        assert Counter(item.key for item in items) == Counter(
            f"{row}.{n}" for row, count in enumerate(COUNTS) for n in range(count)
        )
        assert all(item.sample.key == keys[int(item.key[0])] for item in items)
        assert all(item.annotation == Note(item.key) for item in items)
    assert [item.key for item in first] != [item.key for item in second]
    assert {key for key, _ in opened.raw()} == {keys[row] for row, count in enumerate(COUNTS) if count}


@pytest.mark.parametrize("processes", [False, True])
def test_a_stream_goes_on_at_the_exact_annotation_with_any_number_of_workers(tmp_path: Path, processes: bool) -> None:
    path = write_pairs(tmp_path, coloured_pairs(6))
    whole = stream(path, rows(path)).batches(2, transform=pair_of, workers=0)
    expected = [next(whole) for _ in range(6)]
    first = stream(path, rows(path)).batches(2, transform=pair_of, workers=0)
    for _ in range(3):
        next(first)
    again = stream(path, rows(path)).batches(2, transform=pair_of, workers=1, processes=processes)
    again.load_state_dict(first.state_dict())
    for batch in expected[3:]:
        found = next(again)
        assert found["keys"] == batch["keys"]
        assert bool((found["place"] == batch["place"]).all())
        assert bool((found["draw"] == batch["draw"]).all())
    again.close()


def test_ranks_share_the_annotations(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, coloured_pairs(6))
    shares = [[item.key for item in stream(path, rows(path), rank, 2)] for rank in range(2)]
    assert sorted(shares[0] + shares[1]) == sorted(item.key for item in stream(path, rows(path)))


def test_a_state_of_other_annotations_is_refused(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, coloured_pairs(6))
    state = stream(path, rows(path)).state_dict()
    stream(path, rows(path)).load_state_dict(state)
    with pytest.raises(ConfigError, match="the state is of another stream: datasets"):
        stream(path, rows(path, "another text")).load_state_dict(state)


def test_splits_and_several_datasets_are_refused(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, coloured_pairs(6))
    with pytest.raises(ConfigError, match="a split and annotations exclude each other"):
        annotate(replace(open_index(path), split="train"), [])
    with pytest.raises(ConfigError, match="annotations of 2 data sets"):
        StreamingDataset({path: 1.0, f"{path}/.": 1.0}, rank=0, world_size=1, annotated=rows(path))
