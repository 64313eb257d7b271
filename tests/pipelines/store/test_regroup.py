"""Regrouping gives sorted groups; replayed bundles change nothing."""

import random
import secrets
from collections import Counter
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from corpusloom.pipelines.store import regroup
from corpusloom.pipelines.store.regroup import (
    ReadRecords,
    Regroup,
    WriteRecords,
    files_of,
    lines_of,
    partition_of,
    range_of,
)
from corpusloom.schemas import tables
from corpusloom.schemas.records import Head

PAIRS = [(f"key {n % 37}".encode(), f"value {n % 11}".encode()) for n in range(500)]


def collect(target: Path, repeat: int = 0) -> dict[bytes, list[bytes]]:
    """Return what regrouping gives for PAIRS."""
    found: dict[bytes, list[bytes]] = {}
    pipeline = beam.Pipeline(runner=FnApiRunner(bundle_repeat=repeat))

    def write(key: bytes, values: list[bytes]) -> None:
        target.mkdir(parents=True, exist_ok=True)
        (target / key.hex()).write_bytes(b"\n".join(values))

    _ = pipeline | beam.Create(PAIRS) | Regroup() | beam.MapTuple(write)
    pipeline.run().wait_until_finish()
    for path in target.iterdir():
        found[bytes.fromhex(path.name)] = path.read_bytes().split(b"\n")
        path.unlink()
    return found


@pytest.mark.parametrize("repeat", [0, 2])
def test_equal_keys_are_grouped(tmp_path: Path, repeat: int) -> None:
    expected: dict[bytes, list[bytes]] = {}
    for key, value in PAIRS:
        expected.setdefault(key, []).append(value)
    expected = {key: sorted(values) for key, values in expected.items()}
    assert collect(tmp_path, repeat) == expected


def test_records_are_written_sorted_whatever_their_order(tmp_path: Path) -> None:
    rows = [Head(unit="page", key=f"{n * 7919 % 101:032x}", parent=str(n), url="u") for n in range(101)]
    written = []
    for name in ("a", "b"):
        random.Random(name).shuffle(rows)
        pipeline = beam.Pipeline(runner=FnApiRunner())
        folder = str(tmp_path / name)
        _ = pipeline | beam.Create(rows) | WriteRecords(record=Head, folder=folder, sort_by=("key", "parent"))
        pipeline.run().wait_until_finish()
        written.append((tmp_path / name / "part-00000.parquet").read_bytes())
    assert written[0] == written[1]
    assert [row.key for row in tables.read_records(str(tmp_path / "a" / "part-00000.parquet"), Head)] == sorted(
        row.key for row in rows
    )


def test_keys_are_spread_over_all_partitions() -> None:
    counts = [0] * 8
    for number in range(4000):
        counts[partition_of(str(number), 8)] += 1
    assert min(counts) > 400


def test_each_part_has_the_keys_of_its_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regroup, "SPILL_ROWS", 7)  # several fragments per part
    rows = [Head(unit="page", key=f"{n:032x}", parent="p", url="u") for n in range(100)]

    def count(number: int) -> None:
        (tmp_path / f"count-{number}-{secrets.token_hex(4)}").touch()

    pipeline = beam.Pipeline(runner=FnApiRunner())
    transform = WriteRecords(record=Head, folder=str(tmp_path / "out"), sort_by=("key",), parts=3, part_of=partition_of)
    _ = pipeline | beam.Create(rows) | transform | beam.Map(count)
    pipeline.run().wait_until_finish()
    found = {}
    for part in range(3):
        path = str(tmp_path / "out" / f"part-{part:05d}.parquet")
        for row in tables.read_records(path, Head):
            found[row.key] = part
    assert found == {row.key: partition_of(row.key, 3) for row in rows}
    sizes = sorted(int(path.name.split("-")[1]) for path in tmp_path.glob("count-*"))
    assert sizes == sorted(Counter(found.values()).values())


def test_a_partition_never_changes() -> None:
    assert [partition_of(str(n), 8) for n in range(8)] == [1, 7, 7, 1, 7, 6, 5, 0]
    assert {partition_of(str(n), 1) for n in range(100)} == {0}


def test_parts_are_ranges_of_keys_in_order() -> None:
    edges = ["00000000", "3fffffff", "40000000", "7fffffff", "80000000", "bfffffff", "c0000000", "ffffffff"]
    assert [range_of(edge + "0" * 24, 4) for edge in edges] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [range_of(edge + "f" * 24, 1) for edge in edges] == [0] * 8
    assert [range_of(edge, 3) for edge in ("55555555", "55555556", "aaaaaaaa", "aaaaaaab")] == [0, 1, 1, 2]


def test_records_are_read_from_a_folder_or_a_list_and_the_graph_names_no_file(tmp_path: Path) -> None:
    rows = [Head(unit="page", key=f"{n:032x}", parent="p", url="u") for n in range(9)]
    for start in range(0, 9, 3):
        tables.write_records(str(tmp_path / "in" / f"{start}.parquet"), Head, rows[start : start + 3])
    (tmp_path / "in" / "0.json").write_text("{}")
    listing = tmp_path / "files.txt"
    listing.write_text("".join(f"{tmp_path}/in/{start}.parquet\n" for start in (3, 0)))
    for place, paths_in, expected in ((str(tmp_path / "in"), files_of, rows), (str(listing), lines_of, rows[:6])):
        pipeline = beam.Pipeline(runner=FnApiRunner())
        found = pipeline | ReadRecords(record=Head, place=place, paths_in=paths_in)
        assert_that(found, equal_to(expected))
        assert b"3.parquet" not in pipeline.to_runner_api().SerializeToString()
        pipeline.run().wait_until_finish()
