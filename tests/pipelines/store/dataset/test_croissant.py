"""croissant.json is valid for MLCommons' own reader without a warning, which reads our rows and images."""

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
from corpusloom.schemas.records import FileEntry, StageCounts
from tests.trainers.stream.datasets import make_dataset, make_pairs

COUNTS = (
    StageCounts(stage="select", unit="pair", records_in=9, kept=6, rejected={"language": 2}, dead={"OSError": 1}),
)
DAYS = ("2026-01-02", "2026-01-04")


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # the reader caches unpacked files by relative URL in the user's home
    monkeypatch.setattr("mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", epath.Path(tmp_path / "x"))
    return make_dataset(tmp_path / "data", "pairs", make_pairs(6), shards=2)


def described(dataset: str, **changes: Any) -> mlcroissant.Dataset:
    manifest = dataclasses.replace(read_manifest(dataset), counts=COUNTS, **changes)
    Path(dataset, CROISSANT).write_text(to_croissant(manifest, DAYS))
    return mlcroissant.Dataset(jsonld=Path(dataset, CROISSANT))


def test_croissant_json_is_valid(dataset: str, caplog: pytest.LogCaptureFixture) -> None:
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
    del plain["documents"], plain["checksum"]
    Path(dataset, "manifest.json").write_text(json.dumps(plain | {"format_version": 1}))
    assert isinstance(read_manifest(dataset), Manifest)
    assert read_manifest(dataset).documents == ()


def plain(dataset: str, days: tuple[str, str] | None = DAYS, **changes: Any) -> dict[str, Any]:
    manifest = dataclasses.replace(read_manifest(dataset), counts=COUNTS, **changes)
    values: dict[str, Any] = json.loads(to_croissant(manifest, days))
    return values


def test_the_funnel_has_one_line_per_stage_with_its_reasons() -> None:
    assert funnel_lines(COUNTS) == ["select, pair: 9 in, 6 kept, language 2, OSError 1"]
    many = StageCounts(stage="extract", unit="record", records_in=1_200, kept=1_200)
    assert funnel_lines([many, *COUNTS])[0] == "extract, record: 1,200 in, 1,200 kept"


def test_every_tar_is_listed_with_its_size_and_hash(dataset: str) -> None:
    manifest = read_manifest(dataset)
    tars = plain(dataset)["distribution"][:-2]
    assert [(tar["name"], tar["contentSize"], tar["sha256"]) for tar in tars] == [
        (shard.tar.name, f"{shard.tar.bytes} B", shard.tar.sha256) for shard in manifest.shards
    ]
    assert {tar["encodingFormat"] for tar in tars} == {"application/x-tar"}


def test_what_is_not_known_is_left_out(dataset: str) -> None:
    values = plain(dataset, None)
    assert "datePublished" not in values
    assert not {"rai:dataCollectionTimeframe", "rai:dataCollectionTimeFrame"} & set(values)
    assert plain(dataset)["datePublished"] == DAYS[1]
    assert plain(dataset)["rai:dataCollectionTimeFrame"] == list(DAYS)


def test_opt_outs_and_personal_data_are_those_of_the_recipe(dataset: str) -> None:
    values = plain(dataset)
    assert values["rai:personalSensitiveInformation"] == ["Personal data in texts was not masked."]
    config = json.dumps({"honour": {"signals": ["noai", "ai.txt"]}, "filters": {"pii": {"mask": True}}})
    values = plain(dataset, config=config, inputs=(FileEntry(name="a.warc.gz", sha256="0", bytes=1),))
    assert values["rai:personalSensitiveInformation"] == ["Personal data in texts was masked by rules."]
    assert values["rai:dataCollection"].endswith("Opt-out signals that reject a page or an image: noai, ai.txt.")
    assert values["rai:dataCollectionMissingData"].startswith("1 records ended in an error")


@pytest.mark.parametrize(
    ("name", "says", "collected"),
    [
        ("a.warc.gz", "Web pages from 1 WARC", "Web Scraping"),
        ("l.csv", "from 1 lists", "Web Scraping"),
        ("00000", "shards that img2dataset wrote", "Secondary Data Analysis"),
    ],
)
def test_only_what_is_known_of_the_input_is_said(dataset: str, name: str, says: str, collected: str) -> None:
    values = plain(dataset, inputs=(FileEntry(name=name, sha256="0", bytes=1),))
    assert says in values["rai:dataCollection"]
    assert "not on record" in values["rai:dataCollection"]
    assert values["rai:dataCollectionType"] == [collected]


def test_regions_say_nothing_of_their_own_about_personal_data(dataset: str) -> None:
    values = plain(dataset, config=json.dumps({"source": "abc"}))
    assert values["rai:personalSensitiveInformation"] == ["The texts are those of the dataset of pairs."]


def test_a_dataset_without_tars_describes_its_rows_alone(dataset: str) -> None:
    values = plain(dataset, shards=(), samples=0)
    assert [entry["@id"] for entry in values["distribution"]] == ["sidecars"]
    assert [entry["@id"] for entry in values["recordSet"]] == ["samples"]


def test_the_name_and_the_digest_identify_the_dataset(dataset: str) -> None:
    manifest = read_manifest(dataset)
    values = plain(dataset)
    assert (values["name"], values["url"]) == ("corpusloom-test", f"urn:sha256:{manifest.digest}")
    assert values["citeAs"] == f"corpusloom test, digest {manifest.digest}"
    assert (values["version"], values["keywords"]) == ("2.0.0", ["webdataset", "pairs", "test"])
    assert values["description"] == "test: 6 samples of kind pairs in 1 WebDataset tars"
    described = plain(dataset, config=json.dumps({"description": "Pairs of a test"}))["description"]
    assert described.startswith("Pairs of a test: 6 samples")
