"""A take-down covers reports and regions made from the dataset, and reports those that it could not change."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.datasets import forget_derived
from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.lineage import Derived
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.trainers.embedding.search_page import render_search
from tests.pipelines.datasets.finished import change_manifest, finished_dataset
from tests.schemas.images.embeddings.sidecars import random_embeddings, write_sidecar


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    return finished_dataset(tmp_path)


def derive(tmp_path: Path, dataset: str, source: str) -> str:
    """Record a dataset of regions that was made from a dataset with the digest `source`."""
    (tmp_path / "r").mkdir()
    made = finished_dataset(tmp_path / "r")
    change_manifest(made, config=json.dumps({"source": source}))
    lineage.record(dataset, Derived(kind="regions", path=made, work="w", limit=3))
    return made


@pytest.fixture
def remade(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Derived, Manifest | None, Manifest]]:
    """Replace the function that makes regions again; return the list of its calls."""
    calls: list[tuple[str, Derived, Manifest | None, Manifest]] = []
    monkeypatch.setattr(forget_derived.regions, "make_anew", lambda *call: calls.append(call))
    return calls


def test_reports_are_deleted(tmp_path: Path, dataset: str) -> None:
    report, gone = tmp_path / "r.html", tmp_path / "gone.html"
    report.write_bytes(forget_derived.MARK + b" quotes")
    for path in (report, gone):
        lineage.record(dataset, Derived(kind="report", path=str(path)))
    assert forget_derived.purge(dataset, None) == ([], [])
    assert report.exists()
    assert forget_derived.delete_reports(dataset) == [str(report)]
    assert not report.exists()


def test_embeddings_are_deleted_and_other_files_beside_them_are_not(tmp_path: Path, dataset: str) -> None:
    folder = write_sidecar(tmp_path / "embeddings", random_embeddings(5), scored=2)
    lineage.record_made(dataset, "embeddings", folder)
    lineage.record_made(str(tmp_path / "none"), "embeddings", folder)
    (tmp_path / "embeddings/notes.txt").write_text("mine")
    assert forget_derived.delete_reports(dataset) == [folder]
    assert [path.name for path in (tmp_path / "embeddings").rglob("*") if path.is_file()] == ["notes.txt"]
    assert forget_derived.delete_reports(dataset) == []
    assert not (tmp_path / "none").exists()


def test_a_page_of_a_search_is_known_as_a_report(tmp_path: Path) -> None:
    (tmp_path / "found.html").write_text(render_search("data", "", []))
    assert forget_derived.is_report(str(tmp_path / "found.html"))


def test_another_file_that_derived_json_names_is_not_deleted(tmp_path: Path, dataset: str) -> None:
    mine = tmp_path / "thesis.html"
    mine.write_text("<!doctype html> my own page")
    lineage.record(dataset, Derived(kind="report", path=str(mine)))
    assert forget_derived.delete_reports(dataset) == []
    assert mine.exists()


def test_regions_of_the_dataset_as_it_was_are_made_again(
    tmp_path: Path, dataset: str, remade: list[tuple[str, Derived, Manifest | None, Manifest]]
) -> None:
    made = derive(tmp_path, dataset, "digest before")
    before = read_manifest(dataset)
    assert forget_derived.purge(dataset, before) == ([made], [])
    assert remade == [(dataset, Derived(kind="regions", path=made, work="w", limit=3), before, before)]


def test_regions_of_the_dataset_as_it_is_are_kept(
    tmp_path: Path, dataset: str, remade: list[tuple[str, Derived, Manifest | None, Manifest]]
) -> None:
    derive(tmp_path, dataset, read_manifest(dataset).digest)
    assert forget_derived.purge(dataset, None) == ([], [])
    assert remade == []


def test_unfinished_regions_are_made_again(
    tmp_path: Path, dataset: str, remade: list[tuple[str, Derived, Manifest | None, Manifest]]
) -> None:
    made = derive(tmp_path, dataset, read_manifest(dataset).digest)
    Path(made, "manifest.json").unlink()
    assert forget_derived.purge(dataset, None) == ([made], [])
    assert len(remade) == 1


def test_what_was_made_from_regions_is_reached_as_well(
    tmp_path: Path, dataset: str, remade: list[tuple[str, Derived, Manifest | None, Manifest]]
) -> None:
    made = derive(tmp_path, dataset, "digest before")
    report = tmp_path / "r.html"
    report.write_bytes(forget_derived.MARK + b" quotes")
    lineage.record(made, Derived(kind="report", path=str(report)))
    forget_derived.purge(dataset, None)
    assert not report.exists()


@pytest.mark.parametrize("error", [InputError("no detector"), OSError("disk")])
def test_what_cannot_be_made_again_is_named(
    tmp_path: Path, dataset: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    made = derive(tmp_path, dataset, "digest before")
    report = tmp_path / "r.html"
    report.write_bytes(forget_derived.MARK + b" quotes")
    lineage.record(dataset, Derived(kind="report", path=str(report)))

    def fail(*call: object) -> None:
        raise error

    monkeypatch.setattr(forget_derived.regions, "make_anew", fail)
    assert forget_derived.purge(dataset, None) == ([], [made])
