"""manifest.json, the last file that a build writes, and the digest by which two builds are compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import DamageError, InputError, VersionError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.layout import (
    CLAIM,
    FOREIGN,
    FORMAT_VERSION,
    KINDS,
    MANIFEST,
    is_document,
    is_shard_file,
    is_table_file,
    table_kind,
)
from corpusloom.schemas.records import FileEntry, ShardEntry, StageCounts

_REMEDY = "restore it from a copy, or run loom build again"
_PARTS = ("tar", "sidecar", "stats")
_REMOTE_SCHEMES = ("http", "https", "s3", "gs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of manifest.json. It has no times and no paths of the machine; those are in run.json."""

    VERSION: ClassVar[int] = FORMAT_VERSION
    format_version: int = FORMAT_VERSION
    recipe: str
    kind: str
    """Kind of the samples: interleaved, pairs, clips or regions."""
    config: str
    """The recipe as it ran, as canonical JSON."""
    inputs: tuple[FileEntry, ...]
    """The input files, without numbers of rows."""
    image_generation: int | None = None
    """Generation of the image store's index that the build read."""
    shard_count: int
    """Number of shards (--shards). A shard without samples is not written."""
    samples: int
    counts: tuple[StageCounts, ...]
    shards: tuple[ShardEntry, ...]
    tables: tuple[FileEntry, ...]
    """Files in scores/, ledger/ and provenance/."""
    documents: tuple[FileEntry, ...] = ()
    """croissant.json and README.md. They are made from the other entries, so they are not part of the digest."""
    digest: str

    def tables_of(self, kind: str) -> list[FileEntry]:
        """Return the tables of one kind (ledger, scores or provenance), in their order."""
        return [entry for entry in self.tables if table_kind(entry.name) == kind]

    def to_json(self) -> str:
        """Return the text of the file: sorted keys, indented, with its checksum from format 2 on."""
        plain = arrow.to_plain(self)
        if self.format_version > 1:
            return json_files.seal(plain).decode()
        return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def make_digest(config: str, shards: tuple[ShardEntry, ...], tables: tuple[FileEntry, ...]) -> str:
    """Return a dataset's digest, from the configuration, the sha256 of the tars and the hashes of the tables' rows.

    Provenance is left out, since offsets in WARCs, times and error texts may differ between two equal builds.
    """
    parts: list[Any] = [config]
    parts += [[s.tar.name, s.tar.sha256, s.sidecar.rows_digest] for s in sorted(shards, key=lambda s: s.index)]
    kept = [table for table in tables if table_kind(table.name) != "provenance"]
    parts += [[table.name, table.rows_digest] for table in sorted(kept, key=lambda t: t.name)]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def read_plain(dataset: str) -> dict[str, Any]:
    """Read a manifest.json as plain values; a missing, truncated or newer one is an error."""
    path = storage.join(dataset, MANIFEST)
    if not storage.exists(path):
        raise _no_dataset(dataset)
    data = storage.read_bytes(path)
    try:
        values = json_files.loads(data, path, _REMEDY)
        version = int(values["format_version"])
    except (DamageError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise not_a_manifest(dataset, error) from error
    if version > FORMAT_VERSION:
        raise VersionError(
            f"dataset of format {version}, this corpusloom reads up to {FORMAT_VERSION}",
            where=dataset,
            remedy="upgrade corpusloom",
        )
    if version < 1 or (version > 1 and json_files.CHECKSUM not in values):
        raise DamageError(f"format {version} without a checksum", where=path, remedy=_REMEDY)
    values = json_files.unseal(data, values, path, _REMEDY)
    try:
        check_entries(dataset, values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise not_a_manifest(dataset, error) from error
    return values


def check_entries(dataset: str, values: Mapping[str, Any]) -> None:
    """Check the entries of a manifest before any of its files is opened.

    Names are those of plain files of the dataset's folder; only the tars of an index (`loom index`) may lie elsewhere.
    Counts are not negative. Raises DamageError, or KeyError, TypeError or AttributeError for another structure.
    """
    indexed = values["recipe"] == FOREIGN
    if values["kind"] not in KINDS:
        raise ValueError(f"no kind {values['kind']!r}")
    _check_count(dataset, "samples", values["samples"])
    _check_count(dataset, "shard_count", values["shard_count"])
    for shard in values["shards"]:
        tar = shard["tar"]["name"]
        for number in (shard["index"], shard["samples"], *(shard[part]["bytes"] for part in _PARTS)):
            _check_count(dataset, tar, number)
        for part in _PARTS:
            name = shard[part]["name"]
            if not (is_foreign_tar(dataset, name) if indexed and part == "tar" else is_shard_file(name)):
                raise _outside(dataset, name)
    for entry in values["tables"]:
        if not is_table_file(entry["name"]):
            raise _outside(dataset, entry["name"])
    for entry in values.get("documents") or ():
        if not is_document(entry["name"]):
            raise _outside(dataset, entry["name"])


def _check_count(dataset: str, what: str, number: Any) -> None:
    if not isinstance(number, int) or number < 0:
        where = storage.join(dataset, MANIFEST)
        raise DamageError(f"a count of {what} is {number!r}, not 0 or more", where=where, remedy=_REMEDY)


def _outside(dataset: str, name: str) -> DamageError:
    where = storage.join(dataset, MANIFEST)
    return DamageError(
        f"names {name!r}, which is no file that a build writes into its folder", where=where, remedy="do not use it"
    )


def is_foreign_tar(dataset: str, name: str) -> bool:
    """Return whether an index may name a tar: by a URL, or by a path if the index itself is on this machine.

    An index on a server names URLs, or files below its own folder.
    """
    scheme, separator, _ = name.partition("://")
    if separator:
        return "::" not in name and (scheme in _REMOTE_SCHEMES or (scheme == "file" and storage.is_local(dataset)))
    if storage.is_local(dataset):
        return bool(name) and "::" not in name
    return bool(name) and not name.startswith("/") and ".." not in name.split("/") and "::" not in name


def _no_dataset(dataset: str) -> InputError:
    """Return the error for a folder without a manifest.json: it is missing, holds no dataset, or an unfinished one."""
    finished = "name the --out of a finished loom build, or run loom index on tars that others made"
    if not storage.is_local(dataset):
        return InputError(f"no {MANIFEST}, so no finished dataset", where=dataset, remedy=finished)
    if not storage.exists(dataset):
        return InputError("no such folder", where=dataset, remedy="check the path")
    if not storage.is_folder(dataset):
        return InputError("a file, not the folder of a dataset", where=dataset, remedy=finished)
    names = storage.listing(dataset)
    if any(name == CLAIM or is_shard_file(name) for name in names):
        what = f"no {MANIFEST}: the dataset is unfinished"
        return InputError(what, where=dataset, remedy="run loom build again, which continues")
    return InputError(f"no {MANIFEST}: holds no dataset", where=dataset, remedy=finished)


def not_a_manifest(dataset: str, error: Exception) -> DamageError:
    """Return the error for a manifest.json whose contents are not a manifest."""
    what = error.what if isinstance(error, DamageError) else f"{type(error).__name__}: {error}"
    return DamageError(f"not a manifest: {what}", where=storage.join(dataset, MANIFEST), remedy=_REMEDY)


def read_manifest(dataset: str) -> Manifest:
    """Read a dataset's manifest; a missing, truncated or newer one is an error with a remedy."""
    values = read_plain(dataset)
    try:
        return arrow.from_plain(Manifest, values)
    except (InputError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise not_a_manifest(dataset, error) from error


def write_manifest(dataset: str, manifest: Manifest) -> None:
    """Write the manifest, which commits the dataset."""
    storage.write_bytes(storage.join(dataset, MANIFEST), manifest.to_json().encode())
