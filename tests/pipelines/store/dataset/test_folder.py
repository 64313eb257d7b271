"""One build at a time per folder, partial shards of their own configuration only, and tables with their hashes."""

import dataclasses
import json
import os
import socket
from pathlib import Path

import pytest

from corpusloom.pipelines.store.dataset import folder
from corpusloom.pipelines.store.dataset.folder import (
    CLAIM,
    NOBODY,
    UNKNOWN,
    BusyError,
    Claim,
    building,
    claim,
    clear,
    read_fragments,
    read_run,
    remove_shard,
    write_rows,
    write_run,
    write_sizes,
)
from corpusloom.pipelines.store.ledger import LEDGER_ORDER
from corpusloom.schemas import tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.manifest import read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry, LedgerRow, ShardEntry
from tests.trainers.stream.datasets import make_dataset, make_pairs

SHARD_FILES = ("00000.tar", "00000.parquet", "00000_stats.json", "00001.tar", "100000.tar")
OTHERS = ("manifest.json", "notes.txt", "00000.txt", "a00000.tar", "00000.tar.gz", "00000_other.json")


def held(path: Path) -> Claim:
    return Claim(**json.loads((path / CLAIM).read_bytes()))


def put(path: Path, **changes: object) -> None:
    """Write a claim of this process with some fields changed."""
    (path / CLAIM).write_bytes(dataclasses.replace(Claim.mine("f"), **changes).to_json())  # type: ignore[arg-type]


def fill(path: Path) -> None:
    for name in (*SHARD_FILES, *OTHERS):
        (path / name).write_bytes(b"x")


def left(path: Path) -> set[str]:
    return {child.name for child in path.iterdir()} - {CLAIM}


def test_a_folder_is_claimed_while_it_is_built_into(tmp_path: Path) -> None:
    with building(str(tmp_path)):
        mine = held(tmp_path)
        assert (mine.pid, mine.host, mine.fingerprint) == (os.getpid(), socket.gethostname(), "")
        claim(str(tmp_path), "fingerprint")
        assert held(tmp_path).fingerprint == "fingerprint"
    assert not (tmp_path / CLAIM).exists()


def test_a_failed_build_leaves_whose_shards_these_are(tmp_path: Path) -> None:
    def fail() -> None:
        with building(str(tmp_path)):
            claim(str(tmp_path), "fingerprint")
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        fail()
    assert held(tmp_path) == Claim(fingerprint="fingerprint", host="", pid=NOBODY)


def test_a_build_that_failed_before_its_shards_leaves_no_claim(tmp_path: Path) -> None:
    def fail() -> None:
        with building(str(tmp_path)):
            raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        fail()
    assert not (tmp_path / CLAIM).exists()


def test_a_living_builder_is_named(tmp_path: Path) -> None:
    put(tmp_path, pid=os.getppid(), born=folder._born(os.getppid()))
    with pytest.raises(BusyError, match=rf"process {os.getppid()} on .* since .* is building.*name another --out"):
        claim(str(tmp_path), "f")
    put(tmp_path, host="elsewhere", pid=1, since="")
    with pytest.raises(
        BusyError, match=r"process 1 on elsewhere is building into this folder.*if it no longer runs, delete"
    ):
        claim(str(tmp_path), "f")


@pytest.mark.parametrize(
    "change",
    [{"pid": NOBODY}, {"pid": 2**22 + 7}, {"born": "1"}, {"host": "elsewhere", "pid": NOBODY}],
    ids=["failed", "killed", "killed, its pid in use again", "failed elsewhere"],
)
def test_the_claim_of_a_dead_builder_is_taken_over(tmp_path: Path, change: dict[str, object]) -> None:
    fill(tmp_path)
    put(tmp_path, **change)
    claim(str(tmp_path), "f")
    assert held(tmp_path).pid == os.getpid()
    assert left(tmp_path) == {*SHARD_FILES, *OTHERS}


def test_shards_of_another_configuration_are_removed_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path)
    put(tmp_path, fingerprint="other")
    claim(str(tmp_path), "f")
    assert left(tmp_path) == set(OTHERS)
    assert held(tmp_path).fingerprint == "f"


