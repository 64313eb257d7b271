"""Captions come from the sidecars, or from the samples of tars that were indexed only."""

from pathlib import Path

import pytest

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.captions import captions
from corpusloom.trainers.stream.foreign.index_tars import index_tars
from tests.trainers.datasets import coloured_pairs, write_pairs
from tests.trainers.stream.datasets import make_dataset


def test_captions_of_datasets_are_those_of_their_samples(tmp_path: Path) -> None:
    pairs = coloured_pairs(9)
    data = write_pairs(tmp_path / "pairs", pairs)
    assert sorted(captions([data, data])) == sorted([pair.text for pair in pairs] * 2)
    assert list(captions([data], limit=4)) == list(captions([data]))[:4]


def test_an_index_of_tars_has_its_captions_in_the_tars(tmp_path: Path) -> None:
    pairs = coloured_pairs(5)
    data = write_pairs(tmp_path / "pairs", pairs)
    index_tars([data], str(tmp_path / "index"), kind="pairs")
    assert sorted(captions([str(tmp_path / "index")])) == sorted(pair.text for pair in pairs)


def test_a_dataset_without_captions_is_refused(tmp_path: Path) -> None:
    page = {"json": b'{"texts": ["a"], "images": [null]}'}
    pages = make_dataset(tmp_path / "pages", "interleaved", [("0" * 32, page)], shards=1)
    with pytest.raises(InputError, match="pages: no captions"):
        list(captions([str(pages)]))
