"""Regrouping gives sorted groups; replayed bundles change nothing."""

import random
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from corpusloom.pipelines.store.regroup import Regroup, WriteRecords, partition_of
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


def test_partitions_are_spread() -> None:
    counts = [0] * 8
    for number in range(4000):
        counts[partition_of(str(number).encode(), 8)] += 1
    assert min(counts) > 400