def test_a_new_build_keeps_the_fingerprint_of_what_lies_there(tmp_path: Path) -> None:
    fill(tmp_path)
    put(tmp_path, fingerprint="other", pid=NOBODY)
    with building(str(tmp_path)):
        assert held(tmp_path).fingerprint == "other"
        assert left(tmp_path) == {*SHARD_FILES, *OTHERS}


def test_the_shards_of_a_claim_that_was_cut_short_are_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / CLAIM).write_bytes(b'{"finger')
    with building(str(tmp_path)):
        assert held(tmp_path).fingerprint == UNKNOWN
        claim(str(tmp_path), "f")
    assert left(tmp_path) == set(OTHERS)


def test_only_files_of_shards_are_cleared(tmp_path: Path) -> None:
    fill(tmp_path)
    clear(str(tmp_path))
    assert left(tmp_path) == set(OTHERS)


def test_one_shard_is_removed(tmp_path: Path) -> None:
    fill(tmp_path)
    remove_shard(str(tmp_path), 0)
    assert left(tmp_path) == {"00001.tar", "100000.tar", *OTHERS}
    remove_shard(str(tmp_path), 7)


def test_rows_of_fragments_become_one_sorted_table(tmp_path: Path) -> None:
    rows = [LedgerRow(stage="s", unit="page", key=f"{n:032x}", outcome="rejected", reason="r") for n in (3, 1, 2, 0)]
    fragments = []
    for name, part in (("a", rows[:2]), ("b", rows[2:])):
        fragments.append(str(tmp_path / f"{name}.parquet"))
        tables.write_records(fragments[-1], LedgerRow, part)
    found = read_fragments("ledger", fragments)
    assert found.count == 4
    entry = write_rows(str(tmp_path), "ledger", "s", found, str(tmp_path))
    path = tmp_path / "ledger" / "s.parquet"
    assert [row.key[-1] for row in tables.read_records(str(path), LedgerRow)] == ["0", "1", "2", "3"]
    assert (entry.name, entry.rows, entry.bytes) == ("ledger/s.parquet", 4, path.stat().st_size)
    assert entry.rows_digest == tables.rows_digest(tables.read_table(str(path)), sort_by=LEDGER_ORDER)


def test_sizes_and_run_are_json(tmp_path: Path) -> None:
    entry = FileEntry(name="00000.tar", sha256="", bytes=1)
    write_sizes(str(tmp_path), [ShardEntry(index=0, tar=entry, sidecar=entry, stats=entry, samples=5)])
    assert (tmp_path / "sizes.json").read_text() == '{\n "00000.tar": 5\n}\n'


def test_a_process_is_alive_only_with_its_own_start() -> None:
    mine = Claim.mine("f")
    assert mine.alive
    assert dataclasses.replace(mine, born="").alive
    assert not dataclasses.replace(mine, born=mine.born + "1").alive
    assert not dataclasses.replace(mine, pid=NOBODY).alive
    assert folder._born(2**22 + 7) == ""
    assert mine.born.isdigit()
    assert mine.who == f"process {os.getpid()} on {socket.gethostname()} since {mine.since}"


def test_run_json_belongs_to_its_manifest(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", "pairs", make_pairs(2), shards=1)
    write_run(dataset, {"b": 1, "a": 2}, read_manifest(dataset))
    run = read_run(dataset)
    assert (run["a"], run["b"], len(run["manifest"])) == (2, 1, 64)
    path = Path(dataset, "run.json")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"a": 2', b'"a": 3'))
    with pytest.raises(DamageError, match=r"run\.json: has changed since it was written"):
        read_run(dataset)
    path.write_bytes(data)
    write_manifest(dataset, dataclasses.replace(read_manifest(dataset), recipe="other"))
    with pytest.raises(DamageError, match=r"run\.json: belongs to another manifest"):
        read_run(dataset)
    Path(dataset, "manifest.json").unlink()  # as a take-down leaves it, until the build has written the dataset again
    assert read_run(dataset)["a"] == 2
