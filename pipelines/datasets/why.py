"""Explains the outcome of a page or image: lists each stage's decision on it and on the records made from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from corpusloom.schemas import arrow, identity, layout, storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow, SidecarRow

STAGES = ("extract", "select", "images", "shards")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The outcome of one record in one stage."""

    stage: str
    unit: str
    key: str
    parent: str | None
    url: str | None
    outcome: str
    reason: str | None = None
    measured: float | None = None
    threshold: float | None = None
    scores: dict[str, float] | None = None
    note: str | None = None
    """Shard, size and split of a kept sample, as text."""


def keys_of(name: str) -> set[str]:
    """Return the keys of a name: itself if it is a key, else the page key and the image key of the URL."""
    if len(name) == layout.KEY_DIGITS and all(digit in "0123456789abcdef" for digit in name):
        return {name}
    return {identity.page_key(name), identity.image_key(name)}


def why(dataset: str, name: str) -> list[Event]:
    """Return the events of a URL or key, in order of the stages; an unknown one is an InputError."""
    manifest = read_manifest(dataset)
    keys = keys_of(name)
    keys |= {row.key for row in _ledger(dataset, manifest, "url", {name})}
    keys |= {row.key for row in _provenance(dataset, manifest, "url", {name})}
    keys |= {row.parent for row in _scores(dataset, manifest, "key", keys) if row.parent}
    events = list(_events(dataset, manifest, keys))
    if not events:
        raise InputError(
            f"no record of {name}",
            where=dataset,
            remedy="check that it was in the input: loom extract WARC --url prints a page",
        )
    order = {stage: number for number, stage in enumerate(STAGES)}
    last = len(STAGES)
    return sorted(events, key=lambda event: (order.get(event.stage, last), event.unit, event.key, event.url or ""))


def _events(dataset: str, manifest: Manifest, keys: set[str]) -> Iterator[Event]:
    reasons = {}
    for column in ("key", "parent"):
        for row in _ledger(dataset, manifest, column, keys):
            reasons[row.stage, row.unit, row.key, row.parent] = row
    scored = set()
    for column in ("key", "parent"):
        for score in _scores(dataset, manifest, column, keys):
            name = (score.stage, score.unit, score.key, score.parent)
            if name not in scored:
                scored.add(name)
                yield _event(score, reasons.get(name))
    for name, row in reasons.items():
        if name not in scored:
            yield Event(
                stage=row.stage, unit=row.unit, key=row.key, parent=row.parent, url=row.url, outcome=row.outcome,
                reason=row.reason, measured=row.measured, threshold=row.threshold,
            )  # fmt: skip
    yield from _samples(dataset, manifest, keys)


def _event(score: ScoreRow, row: LedgerRow | None) -> Event:
    return Event(
        stage=score.stage,
        unit=score.unit,
        key=score.key,
        parent=score.parent,
        url=row.url if row else None,
        outcome=score.outcome,
        reason=row.reason if row else None,
        measured=row.measured if row else None,
        threshold=row.threshold if row else None,
        scores=score.scores or None,
    )


def _samples(dataset: str, manifest: Manifest, keys: set[str]) -> Iterator[Event]:
    for key in sorted(keys):
        for shard in manifest.shards:
            if shard.index != layout.shard_of(key, manifest.shard_count):
                continue
            path = storage.join(dataset, shard.sidecar.name)
            for row in arrow.from_table(SidecarRow, _matching(path, "key", {key}), path):
                note = f"in {shard.tar.name}: {row.images} images, {row.text_length} characters, split {row.split}"
                yield Event(stage="shards", unit="sample", key=key, parent=None, url=row.url, outcome="kept", note=note)


def _matching(path: str, column: str, values: set[str]) -> pa.Table:
    table = tables.read_table(path)
    return table.filter(pc.is_in(table[column], pa.array(sorted(values), pa.string())))


def _rows(dataset: str, manifest: Manifest, kind: str, column: str, values: set[str]) -> Iterator[tuple[str, pa.Table]]:
    for entry in manifest.tables_of(kind):
        path = storage.join(dataset, entry.name)
        yield path, _matching(path, column, values)


def _ledger(dataset: str, manifest: Manifest, column: str, values: set[str]) -> Iterator[LedgerRow]:
    for path, table in _rows(dataset, manifest, "ledger", column, values):
        yield from arrow.from_table(LedgerRow, table, path)


def _scores(dataset: str, manifest: Manifest, column: str, values: set[str]) -> Iterator[ScoreRow]:
    for path, table in _rows(dataset, manifest, "scores", column, values):
        yield from arrow.from_table(ScoreRow, table, path)


def _provenance(dataset: str, manifest: Manifest, column: str, values: set[str]) -> Iterator[ProvenanceRow]:
    for path, table in _rows(dataset, manifest, "provenance", column, values):
        yield from arrow.from_table(ProvenanceRow, table, path)
