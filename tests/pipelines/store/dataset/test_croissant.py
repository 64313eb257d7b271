"""croissant.json against MLCommons' own reader: valid without a warning, and it reads our rows and images."""

import dataclasses
import itertools
import json
import logging
from pathlib import Path
from typing import Any

import mlcroissant
import pytest
from etils import epath

from corpusloom.pipelines.store.dataset.card import document
from corpusloom.pipelines.store.dataset.croissant import CROISSANT, funnel_lines, to_croissant
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import StageCounts
from tests.trainers.stream.datasets import make_dataset, make_pairs

COUNTS = (
    StageCounts(stage="select", unit="pair", records_in=9, kept=6, rejected={"language": 2}, dead={"OSError": 1}),
)
DAYS = ("2026-01-02", "2026-01-04")


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # the reader keeps what it unpacks by relative URL, in the user's home
    monkeypatch.setattr("mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", epath.Path(tmp_path / "x"))
    return make_dataset(tmp_path / "data", "pairs", make_pairs(6), shards=2)


def described(dataset: str, **changes: Any) -> mlcroissant.Dataset:
    manifest = dataclasses.replace(read_manifest(dataset), counts=COUNTS, **changes)
    Path(dataset, CROISSANT).write_text(to_croissant(manifest, DAYS))
    return mlcroissant.Dataset(jsonld=Path(dataset, CROISSANT))


def test_it_is_valid(dataset: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        metadata = described(dataset).metadata
    assert not metadata.ctx.issues.errors
    assert not metadata.ctx.issues.warnings
    assert metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert [day.isoformat()[:10] for day in metadata.data_collection_timeframe] == list(DAYS)
    assert metadata.data_preprocessing_protocol == funnel_lines(COUNTS)


def test_its_reader_reads_the_sidecars(dataset: str) -> None:
    rows = list(described(dataset).records("samples"))
    expected = {key: fields["txt"] for key, fields in make_pairs(6)}
    assert {row["samples/key"].decode(): row["samples/caption"] for row in rows} == expected
    assert {(row["samples/width"], row["samples/height"]) for row in rows} == {(48, 40)}


def test_its_reader_joins_images_and_texts(dataset: str) -> None:
    rows = list(itertools.islice(described(dataset).records("pictures"), 10))
    expected = {key: fields["txt"] for key, fields in make_pairs(6)}
    assert {row["pictures/key"].decode(): row["pictures/caption"] for row in rows} == expected
    assert {row["pictures/image"].size for row in rows} == {(48, 40)}


def test_interleaved_and_empty_datasets_are_valid_too(dataset: str) -> None:
    pages = described(dataset, kind="interleaved")
    assert len(list(pages.records("pictures"))) == 6
    assert described(dataset, shards=(), samples=0).metadata.ctx.issues.errors == set()


def test_the_same_build_gives_the_same_bytes(dataset: str) -> None:
    manifest = read_manifest(dataset)
    first = document(dataset, manifest)
    written = {entry.name: Path(dataset, entry.name).read_bytes() for entry in first.documents}
    assert document(dataset, manifest) == first
    assert {name: Path(dataset, name).read_bytes() for name in written} == written
    assert sorted(written) == ["README.md", CROISSANT]


def test_a_manifest_of_an_earlier_build_has_no_documents(dataset: str) -> None:
    plain = json.loads(Path(dataset, "manifest.json").read_text())
    del plain["documents"]
    Path(dataset, "manifest.json").write_text(json.dumps(plain))
    assert isinstance(read_manifest(dataset), Manifest)
    assert read_manifest(dataset).documents == ()
