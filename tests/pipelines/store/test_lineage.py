"""Files derived from a dataset are recorded once, in its folder."""

import os
from pathlib import Path

import pytest

from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.lineage import Derived

REPORT = Derived(kind="report", path="/reports/r.html")
REGIONS = Derived(kind="regions", path="s3://bucket/regions", work="/work", limit=5)


def test_records_come_back_in_their_order(tmp_path: Path) -> None:
    assert lineage.read(str(tmp_path)) == []
    lineage.record(str(tmp_path), REGIONS)
    lineage.record(str(tmp_path), REPORT)
    assert lineage.read(str(tmp_path)) == [REGIONS, REPORT]


def test_the_same_derivation_is_recorded_once(tmp_path: Path) -> None:
    lineage.record(str(tmp_path), REPORT)
    before = (tmp_path / "derived.json").read_bytes()
    lineage.record(str(tmp_path), REPORT)
    assert (tmp_path / "derived.json").read_bytes() == before
    assert before.endswith(b"}\n")


def test_a_dataset_that_cannot_be_written_to_has_no_record(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    lineage.record(str(tmp_path / "data"), REPORT)
    assert (tmp_path / "data").read_bytes() == b""


def test_a_path_is_recorded_as_seen_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lineage.absolute("a/b") == os.path.join(os.getcwd(), "a/b")
    assert lineage.absolute("s3://bucket/a") == "s3://bucket/a"


def test_defaults_are_those_of_a_report() -> None:
    assert (REPORT.work, REPORT.limit) == ("", None)
