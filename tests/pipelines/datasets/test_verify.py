"""Each kind of damage is found with its file and kind, at each depth that covers it."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.datasets.damage import REINDEX, Damage, DamageKind
from corpusloom.pipelines.datasets.verify import Depth, members_of, unproved, verify
from corpusloom.pipelines.store import lineage
from corpusloom.pipelines.store.dataset.folder import write_run
from corpusloom.schemas import arrow, layout, storage, tables
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import SidecarRow, StageCounts
from tests.pipelines.datasets.finished import COUNTS, change_manifest, finished_dataset

DEPTHS: tuple[Depth, ...] = ("quick", "full", "deep")


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    return finished_dataset(tmp_path)


def kinds(dataset: str, depth: Depth = "full") -> list[tuple[DamageKind, str, int | None]]:
    return [(damage.kind, damage.where, damage.shard) for damage in verify(dataset, depth)]


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_whole_dataset_has_no_damage(dataset: str, depth: Depth) -> None:
    assert list(verify(dataset, depth)) == []


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        list(verify(str(tmp_path)))


def test_every_shard_is_reported(dataset: str) -> None:
    calls: list[int] = []
    assert list(verify(dataset, "quick", on_shard=lambda: calls.append(1))) == []
    assert len(calls) == 2


@pytest.mark.parametrize("suffix", [".tar", ".parquet", "_stats.json"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_missing_file_of_a_shard_is_found(dataset: str, suffix: str, depth: Depth) -> None:
    Path(dataset, f"00001{suffix}").unlink()
    assert kinds(dataset, depth) == [(DamageKind.MISSING_FILE, f"00001{suffix}", 1)]


@pytest.mark.parametrize("depth", DEPTHS)
def test_another_size_is_found(dataset: str, depth: Depth) -> None:
    path = Path(dataset, "00000.tar")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"x")
    (damage,) = verify(dataset, depth)
    assert damage == Damage(kind=DamageKind.WRONG_SIZE, where="00000.tar", shard=0, found=size + 1, expected=size)


def test_a_flipped_bit_is_found_unless_quick(dataset: str) -> None:
    flip(Path(dataset, "00001.tar"), 700)
    assert kinds(dataset, "quick") == []
    assert kinds(dataset) == [(DamageKind.WRONG_HASH, "00001.tar", 1)]


def forge(dataset: str, name: str) -> None:
    """Write a file's current hash and size into the manifest."""
    manifest = read_manifest(dataset)
    digest, size = storage.hash_file(str(Path(dataset, name)))

    def renewed(entry: object) -> object:
        if getattr(entry, "name", "") == name:
            return dataclasses.replace(entry, sha256=digest, bytes=size)  # type: ignore[type-var]
        return entry

    shards = tuple(
        dataclasses.replace(shard, tar=renewed(shard.tar), sidecar=renewed(shard.sidecar)) for shard in manifest.shards
    )
    change_manifest(dataset, shards=shards, tables=tuple(map(renewed, manifest.tables)))


def first_member(dataset: str) -> tuple[str, int]:
    row = next(iter(tables.read_records(str(Path(dataset, "00000.parquet")), SidecarRow)))
    return layout.member_name(row.key, row.members[0].field), row.members[0].offset


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_member_that_is_not_where_its_row_says_is_found_unless_quick(dataset: str, depth: Depth) -> None:
    name, offset = first_member(dataset)
    flip(Path(dataset, "00000.tar"), offset - 512)  # the first letter of its name
    forge(dataset, "00000.tar")
    found = list(verify(dataset, depth))
    damage = Damage(kind=DamageKind.WRONG_HEADER, where="00000.tar", shard=0, subject=name, expected=offset)
    assert found == ([] if depth == "quick" else [damage])


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_member_of_other_bytes_is_found_by_a_deep_verify(dataset: str, depth: Depth) -> None:
    name, offset = first_member(dataset)
    flip(Path(dataset, "00000.tar"), offset)
    forge(dataset, "00000.tar")
    found = list(verify(dataset, depth))
    damage = Damage(kind=DamageKind.WRONG_MEMBER, where="00000.tar", shard=0, subject=name)
    assert found == ([damage] if depth == "deep" else [])


def test_the_header_of_another_writer_is_accepted(dataset: str) -> None:
    _, offset = first_member(dataset)
    flip(Path(dataset, "00000.tar"), offset - 512 + 265)  # a letter of the owner's name
    forge(dataset, "00000.tar")
    assert kinds(dataset) == []


