"""Partitioned rows are read back complete, by partition; scratch files of dead runs are removed, of live ones not."""

import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpusloom.pipelines.store import partitions
from corpusloom.pipelines.store.partitions import SCRATCH, PartitionedRows, scratch_folder
from corpusloom.schemas.errors import InputError


def test_partitions_come_back_in_the_order_of_adding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "BUFFER_BYTES", 500)
    schema = pa.schema([("number", pa.int64()), ("name", pa.string())])
    parted = PartitionedRows(str(tmp_path / "s"), schema, 5)
    rng = np.random.default_rng(0)
    expected: dict[int, list[int]] = {index: [] for index in range(5)}
    for start in range(0, 300, 30):
        numbers, partition = np.arange(start, start + 30), rng.integers(0, 4, 30)
        for number, index in zip(numbers.tolist(), partition.tolist(), strict=True):
            expected[index].append(number)
        table = pa.table([pa.array(numbers), pa.array([f"n{number}" for number in numbers])], schema=schema)
        parted.add(table, partition)
    assert len(list((tmp_path / "s").iterdir())) > 3
    for index, numbers_of in expected.items():
        table = parted.read(index)
        assert table["number"].to_pylist() == numbers_of
        assert table["name"].to_pylist() == [f"n{number}" for number in numbers_of]
    parted.close()
    assert not (tmp_path / "s").exists()


def test_scratch_of_a_dead_run_is_removed(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    mine = f"{SCRATCH}{socket.gethostname()}-"
    dead, live = tmp_path / f"{mine}{int(ended.stdout)}-x", tmp_path / f"{mine}{os.getppid()}-x"
    elsewhere = tmp_path / f"{SCRATCH}another-host-{int(ended.stdout)}-x"
    for folder in (dead, live, elsewhere):
        folder.mkdir()
    with scratch_folder(str(tmp_path)) as made:
        assert Path(made).parent == tmp_path
        assert not dead.exists()
        assert live.exists()
        assert elsewhere.exists()
    assert not Path(made).exists()


def test_a_disk_that_takes_no_more_is_an_error_that_says_so(tmp_path: Path) -> None:
    schema = pa.schema([("number", pa.int64())])
    parted = PartitionedRows(str(tmp_path / "s"), schema, 1)
    parted.add(pa.table([pa.array(range(10_000))], schema=schema), np.zeros(10_000, dtype=np.int64))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))  # CPython ignores SIGXFSZ: writing fails instead
    try:
        with pytest.raises(InputError, match="File too large") as caught:
            parted.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "--passes" in caught.value.remedy


def test_scratch_for_an_object_store_is_local() -> None:
    with scratch_folder("s3://bucket/work") as made:
        assert Path(made).is_dir()


def test_nothing_is_written_before_the_buffer_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = pa.schema([("number", pa.int64())])
    table = pa.table([pa.array([1, 2])], schema=schema)
    monkeypatch.setattr(partitions, "BUFFER_BYTES", 2 * table.get_total_buffer_size())
    rows = PartitionedRows(str(tmp_path / "s"), schema, 2)
    rows.add(table, np.array([1, 0]))
    rows.add(schema.empty_table(), np.zeros(0, dtype=np.int64))
    assert list((tmp_path / "s").iterdir()) == []
    rows.add(table, np.array([0, 1]))
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["000000.arrow"]
    rows.flush()
    assert len(list((tmp_path / "s").iterdir())) == 1
    assert [rows.read(index)["number"].to_pylist() for index in (0, 1)] == [[2, 1], [1, 2]]


def test_partitions_without_rows_are_empty_tables(tmp_path: Path) -> None:
    schema = pa.schema([("number", pa.int64())])
    rows = PartitionedRows(str(tmp_path / "s"), schema, 3)
    assert rows.read(2).num_rows == 0
    assert rows.schema == schema
    with pytest.raises(FileExistsError):
        PartitionedRows(str(tmp_path / "s"), schema, 3)
