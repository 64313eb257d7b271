"""A shard is finished once its report exists and its files match the report."""

import json
from pathlib import Path

import pytest

from corpusloom.pipelines.store.dataset.samples import UnwrittenSample
from corpusloom.pipelines.store.dataset.shard_files import (
    ShardReport,
    commit_shard,
    file_entry,
    is_finished,
    read_shard_report,
    report_path,
    write_shard_files,
)
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import storage, tables
from corpusloom.schemas.records import FileEntry, Member, ShardEntry, SidecarRow, StageCounts
from corpusloom.schemas.verdicts import Kept


def sample(number: int) -> UnwrittenSample:
    key = f"{number:032x}"
    known = Member(field="jpg", offset=0, size=0, stored_sha256="", sha256=f"image {number}", width=3, height=4)
    row = SidecarRow(key=key, url=f"http://a/{number}", text_length=number)
    return UnwrittenSample(key, {"txt": b"text", "jpg": b"image %d" % number}, row, {}, {"jpg": known})


def write(folder: Path, *numbers: int) -> ShardEntry:
    entry = write_shard_files(str(folder), 7, map(sample, numbers))
    assert entry is not None
    return entry


def test_rows_have_the_places_of_their_members(tmp_path: Path) -> None:
    entry = write(tmp_path, 1, 2)
    tar = (tmp_path / "00007.tar").read_bytes()
    rows = list(tables.read_records(str(tmp_path / "00007.parquet"), SidecarRow))
    assert [row.text_length for row in rows] == [1, 2]
    for row in rows:
        image, text = row.members
        assert (image.field, text.field) == ("jpg", "txt")
        assert tar[image.offset : image.offset + image.size] == b"image %d" % row.text_length
        assert row.stored_sha256 == image.stored_sha256 != text.stored_sha256
    assert (entry.index, entry.samples) == (7, 2)


def test_the_entry_describes_the_files(tmp_path: Path) -> None:
    entry = write(tmp_path, 2, 1)
    for file, name in ((entry.tar, "00007.tar"), (entry.sidecar, "00007.parquet"), (entry.stats, "00007_stats.json")):
        assert file.name == name
        assert (file.sha256, file.bytes) == storage.hash_file(str(tmp_path / name))
    assert entry.sidecar.rows == 2
    assert entry.sidecar.rows_digest == tables.file_digest(str(tmp_path / "00007.parquet"))
    keys = [row.key for row in tables.read_records(str(tmp_path / "00007.parquet"), SidecarRow)]
    assert keys == sorted(keys)


def test_statistics_are_those_of_img2dataset(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    assert json.loads((tmp_path / "00007_stats.json").read_text()) == {
        "count": 3, "successes": 3, "failed_to_download": 0, "failed_to_resize": 0, "status_dict": {"success": 3},
    }  # fmt: skip


def test_no_sample_is_no_file(tmp_path: Path) -> None:
    assert write_shard_files(str(tmp_path), 7, []) is None
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_written_after_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, order = Ledger("shards"), []
    ledger.record(Kept(), unit="page", key="k")
    write_bytes = storage.write_bytes
    monkeypatch.setattr(storage, "write_bytes", lambda path, data: (order.append(path), write_bytes(path, data)))
    report = commit_shard(str(tmp_path), 7, None, ledger)
    assert report == ShardReport(
        index=7, entry=None, counts=(StageCounts(stage="shards", unit="page", records_in=1, kept=1),)
    )
    assert read_shard_report(str(tmp_path), 7) == report
    assert order[-1] == report_path(str(tmp_path), 7) == f"{tmp_path}/done/00007.json"
    assert len(order) == 4


def test_a_shard_is_finished_while_its_files_are_there(tmp_path: Path) -> None:
    data, stage = str(tmp_path / "data"), str(tmp_path / "stage")
    entry = write(tmp_path / "data", 1)
    assert not is_finished(data, stage, 7)
    commit_shard(stage, 7, entry, Ledger("shards"))
    assert is_finished(data, stage, 7)
    for name in ("00007.tar", "00007.parquet", "00007_stats.json"):
        path = tmp_path / "data" / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        assert not is_finished(data, stage, 7)
        path.unlink()
        assert not is_finished(data, stage, 7)
        path.write_bytes(whole)
    assert is_finished(data, stage, 7)


def test_a_shard_without_samples_is_finished_with_its_report(tmp_path: Path) -> None:
    commit_shard(str(tmp_path), 7, None, Ledger("shards"))
    assert is_finished(str(tmp_path), str(tmp_path), 7)
    assert not is_finished(str(tmp_path), str(tmp_path), 8)


def test_an_entry_is_made_from_the_bytes() -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_entry("x", b"abc") == FileEntry(name="x", sha256=digest, bytes=3)
    assert file_entry("x", b"abc", rows=2, rows_digest="d") == FileEntry(
        name="x", sha256=digest, bytes=3, rows=2, rows_digest="d"
    )
