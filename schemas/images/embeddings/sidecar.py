"""Reads a sidecar of embeddings: by parts, by sha256, and the scores of pairs; one part is in memory at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.images.embeddings.manifest import (
    REMEDY,
    EmbeddingsManifest,
    PartEntry,
    check_fresh,
    read_embeddings_manifest,
)
from corpusloom.schemas.images.embeddings.parts import Part, read_part


@dataclass(frozen=True, slots=True)
class EmbeddingSidecar:
    """A finished sidecar of embeddings."""

    folder: str
    manifest: EmbeddingsManifest

    def image_parts(self) -> Iterator[Part]:
        """Yield the embeddings of distinct images, in the order in which the dataset first shows them."""
        return map(self._part, self.manifest.images)

    def text_parts(self) -> Iterator[Part]:
        """Yield the embeddings of distinct texts."""
        return map(self._part, self.manifest.texts)

    def image_part(self, number: int) -> Part:
        """Return one part of the images."""
        return self._part(self.manifest.images[number])

    def _part(self, entry: PartEntry) -> Part:
        path = storage.join(self.folder, entry.name)
        part = read_part(path)
        if len(part) != entry.rows or part.embeddings.shape[1] != self.manifest.model.width:
            what = f"has {len(part)} rows of {part.embeddings.shape[1]} values"
            raise DamageError(f"{what}, unlike embeddings.json", where=path, remedy=REMEDY)
        return part

    def find(self, sha256s: Collection[str]) -> dict[str, np.ndarray]:
        """Return sha256 -> embedding, (width,) float16, of the images among these that have one."""
        found: dict[str, np.ndarray] = {}
        wanted = pa.array(sorted(set(sha256s)), pa.string())
        for entry in self.manifest.images:
            path = storage.join(self.folder, entry.name)
            names = tables.read_table(path, ["sha256"]).column("sha256")
            rows = pc.indices_nonzero(pc.is_in(names, wanted)).to_pylist()
            if rows:
                part = self._part(entry)
                found |= {names[row].as_py(): part.embeddings[row].copy() for row in rows}
        return found

    def scores(self) -> pa.Table:
        """Return key and score of every pair, in the dataset's order; a score is null if it cannot be computed."""
        return pa.concat_tables(self._scores("key", "score")).combine_chunks()

    def _scores(self, *columns: str) -> Iterator[pa.Table]:
        if not self.manifest.scores:
            what = f"has no scores: the dataset is of {self.manifest.kind}"
            raise InputError(what, where=self.folder, remedy="embed a dataset of pairs or of regions")
        for part in self.manifest.scores:
            yield tables.read_table(storage.join(self.folder, part.name), columns)

    def rows_by_score(self, least: float) -> dict[int, np.ndarray]:
        """Return shard number -> rows of its samples, ascending int64, whose score is at least `least`."""
        found: dict[int, list[np.ndarray]] = {}
        for table in self._scores("shard", "row", "score"):
            scores = table.column("score").to_numpy()  # NaN for null
            shards, rows = (table.column(name).to_numpy()[scores >= least] for name in ("shard", "row"))
            for shard in np.unique(shards).tolist():
                found.setdefault(shard, []).append(rows[shards == shard].astype(np.int64))
        return {shard: np.concatenate(parts) for shard, parts in found.items()}


def open_sidecar(folder: str, dataset_digest: str | None = None) -> EmbeddingSidecar:
    """Open a sidecar; InputError if it is absent, unfinished, or if the dataset has another digest than it had then."""
    manifest = read_embeddings_manifest(folder)
    if dataset_digest is not None:
        check_fresh(manifest, folder, dataset_digest)
    return EmbeddingSidecar(folder, manifest)
