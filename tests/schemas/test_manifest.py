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


def test_it_comes_back(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), MANIFEST)
    assert read_manifest(str(tmp_path)) == MANIFEST


def test_missing_cut_and_newer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unfinished"):
        read_manifest(str(tmp_path))
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
