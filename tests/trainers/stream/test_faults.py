"""Faults while a stream runs: full disks, processes killed at random moments, changed files."""

import dataclasses
import random
import resource
import threading
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpusloom.schemas import tables
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import SidecarRow
from corpusloom.trainers.stream.batches.processes import WorkerError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.errors import SampleError
from corpusloom.trainers.stream.reading import index
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.stream.reading.shard_files import LocalShard, read_members, verify_members
from tests.trainers.stream.datasets import make_dataset, make_pairs
from tests.trainers.stream.servers import faulty


def length(sample: Any, rng: np.random.Generator) -> dict[str, Any]:
    return {"length": len(sample.image), "drawn": rng.random()}


def keys_of(source: Any, **options: Any) -> list[str]:
    return [sample.key for sample in StreamingDataset(source, 0, 0, 1, **options)]


def test_a_stream_goes_on_when_the_disk_of_its_cache_is_full(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", "pairs", make_pairs(40), shards=4)
    expected = keys_of(data)
    cache = CacheConfig(folder=str(tmp_path / "cache"), block_bytes=8192, max_bytes=1 << 22)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with faulty(Path(data)) as (url, _):
        stream = StreamingDataset(url, 0, 0, 1, on_error="raise", cache=cache)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # writes of a block fail
            found = [sample.key for sample in stream]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            stream.close()
    assert found == expected
    assert stream.reader.cache is not None
    assert stream.reader.cache.counts["refusals"] > 0


def test_workers_killed_at_random_moments_lose_and_repeat_nothing(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(200), shards=4)
    stream, keys, killed, others = StreamingDataset(data, 1, 0, 1), list[str](), 0, set(active_children())
    while len(keys) < 200:
        batches = stream.batches(4, transform=length, workers=2, processes=True, epochs=1)
        try:
            for batch in batches:
                keys += batch["keys"]
                if killed < 2 and random.random() < 0.1 + killed:
                    victim = random.choice(sorted(set(active_children()) - others, key=id))
                    threading.Timer(random.random() / 100, victim.kill).start()
                    killed += 1
        except WorkerError:
            state = stream.state_dict()
            stream = StreamingDataset(data, 1, 0, 1)
            stream.load_state_dict(state)
        batches.close()
    assert keys == [sample.key for sample in StreamingDataset(data, 1, 0, 1)]


def test_more_workers_than_samples_and_shards_change_nothing(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(3), shards=2)
    stream = StreamingDataset(data, 0, 0, 1)
    batches = list(stream.batches(2, transform=length, workers=9, prefetch=9, epochs=2))
    assert [len(batch["keys"]) for batch in batches] == [2, 2, 2]
    assert sorted(key for batch in batches for key in batch["keys"]) == sorted(2 * keys_of(data))


def test_the_length_of_a_stream_is_the_number_of_its_samples_on_every_rank(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(23), shards=4)
    for world in (1, 4, 30):
        streams = [StreamingDataset(data, 0, rank, world) for rank in range(world)]
        assert [len(stream) for stream in streams] == [len(list(stream)) for stream in streams]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_a_missing_or_cut_sidecar_skips_its_own_samples_only(tmp_path: Path, content: bytes | None) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(24), shards=2)
    whole, sidecar = keys_of(data), tmp_path / "00000.parquet"
    sidecar.unlink()
    if content is not None:
        sidecar.write_bytes(content)
    stream = StreamingDataset(data, 0, 0, 1)
    assert [sample.key for sample in stream] == [key for key in whole if int(key[0], 16) >= 8]
    assert sum(stream.skipped.values()) == 24 - sum(int(key[0], 16) >= 8 for key in whole)
    with pytest.raises((DamageError, InputError), match=r"00000\.parquet"):
        keys_of(data, on_error="raise")


def test_hashes_find_offsets_that_are_wrong_by_a_few_bytes(tmp_path: Path) -> None:
    data = make_dataset(tmp_path, "pairs", make_pairs(12), shards=1)
    sidecar = str(tmp_path / "00000.parquet")
    rows = list(tables.read_records(sidecar, SidecarRow))
    moved = [dataclasses.replace(member, offset=member.offset + 3) for member in rows[5].members]
    rows[5] = dataclasses.replace(rows[5], members=tuple(moved))
    tables.write_records(sidecar, SidecarRow, rows)
    entry = read_manifest(data).shards[0]
    unhashed = dataclasses.replace(entry, sidecar=dataclasses.replace(entry.sidecar, sha256=""))
    shard = index.read_shard(data, unhashed, hashes=True)
    members = read_members(LocalShard(shard), shard, 5)
    assert shard.hashes is not None
    digests = shard.hashes[shard.starts[5] : shard.starts[6]].to_pylist()
    with pytest.raises(SampleError, match="hash_differs"):
        verify_members(shard, 5, members, digests)
    with pytest.raises(DamageError, match="sidecar is not the one"):
        keys_of(data, on_error="raise")


def test_members_and_json_above_their_size_limits_are_skipped_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_pairs(6)
    made[2][1]["jpg"] += bytes(9000)
    made[4][1]["json"] = b'{"a": "' + b"x" * 2000 + b'"}'
    data = make_dataset(tmp_path, "pairs", made, shards=1)
    monkeypatch.setattr("corpusloom.trainers.stream.reading.shard_files.MAX_MEMBER_BYTES", 6000)
    monkeypatch.setattr("corpusloom.trainers.stream.samples.typed.MAX_JSON_BYTES", 1000)
    stream = StreamingDataset(data, 0, 0, 1)
    assert len(list(stream)) == 4
    assert dict(stream.skipped_keys) == {made[2][0]: "member_too_large", made[4][0]: "json_too_large"}