@pytest.mark.parametrize("place", [124 + 9, 257])  # a digit of the size, the magic
def test_a_header_of_another_size_or_format_is_damage(dataset: str, place: int) -> None:
    _, offset = first_member(dataset)
    flip(Path(dataset, "00000.tar"), offset - 512 + place)
    forge(dataset, "00000.tar")
    assert kinds(dataset) == [(DamageKind.WRONG_HEADER, "00000.tar", 0)]


def test_another_number_of_rows_in_a_sidecar_is_found(dataset: str) -> None:
    manifest = read_manifest(dataset)
    shards = (dataclasses.replace(manifest.shards[0], samples=99), *manifest.shards[1:])
    change_manifest(dataset, shards=shards)
    rows = tables.count_rows(str(Path(dataset, "00000.parquet")))
    found = list(verify(dataset))
    assert Damage(kind=DamageKind.WRONG_ROW_COUNT, where="00000.parquet", shard=0, found=rows, expected=99) in found
    kinds_found = {damage.kind for damage in found if damage.where != "sizes.json"}
    assert kinds_found == {DamageKind.WRONG_ROW_COUNT, DamageKind.WRONG_SAMPLE_COUNT}


def test_a_sidecar_that_cannot_be_read_is_damage_and_the_rest_is_verified(dataset: str) -> None:
    path = Path(dataset, "00000.parquet")
    path.write_bytes(b"x" * path.stat().st_size)
    forge(dataset, "00000.parquet")
    Path(dataset, "00001.tar").unlink()
    found = kinds(dataset)
    assert (DamageKind.UNREADABLE_FILE, "00000.parquet", 0) in found
    assert (DamageKind.MISSING_FILE, "00001.tar", 1) in found
    (reason,) = {d.subject for d in verify(dataset) if d.kind == DamageKind.UNREADABLE_FILE}
    assert reason.startswith("not a readable Parquet file")


def replace_table(dataset: str, name: str, change: Callable[[list[dict[str, object]]], None]) -> None:
    """Change the rows of a table, and the manifest's hash of its bytes."""
    path = Path(dataset, name)
    schema = pq.read_schema(path)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    import pyarrow as pa

    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    forge(dataset, name)


def test_other_rows_in_a_table_are_found_unless_quick(dataset: str) -> None:
    replace_table(dataset, "ledger/images.parquet", lambda rows: rows[0].update(url="http://changed.example/"))
    assert kinds(dataset, "quick") == []
    assert kinds(dataset) == [(DamageKind.WRONG_ROWS, "ledger/images.parquet", None)]


def test_a_table_that_lost_a_row_is_found_even_when_quick(dataset: str) -> None:
    replace_table(dataset, "ledger/images.parquet", lambda rows: rows.pop())
    assert list(verify(dataset, "quick")) == [
        Damage(kind=DamageKind.WRONG_ROW_COUNT, where="ledger/images.parquet", found=1, expected=2)
    ]
    found = list(verify(dataset))
    assert [damage.kind for damage in found] == [
        DamageKind.WRONG_ROW_COUNT,
        DamageKind.WRONG_ROWS,
        DamageKind.WRONG_LEDGER_COUNT,
    ]
    assert (found[-1].subject, found[-1].found, found[-1].expected) == ("images / image / rejected / too_small", 0, 1)


def test_a_table_that_is_no_table_is_unreadable(dataset: str) -> None:
    path = Path(dataset, "scores/images.parquet")
    path.write_bytes(b"x" * path.stat().st_size)
    forge(dataset, "scores/images.parquet")
    assert kinds(dataset, "quick") == [(DamageKind.UNREADABLE_FILE, "scores/images.parquet", None)]


