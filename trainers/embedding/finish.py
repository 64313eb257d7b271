"""Checks a folder before its first part is written, and commits it after the last: ledger, then embeddings.json."""

from collections import Counter
from collections.abc import Sequence

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.images.embeddings.manifest import (
    EmbeddingModel,
    EmbeddingsManifest,
    PartEntry,
    check_same,
    is_finished,
    make_identity,
    write_embeddings_manifest,
)
from corpusloom.schemas.images.embeddings.parts import KINDS, SkippedMember, identity_of, skipped_in, write_skipped
from corpusloom.trainers.stream.reading.index import DatasetIndex


def check_folder(folder: str, dataset_digest: str, model: EmbeddingModel) -> None:
    """Raise InputError if a folder holds, or begins to hold, embeddings of another dataset or model."""
    if is_finished(folder):
        check_same(folder, dataset_digest, model)
        return
    identity = make_identity(dataset_digest, model)
    for path in (path for kind in KINDS for path in _parts(folder, kind)):
        if identity_of(storage.join(folder, path)) != identity:
            what = "holds parts of embeddings of another dataset, model or precision"
            raise InputError(what, where=folder, remedy="give another --out, or delete the folder")
    storage.check_writable(folder)


def commit(folder: str, index: DatasetIndex, model: EmbeddingModel, unread: Sequence[SkippedMember]) -> None:
    """Write the ledger of what has no embedding, then embeddings.json; InputError if no image has one."""
    images, texts, scores = ([_entry(folder, name) for name in _parts(folder, kind)] for kind in KINDS)
    skipped = [*unread]
    for part in (*images, *texts):
        skipped += skipped_in(storage.join(folder, part.name))
    if not any(part.rows for part in images):
        reasons = dict(Counter(item.reason for item in skipped)) or "the dataset has none"
        raise InputError(f"no image has an embedding: {reasons}", where=index.path, remedy="run loom verify")
    write_skipped(folder, skipped)
    manifest = EmbeddingsManifest(
        dataset=index.path,
        dataset_digest=index.digest,
        kind=index.kind,
        model=model,
        images=tuple(images),
        texts=tuple(texts),
        scores=tuple(scores),
        skipped=len(skipped),
    )
    write_embeddings_manifest(folder, manifest)


def _parts(folder: str, kind: str) -> list[str]:
    return [f"{kind}/{name}" for name in storage.listing(storage.join(folder, kind), ".parquet")]


def _entry(folder: str, name: str) -> PartEntry:
    return PartEntry(name=name, rows=tables.count_rows(storage.join(folder, name)))
