"""The manifest comes back as written; one that is missing, cut or newer is an error with a remedy."""

import dataclasses
import json
from pathlib import Path

import pytest

from corpusloom.schemas.errors import DamageError, InputError, VersionError
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import FileEntry, ShardEntry, StageCounts

FILE = FileEntry(name="00000.tar", sha256="a", bytes=1)
SHARD = ShardEntry(index=0, tar=FILE, sidecar=dataclasses.replace(FILE, rows_digest="r"), stats=FILE, samples=1)
MANIFEST = Manifest(
    recipe="m3w",
    kind="interleaved",
    config="{}",
    inputs=(FILE,),
    shard_count=1,
    samples=1,
    counts=(StageCounts(stage="extract", unit="page", records_in=2, kept=1, rejected={"a": 1}),),
    shards=(SHARD,),
    tables=(dataclasses.replace(FILE, name="provenance/extract.parquet", rows_digest="p"),),
    digest="d",
)


def test_a_written_manifest_is_read_back(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), MANIFEST)
    assert read_manifest(str(tmp_path)) == MANIFEST


@pytest.mark.parametrize(
    ("made", "name", "message"),
    [
        ("", "nowhere", r"nowhere: no such folder \(check the path\)"),
        ("file", "file", "a file, not the folder of a dataset .*loom build"),
        ("empty/x.txt", "empty", r"no manifest\.json: holds no dataset .*loom index"),
        ("half/.building.json", "half", r"the dataset is unfinished \(run loom build again"),
        ("shards/00000.tar", "shards", r"the dataset is unfinished \(run loom build again"),
    ],
)
def test_a_place_without_a_dataset_is_named_for_what_it_is(made: str, name: str, message: str, tmp_path: Path) -> None:
    if made:
        (tmp_path / made).parent.mkdir(exist_ok=True)
        (tmp_path / made).write_text("x")
    with pytest.raises(InputError, match=message):
        read_manifest(str(tmp_path / name))


def test_a_truncated_or_newer_manifest_is_an_error(tmp_path: Path) -> None:
    text = MANIFEST.to_json()
    (tmp_path / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(DamageError, match="not a manifest"):
        read_manifest(str(tmp_path))
    values = json.loads(text) | {"format_version": 99, "something": "new"}
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(VersionError, match="format 99"):
        read_manifest(str(tmp_path))


def test_the_digest_leaves_provenance_out_and_sees_everything_else() -> None:
    digest = make_digest("{}", MANIFEST.shards, MANIFEST.tables)
    assert digest == make_digest("{}", MANIFEST.shards, ())
    other = dataclasses.replace(SHARD, tar=dataclasses.replace(FILE, sha256="b"))
    assert digest != make_digest("{}", (other,), ())
    assert digest != make_digest('{"a":1}', MANIFEST.shards, ())
    ledger = dataclasses.replace(FILE, name="ledger/extract.parquet", rows_digest="q")
    assert digest != make_digest("{}", MANIFEST.shards, (ledger,))


@pytest.mark.parametrize("text", ["[]", "{}", '{"format_version": "x"}', '{"format_version": null}', "not json"])
def test_other_contents_are_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DamageError, match=r"manifest\.json: not a manifest"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("change", [{"colour": 1}, {"shards": [1]}, {"counts": [{"stage": "s"}]}])
def test_a_manifest_of_other_fields_is_damage(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(json.loads(MANIFEST.to_json()) | change))
    with pytest.raises(DamageError, match="not a manifest"):
        read_manifest(str(tmp_path))


def test_a_missing_field_is_damage(tmp_path: Path) -> None:
    values = json.loads(MANIFEST.to_json())
    del values["digest"]
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DamageError, match="not a manifest"):
        read_manifest(str(tmp_path))


def test_the_file_is_sorted_text_in_utf8() -> None:
    text = dataclasses.replace(MANIFEST, config='{"description":"grün"}').to_json()
    assert text.endswith("}\n")
    assert "grün" in text
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert text.split("\n")[1].startswith(' "')


def test_tables_are_told_apart_by_kind() -> None:
    names = ("ledger/b.parquet", "scores/a.parquet", "ledger/a.parquet", "ledgers/a.parquet")
    manifest = dataclasses.replace(MANIFEST, tables=tuple(dataclasses.replace(FILE, name=name) for name in names))
    assert [entry.name for entry in manifest.tables_of("ledger")] == ["ledger/b.parquet", "ledger/a.parquet"]
    assert manifest.tables_of("provenance") == []


def test_the_digest_does_not_depend_on_the_order_of_entries() -> None:
    other = dataclasses.replace(SHARD, index=1, tar=dataclasses.replace(FILE, name="00001.tar"))
    tables = tuple(dataclasses.replace(FILE, name=f"scores/{name}.parquet", rows_digest=name) for name in "ab")
    assert make_digest("{}", (SHARD, other), tables) == make_digest("{}", (other, SHARD), tables[::-1])
    assert make_digest("{}", (SHARD, other), tables) != make_digest("{}", (SHARD, other), tables[:1])
    renamed = dataclasses.replace(SHARD, sidecar=dataclasses.replace(FILE, rows_digest="other"))
    assert make_digest("{}", (SHARD,), ()) != make_digest("{}", (renamed,), ())


def test_the_digest_of_given_entries_never_changes() -> None:
    assert (
        make_digest("{}", MANIFEST.shards, MANIFEST.tables)
        == "fb1529dc1ee8b236c2523224f36ecb8b9006c1bf3d7a95c973c2bdf4f26c5c7d"
    )
