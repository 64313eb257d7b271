"""A Parquet file's checksum: written at its end, compared once per process and state of the file."""

import io
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import parquet_checksums

TABLE = pa.table({"a": ["x", "y"], "b": [1, 2]})


def written() -> bytes:
    sink = io.BytesIO()
    with parquet_checksums.writer(sink, TABLE.schema) as writer:
        writer.write_table(TABLE)
        writer.write_table(TABLE)
    return sink.getvalue()


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place() -> None:
    data = written()
    value = pq.read_metadata(io.BytesIO(data)).metadata[parquet_checksums.KEY.encode()]
    assert data.count(value) == 1
    assert int(value, 16) == google_crc32c.value(data.replace(value, b"00000000"))
    assert pq.read_table(io.BytesIO(data)).num_rows == 4


@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
def test_a_whole_file_passes_whatever_the_chunks(tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_checksums, "_CHUNK", chunk)
    path = tmp_path / "x.parquet"
    path.write_bytes(written())
    parquet_checksums.check(str(path))
    data = bytearray(path.read_bytes())
    data[9] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamageError, match=r"x\.parquet: has changed since it was written"):
        parquet_checksums.check(str(path))


def test_files_of_others_and_files_that_are_no_parquet_are_left_to_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(TABLE, path)
    parquet_checksums.check(str(path))
    for data in (b"", b"PAR1", b"\xff" * 30):
        path.write_bytes(data)
        parquet_checksums.check(str(path))