def test_rows_of_an_older_version_are_upgraded_before_they_are_hashed(
    dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(dataset, "ledger/images.parquet")
    table = pq.read_table(path)
    old = {**table.schema.metadata, b"corpusloom.version": b"0"}
    pq.write_table(table.replace_schema_metadata(old), path)
    forge(dataset, "ledger/images.parquet")
    monkeypatch.setitem(
        arrow.UPGRADES, ("LedgerRow", 0), lambda table: table.replace_schema_metadata(table.schema.metadata | {})
    )
    monkeypatch.setitem(
        arrow.UPGRADES,
        ("LedgerRow", 0),
        lambda table: table.select(table.column_names[::-1]),  # another order of columns: another schema
    )
    assert [damage for damage in verify(dataset) if damage.kind == DamageKind.WRONG_ROWS] == []


def test_a_tar_that_the_manifest_does_not_list_is_foreign(dataset: str) -> None:
    Path(dataset, "00007.tar").write_bytes(b"x")
    Path(dataset, "notes.txt").write_bytes(b"x")
    (damage,) = verify(dataset, "quick")
    assert (damage.kind, damage.where, damage.shard) == (DamageKind.FOREIGN_FILE, "00007.tar", None)
    assert damage.remedy == "move the foreign file out of the folder"


def test_counts_that_do_not_add_up_are_found(dataset: str) -> None:
    short = StageCounts(stage="extract", unit="page", records_in=5, kept=3)
    select = StageCounts(stage="select", unit="page", records_in=2, kept=2)
    change_manifest(dataset, counts=(*COUNTS, short, select), samples=5)
    lost, gap, empty, total = verify(dataset, "quick")
    assert (lost.kind, lost.found, lost.subject) == (DamageKind.UNACCOUNTED, 2, "stage extract, unit page")
    assert (gap.kind, gap.subject) == (
        DamageKind.COUNT_GAP,
        "stage extract kept 3 of unit page, stage select took in 2",
    )
    assert empty.subject == "stage select kept 2 of unit page, stage shards took in 0"
    assert (total.kind, total.found, total.expected) == (DamageKind.WRONG_SAMPLE_COUNT, 12, 5)
    assert {damage.where for damage in (lost, gap, empty, total)} == {"manifest.json"}


def test_a_digest_of_other_entries_is_found(dataset: str) -> None:
    change_manifest(dataset, keep_digest=True, digest="0" * 64)
    (damage,) = verify(dataset, "quick")
    assert (damage.kind, damage.where, damage.remedy) == (
        DamageKind.WRONG_DIGEST,
        "manifest.json",
        "rebuild the dataset",
    )


def test_keys_in_a_wrong_shard_are_found(dataset: str) -> None:
    change_manifest(dataset, shard_count=1)
    found = kinds(dataset)
    assert set(found) == {(DamageKind.MISPLACED_KEY, "00001.parquet", 1)}
    assert len(found) == tables.count_rows(str(Path(dataset, "00001.parquet")))
    assert kinds(dataset, "quick") == []


def test_a_key_that_occurs_twice_is_found(dataset: str) -> None:
    manifest = read_manifest(dataset)
    first = manifest.shards[0]
    change_manifest(dataset, shards=(*manifest.shards, first), samples=manifest.samples + first.samples)
    rows = list(tables.read_records(str(Path(dataset, first.sidecar.name)), SidecarRow))
    found = list(verify(dataset))
    assert {damage.kind for damage in found} == {DamageKind.DUPLICATE_KEY}
    assert [damage.subject for damage in found] == [row.key for row in rows]


def test_members_have_the_names_of_their_tar(dataset: str) -> None:
    path = str(Path(dataset, "00000.parquet"))
    rows = list(tables.read_records(path, SidecarRow))
    expected = [
        (f"{row.key}.{member.field}", member.offset, member.size, member.stored_sha256)
        for row in rows
        for member in row.members
    ]
    assert list(members_of(tables.read_table(path))) == expected


def as_index(dataset: str, *, hashed: bool = True) -> None:
    manifest = read_manifest(dataset)
    shards = manifest.shards
    if not hashed:
        shards = tuple(
            dataclasses.replace(shard, tar=dataclasses.replace(shard.tar, sha256="")) for shard in manifest.shards
        )
    change_manifest(dataset, recipe=layout.FOREIGN, shards=shards, tables=(), counts=())


def test_the_tars_of_an_index_are_compared_by_whoever_indexed_them(dataset: str) -> None:
    as_index(dataset)
    asked: list[tuple[str, int, bool]] = []

    def check_tar(path: str, rows: Iterable[SidecarRow], hashes: bool, /) -> Iterator[str]:
        asked.append((path, len(list(rows)), hashes))
        yield "a member moved"

    assert list(verify(dataset, "quick", check_tar=check_tar)) == []
    assert asked == []
    found = list(verify(dataset, "full", check_tar=check_tar))
    assert [(d.kind, d.where, d.shard, d.subject, d.remedy) for d in found] == [
        (DamageKind.TAR_DIFFERS, f"0000{n}.tar", n, "a member moved", REINDEX) for n in (0, 1)
    ]
    assert [(Path(path).name, hashes) for path, _, hashes in asked] == [("00000.tar", False), ("00001.tar", False)]
    assert sum(rows for _, rows, _ in asked) == 12
    asked.clear()
    list(verify(dataset, "deep", check_tar=check_tar))
    assert [hashes for _, _, hashes in asked] == [True, True]


def test_an_index_without_hashes_compares_sizes(dataset: str) -> None:
    as_index(dataset, hashed=False)
    flip(Path(dataset, "00000.tar"), 700)
    assert kinds(dataset, "deep") == []
    Path(dataset, "00000.tar").write_bytes(b"")
    (damage,) = verify(dataset)
    assert (damage.kind, damage.remedy) == (DamageKind.WRONG_SIZE, REINDEX)


def test_damage_of_an_index_is_mended_by_indexing_again(dataset: str) -> None:
    as_index(dataset)
    change_manifest(dataset, keep_digest=True, digest="0" * 64, samples=7)
    total, digest = verify(dataset, "quick")
    assert (total.kind, digest.kind, digest.remedy) == (
        DamageKind.WRONG_SAMPLE_COUNT,
        DamageKind.WRONG_DIGEST,
        REINDEX,
    )


def test_a_tar_on_a_server_that_is_not_public_is_not_asked_for(dataset: str) -> None:
    as_index(dataset, hashed=False)
    manifest = read_manifest(dataset)
    shards = tuple(
        dataclasses.replace(shard, tar=dataclasses.replace(shard.tar, name=f"http://127.0.0.1:9/{shard.tar.name}"))
        for shard in manifest.shards
    )
    write_manifest(
        dataset, dataclasses.replace(manifest, shards=shards, digest=make_digest("{}", shards, manifest.tables))
    )
    found = [damage for damage in verify(dataset, "quick") if damage.kind == DamageKind.UNREADABLE_FILE]
    assert {damage.subject for damage in found} == {"its server is not asked: address_not_public: 127.0.0.1 port 9"}
    assert "--allow-addresses" in found[0].remedy
    allowed = list(verify(dataset, "quick", policy=AddressPolicy(("127.0.0.1:9",))))
    assert DamageKind.MISSING_FILE in {damage.kind for damage in allowed}


@pytest.mark.parametrize("name", ["sizes.json", "run.json", "derived.json"])
def test_a_file_beside_the_manifest_is_checked(dataset: str, name: str) -> None:
    write_run(dataset, {"started": 1.5}, read_manifest(dataset))
    lineage.record(dataset, lineage.Derived(kind="report", path="/r.html"))
    assert kinds(dataset) == []
    path = Path(dataset, name)
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1).replace(b"r.html", b"s.html"))
    (damage,) = verify(dataset, "quick")
    assert damage.where == name


