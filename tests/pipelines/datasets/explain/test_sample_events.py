"""A sample is found by key, by URL, and by the sha256 of one of its images."""

from dataclasses import replace
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.explain.event import Wanted
from corpusloom.pipelines.datasets.explain.sample_events import Samples
from corpusloom.schemas import tables
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from tests.trainers.stream.datasets import make_dataset, make_pairs


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(6), shards=2)
    return Samples(dataset, read_manifest(dataset))


@pytest.mark.parametrize("column", ["key", "url", "sha256"])
def test_each_name_of_a_sample_leads_to_its_tar(samples: Samples, column: str) -> None:
    row = next(iter(tables.read_records(f"{samples.dataset}/00001.parquet", SidecarRow)))
    wanted = Wanted.of(getattr(row, column))
    samples.extend(wanted)
    (event,) = samples.events(wanted)
    assert (event.stage, event.outcome, event.key, event.url) == ("shards", "kept", row.key, row.url)
    assert event.note == f"in 00001.tar: 1 images, {row.text_length} characters, split train"


def test_an_unknown_name_has_no_event(samples: Samples) -> None:
    for name in ("http://nowhere.example/", "0" * 64):
        wanted = Wanted.of(name)
        samples.extend(wanted)
        assert list(samples.events(wanted)) == []


def test_a_sample_of_an_index_has_no_number_of_characters(samples: Samples) -> None:
    path = f"{samples.dataset}/00001.parquet"
    rows = [replace(row, caption=None, text_length=0) for row in tables.read_records(path, SidecarRow)]
    tables.write_records(path, SidecarRow, rows)
    (event,) = samples.events(Wanted(rows[0].key, {rows[0].key}))
    assert event.note == "in 00001.tar: 1 images, split train"


def test_names_are_keys_and_urls(samples: Samples) -> None:
    key = make_pairs(1)[0][0]
    assert {key, f"http://example.com/{key}"} <= set(samples.names())
