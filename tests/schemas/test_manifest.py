"""The manifest comes back as written; one that is missing, cut or newer is an error with a remedy."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from corpusloom.schemas.errors import DamageError, InputError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.manifest import Manifest, is_foreign_tar, make_digest, read_manifest, write_manifest
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


def write_plain(folder: Path, values: dict[str, Any]) -> None:
    """Write a manifest with its checksum, as a program of its own may make one."""
    (folder / "manifest.json").write_bytes(json_files.seal(values))


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
    write_plain(tmp_path, json.loads(MANIFEST.to_json()) | change)
    with pytest.raises(DamageError, match="not a manifest"):
        read_manifest(str(tmp_path))


def test_a_missing_field_is_damage(tmp_path: Path) -> None:
    values = json.loads(MANIFEST.to_json())
    del values["digest"]
    write_plain(tmp_path, values)
    with pytest.raises(DamageError, match="not a manifest"):
        read_manifest(str(tmp_path))


def test_a_changed_byte_anywhere_is_damage(tmp_path: Path) -> None:
    data = MANIFEST.to_json().encode()
    for at in range(0, len(data), 7):
        (tmp_path / "manifest.json").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises((DamageError, VersionError), match=r"manifest\.json|format 3"):
            read_manifest(str(tmp_path))


def test_format_1_has_no_checksum_and_format_2_is_not_read_without(tmp_path: Path) -> None:
    older = dataclasses.replace(MANIFEST, format_version=1)
    write_manifest(str(tmp_path), older)
    assert b"checksum" not in (tmp_path / "manifest.json").read_bytes()
    assert read_manifest(str(tmp_path)) == older
    values = json.loads(MANIFEST.to_json())
    del values["checksum"]
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(DamageError, match="format 2 without a checksum"):
        read_manifest(str(tmp_path))


HOSTILE = (
    "http://127.0.0.1/00000.tar",
    "../00000.tar",
    "/etc/passwd",
    "a/00000.tar",
    "00000.tar/..",
    "",
    "x.tar",
    "s3://b/0.tar",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("part", ["tar", "sidecar", "stats", "tables", "documents"])
def test_a_name_that_no_build_writes_is_refused(tmp_path: Path, part: str, name: str) -> None:
    values = json.loads(MANIFEST.to_json())
    entry = {"name": name, "sha256": "a", "bytes": 1}
    if part in ("tables", "documents"):
        values[part] = [*values[part], entry]
    else:
        values["shards"][0][part] = entry
    write_plain(tmp_path, values)
    with pytest.raises(DamageError, match=r"manifest\.json: names .*no file that a build writes"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize(
    ("index", "name", "accepted"),
    [
        ("/data/index", "http://example.org/0.tar", True),
        ("/data/index", "s3://bucket/0.tar", True),
        ("/data/index", "../tars/0.tar", True),
        ("/data/index", "/tars/0.tar", True),
        ("/data/index", "file:///tars/0.tar", True),
        ("/data/index", "ftp://example.org/0.tar", False),
        ("/data/index", "zip://0.tar::http://example.org/x.zip", False),
        ("/data/index", "", False),
        ("https://example.org/index", "https://other.org/0.tar", True),
        ("https://example.org/index", "tars/0.tar", True),
        ("https://example.org/index", "../0.tar", False),
        ("https://example.org/index", "/etc/passwd", False),
        ("https://example.org/index", "file:///etc/passwd", False),
        ("s3://bucket/index", "/etc/passwd", False),
    ],
)
def test_an_index_on_this_machine_may_name_its_files_and_one_elsewhere_may_not(
    index: str, name: str, accepted: bool
) -> None:
    assert is_foreign_tar(index, name) is accepted


@pytest.mark.parametrize("change", [{"samples": -5}, {"shard_count": -1}, {"samples": 2.5}, {"samples": "3"}])
def test_a_count_that_is_none_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_plain(tmp_path, json.loads(MANIFEST.to_json()) | change)
    with pytest.raises(DamageError, match=r"manifest\.json: a count of \w+ is .*not 0 or more"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize(("part", "name"), [("", "samples"), ("", "index"), ("tar", "bytes"), ("sidecar", "bytes")])
def test_a_negative_number_of_a_shard_is_refused(tmp_path: Path, part: str, name: str) -> None:
    values = json.loads(MANIFEST.to_json())
    shard = values["shards"][0]
    (shard[part] if part else shard)[name] = -5
    write_plain(tmp_path, values)
    with pytest.raises(DamageError, match=r"a count of 00000\.tar is -5, not 0 or more"):
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
