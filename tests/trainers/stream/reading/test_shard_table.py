"""The table of shards: the entries of the manifest, held in arrays of few bytes."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.manifest import read_manifest
from corpusloom.trainers.stream.order.epoch_order import EpochOrder
from corpusloom.trainers.stream.reading.index import open_index
from corpusloom.trainers.stream.reading.shard_table import ShardTable
from tests.trainers.stream.datasets import make_dataset, make_pairs

SHARDS = 100_000


def test_entries_are_those_of_the_manifest_without_statistics_and_row_hashes(tmp_path: Path) -> None:
    path = make_dataset(tmp_path, "pairs", make_pairs(20), shards=4)
    shards, table = read_manifest(path).shards, open_index(path).shards
    assert [entry.index for entry in table] == [0, 1, 2, 3]
    for one, other in zip(shards, table, strict=True):
        assert (one.tar, one.samples) == (other.tar, other.samples)
        assert (one.sidecar.name, one.sidecar.sha256) == (other.sidecar.name, other.sidecar.sha256)
    assert table[-1] == table[3] == table[1:][2]


def shard(number: int, digest: str = "") -> dict[str, object]:
    tar = {"name": f"{number:05d}.tar", "sha256": digest, "bytes": 36_000_000}
    return {"index": number, "tar": tar, "sidecar": {**tar, "name": f"{number:05d}.parquet"}, "samples": 1000}


@pytest.mark.parametrize("digest", ["", "00" + "ab" * 31, "ab" * 31 + "00"])
def test_hashes_keep_their_zeros_and_an_absent_hash_stays_absent(digest: str) -> None:
    assert ShardTable([shard(0, digest)])[0].tar.sha256 == digest


@pytest.mark.parametrize("damage", [{"tar": {}}, {"tar": None}, {"samples": "many"}, {"index": None}])
def test_a_manifest_with_invalid_shards_is_an_error(tmp_path: Path, damage: dict[str, object]) -> None:
    path = Path(make_dataset(tmp_path, "pairs", make_pairs(3), shards=1))
    values = json.loads((path / "manifest.json").read_text())
    values["shards"][0] |= damage
    (path / "manifest.json").write_bytes(json_files.seal(values))
    with pytest.raises(DamageError, match=r"manifest\.json"):
        open_index(str(path))


def test_a_hundred_thousand_shards_take_under_160_bytes_each_and_their_order_under_16() -> None:
    shards = [shard(number, f"{number:064x}") for number in range(SHARDS)]
    tracemalloc.start()
    table = ShardTable(shards)
    held = tracemalloc.get_traced_memory()[0]
    order = EpochOrder(np.ascontiguousarray(table.samples), rng_seed=0, epoch=0, block_shards=16, shuffle=True)
    order.locate(np.arange(50_000_000, 50_000_100))
    more = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    window = 16 * 1000 * 4  # the block's permutation, int32
    assert held < 160 * SHARDS
    assert more - window < 16 * SHARDS
    assert table[SHARDS - 1].tar.name == "99999.tar"