@pytest.mark.parametrize("at", [0.1, 0.5, 0.99])
def test_a_flipped_byte_of_a_ledger_is_one_line_that_names_it(dataset: str, at: float) -> None:
    path = Path(dataset, "ledger/images.parquet")
    flip(path, int(at * path.stat().st_size))
    assert [(damage.kind, damage.where) for damage in verify(dataset)] == [
        (DamageKind.WRONG_HASH, "ledger/images.parquet")
    ]
    assert {damage.where for damage in verify(dataset, "quick")} <= {"ledger/images.parquet"}


def test_the_summary_says_what_a_verify_has_not_checked(dataset: str) -> None:
    assert [unproved(read_manifest(dataset), depth) for depth in DEPTHS] == ["", "", ""]
    as_index(dataset)
    assert unproved(read_manifest(dataset), "quick") == ", an index: sizes only"
    assert unproved(read_manifest(dataset), "full") == ", an index: hashes and offsets"
    as_index(dataset, hashed=False)
    assert "--hashes" in unproved(read_manifest(dataset), "deep")


def test_the_manifest_of_the_fixture_is_a_real_one(dataset: str) -> None:
    plain = json.loads(Path(dataset, "manifest.json").read_text())
    assert [entry["name"] for entry in plain["tables"]] == [
        "ledger/extract.parquet",
        "ledger/images.parquet",
        "scores/images.parquet",
        "provenance/extract.parquet",
    ]
