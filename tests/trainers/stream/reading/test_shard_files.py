"""Local tars: wrong offsets, members that are never opened, and a bounded number of descriptors."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpusloom.schemas import tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from corpusloom.trainers.stream.reading.index import read_shard
from corpusloom.trainers.stream.reading.shard_files import LocalShard, ShardFiles, check_header, read_members
from tests.trainers.stream.datasets import make_dataset, make_pairs


def test_a_sidecar_of_another_tar_is_an_error(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(8), shards=1)
    entry = read_manifest(path).shards[0]
    rows = list(tables.read_records(f"{path}/00000.parquet", SidecarRow))
    moved = [dataclasses.replace(row, members=rows[at - 1].members) for at, row in enumerate(rows)]
    tables.write_records(f"{path}/00000.parquet", SidecarRow, moved)
    shard = read_shard(path, dataclasses.replace(entry, sidecar=dataclasses.replace(entry.sidecar, sha256="")))
    with pytest.raises(DamageError, match="another tar"):
        check_header(LocalShard(shard), shard, 0)
    outside = dataclasses.replace(entry.tar, bytes=512)
    sidecar = dataclasses.replace(entry.sidecar, sha256="")
    with pytest.raises(DamageError, match="outside"):
        read_shard(path, dataclasses.replace(entry, tar=outside, sidecar=sidecar))


def test_members_outside_the_allow_list_are_ignored_and_counted(tmp_path: Path) -> None:
    samples = [(key, {**fields, "pyd": b"\x80\x04.", "zz.pth": b"x"}) for key, fields in make_pairs(3)]
    path = make_dataset(tmp_path, "pairs", samples, shards=1)
    shard = read_shard(path, read_manifest(path).shards[0])
    assert shard.ignored == 6
    assert sorted(read_members(LocalShard(shard), shard, 0)) == ["jpg", "json", "txt"]


def test_the_number_of_open_tars_is_bounded_and_closed_ones_leak_no_descriptor(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(40), shards=16)
    manifest = read_manifest(path)
    shards = [read_shard(path, entry) for entry in manifest.shards]
    before = len(os.listdir("/proc/self/fd"))
    files = ShardFiles(limit=4)
    for shard in shards * 2:
        files.get(shard)
    assert len(os.listdir("/proc/self/fd")) - before <= 4
    files.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_stream_does_not_import_pandas(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(8), shards=1)
    code = (
        "import sys; from corpusloom.trainers.stream.dataset import StreamingDataset as S; "
        f"assert list(S({path!r})); assert list(S({path!r}, split='train')); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
