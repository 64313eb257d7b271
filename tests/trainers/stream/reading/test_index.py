"""The index: small members are joined into one read, splits are counted, and wrong sidecars are refused."""

import dataclasses
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpusloom.schemas import tables
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.records import ShardEntry, SidecarRow
from corpusloom.trainers.stream.reading import index as module
from corpusloom.trainers.stream.reading.index import (
    MEMBER,
    NEAR,
    integers,
    open_index,
    pack_members,
    read_shard,
    split_rows,
    tar_path,
)
from tests.trainers.stream.datasets import make_dataset, make_pairs


def pack(starts: list[int], offsets: list[int], sizes: list[int]) -> list[tuple[int, int]]:
    """Return (bytes, members) of the read that begins with each member; (0, 0) if it is read with an earlier one."""
    codes = np.zeros(len(offsets), np.int64)
    packed = pack_members(np.asarray(starts), np.asarray(offsets), np.asarray(sizes), codes, codes + 2**32 - 1)
    rows = [MEMBER.unpack_from(packed.tobytes(), number * MEMBER.size) for number in range(len(offsets))]
    assert [row[:2] for row in rows] == list(zip(offsets, sizes, strict=True))
    assert {row[5] for row in rows} <= {2**32 - 1}
    return [row[2:4] for row in rows]


def test_small_members_that_lie_close_together_are_one_read() -> None:
    assert pack([0, 3], [512, 1536, 2560], [100, 200, 300]) == [(2348, 3), (0, 0), (0, 0)]


@pytest.mark.parametrize(("gap", "reads"), [(NEAR, 1), (NEAR + 1, 2), (0, 1), (-1, 2)])
def test_members_join_up_to_a_gap_of_4096_bytes(gap: int, reads: int) -> None:
    found = pack([0, 2], [512, 612 + gap], [100, 50])
    assert sum(count > 0 for _, count in found) == reads
    assert found[0] == ((150 + gap, 2) if reads == 1 else (100, 1))


@pytest.mark.parametrize(("sizes", "reads"), [((NEAR, NEAR), 1), ((NEAR + 1, 9), 2), ((9, NEAR + 1), 2)])
def test_members_above_4096_bytes_are_read_alone(sizes: tuple[int, int], reads: int) -> None:
    found = pack([0, 2], [512, 512 + sizes[0]], list(sizes))
    assert sum(count > 0 for _, count in found) == reads


def test_members_of_two_samples_are_two_reads() -> None:
    assert pack([0, 1, 2], [512, 700], [100, 100]) == [(100, 1), (100, 1)]
    assert pack([0, 0, 1], [512], [100]) == [(100, 1)]
    assert pack([0], [], []) == []


def test_a_split_is_counted_per_shard(tmp_path: Path) -> None:
    path = make_dataset(
        tmp_path, "pairs", make_pairs(20), shards=2, split_of=lambda key: "val" if key[-1] < "4" else "train"
    )
    whole, held_out = open_index(path), open_index(path, "val")
    keys = [key for key, _ in make_pairs(20) if key[-1] < "4"]
    assert whole.samples == 20
    assert held_out.samples == len(keys) > 0
    rows = [split_rows(path, shard, "val") for shard in held_out.shards]
    assert [len(part) for part in rows] == held_out.counts.tolist()
    found = [
        read_shard(path, shard).key(int(row)) for shard, part in zip(whole.shards, rows, strict=True) for row in part
    ]
    assert sorted(found) == sorted(keys)
    with pytest.raises(InputError, match="no sample has split 'test'"):
        open_index(path, "test")


def rewritten(path: Path, **changes: int) -> ShardEntry:
    """Write other values into the sidecar's members; return its entry without a hash."""
    sidecar = str(path / "00000.parquet")
    rows = [
        dataclasses.replace(row, members=tuple(dataclasses.replace(member, **changes) for member in row.members))
        for row in tables.read_records(sidecar, SidecarRow)
    ]
    tables.write_records(sidecar, SidecarRow, rows)
    entry = open_index(str(path)).shards[0]
    return dataclasses.replace(entry, sidecar=dataclasses.replace(entry.sidecar, sha256=""))


@pytest.mark.parametrize("changes", [{"offset": -1}, {"offset": 1 << 40}, {"size": -1}, {"size": 1 << 30}])
def test_members_outside_the_tar_are_damage(tmp_path: Path, changes: dict[str, int]) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(3), shards=1)
    with pytest.raises(DamageError, match="outside the tar"):
        read_shard(path, rewritten(tmp_path, **changes))


def test_a_sidecar_with_other_rows_or_too_many_is_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(3), shards=1)
    entry = open_index(path).shards[0]
    with pytest.raises(DamageError, match="3 rows for 4 samples"):
        read_shard(path, dataclasses.replace(entry, samples=4))
    monkeypatch.setattr(module, "MAX_SAMPLES", 2)
    with pytest.raises(DamageError, match="3 rows in one sidecar"):
        read_shard(path, entry)


def test_fields_that_are_not_on_the_allow_list_have_no_name(tmp_path: Path) -> None:
    samples = make_pairs(3)
    samples[0][1]["pickle"] = b"no"
    shard = read_shard(path := make_dataset(tmp_path, "pairs", samples, shards=1), open_index(path).shards[0])
    assert sorted(shard.fields) == ["", "jpg", "json", "txt"]
    assert (len(shard), shard.ignored) == (3, 1)


def test_the_window_is_as_large_as_the_largest_remote_tars(tmp_path: Path) -> None:
    path = Path(make_dataset(tmp_path, "pairs", make_pairs(30), shards=4))
    index = open_index(str(path))
    assert index.remote_window(2) == 0
    remote = dataclasses.replace(index, path="http://example.org/data")
    sizes = sorted(tar.stat().st_size for tar in path.glob("*.tar"))
    assert remote.remote_window(2) == sum(sizes[-2:])
    assert remote.remote_window(9) == sum(sizes)
    assert tar_path("http://example.org/data", index.shards[0]) == "http://example.org/data/00000.tar"


def test_integers_of_a_slice_and_of_chunks_are_those_of_the_column() -> None:
    column = pa.array([5, 6, 7, 8], pa.int32())
    assert integers(column[1:3]).tolist() == [6, 7]
    assert integers(pa.chunked_array([column[:1], column[2:]])).tolist() == [5, 7, 8]
    assert struct.calcsize("<qiiiiI") == MEMBER.size
