"""manifest.json, the last file that a build writes, and the digest by which two builds are compared."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from corpusloom.schemas import arrow, storage
from corpusloom.schemas.errors import DamageError, InputError, VersionError
from corpusloom.schemas.layout import CLAIM, FORMAT_VERSION, MANIFEST, is_shard_file, table_kind
from corpusloom.schemas.records import FileEntry, ShardEntry, StageCounts


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
        """Return the text of the file: sorted keys, indented, with a newline at the end."""
        return json.dumps(arrow.to_plain(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


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
    try:
        values: dict[str, Any] = json.loads(storage.read_bytes(path))
        version = int(values["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise not_a_manifest(dataset, error) from error
    if version > FORMAT_VERSION:
        raise VersionError(
            f"dataset of format {version}, this corpusloom reads up to {FORMAT_VERSION}",
            where=dataset,
            remedy="upgrade corpusloom",
        )
    return values


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
    where = storage.join(dataset, MANIFEST)
    return DamageError(f"not a manifest: {error}", where=where, remedy="run loom build again")


def read_manifest(dataset: str) -> Manifest:
    """Read a dataset's manifest; a missing, truncated or newer one is an error with a remedy."""
    values = read_plain(dataset)
    try:
        return arrow.from_plain(Manifest, values)
    except (InputError, TypeError, KeyError, AttributeError) as error:
        raise not_a_manifest(dataset, error) from error


def write_manifest(dataset: str, manifest: Manifest) -> None:
    """Write the manifest, which commits the dataset."""
    storage.write_bytes(storage.join(dataset, MANIFEST), manifest.to_json().encode())
