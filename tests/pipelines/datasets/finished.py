"""A small finished dataset with ledger, scores and provenance, written by the same code as a build's."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpusloom.pipelines.store.dataset.folder import TABLES, read_fragments, write_rows
from corpusloom.schemas import identity, tables
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow, StageCounts
from tests.trainers.stream.datasets import make_dataset, make_pairs

PAGE = "http://a.example/page"
IMAGE = "http://a.example/image.jpg"
COUNTS = (
    StageCounts(stage="extract", unit="record", records_in=2, kept=1, rejected={"http_404": 1}),
    StageCounts(stage="images", unit="image", records_in=3, kept=1, rejected={"too_small": 1}, dead={"timeout": 1}),
)
LEDGER = (
    LedgerRow(stage="extract", unit="record", key="0" * 32, url=PAGE, outcome="rejected", reason="http_404"),
    LedgerRow(
        stage="images", unit="image", key=identity.image_key(IMAGE), parent=identity.page_key(PAGE), url=IMAGE,
        outcome="rejected", reason="too_small", measured=9.0, threshold=10.0,
    ),
    LedgerRow(stage="images", unit="image", key="2" * 32, url="http://b.example/", outcome="dead", reason="timeout"),
)  # fmt: skip
SCORES = (
    ScoreRow(
        stage="images", unit="image", key=identity.image_key(IMAGE), parent=identity.page_key(PAGE),
        outcome="rejected", scores={"side": 9.0},
    ),
)  # fmt: skip
PROVENANCE = (ProvenanceRow(stage="extract", key="3" * 32, url="http://c.example/", fetched_at="2026-01-02T00:00:00Z"),)


def finished_dataset(folder: Path, samples: int = 12, shards: int = 2) -> str:
    """Write a dataset of pairs whose counts and tables agree; return its path."""
    dataset = make_dataset(folder / "data", "pairs", make_pairs(samples), shards=shards)
    entries = [
        _write_table(dataset, folder, "ledger", stage, [row for row in LEDGER if row.stage == stage])
        for stage in ("extract", "images")
    ]
    entries.append(_write_table(dataset, folder, "scores", "images", SCORES))
    entries.append(_write_table(dataset, folder, "provenance", "extract", PROVENANCE))
    change_manifest(dataset, counts=COUNTS, tables=tuple(entries))
    return dataset


def _write_table(dataset: str, folder: Path, kind: str, stage: str, rows: Sequence[Any]) -> Any:
    cls, order = TABLES[kind]
    fragment = str(folder / f"{kind}-{stage}.parquet")
    tables.write_records(fragment, cls, rows, sort_by=order)
    return write_rows(dataset, kind, stage, read_fragments(kind, [fragment]), str(folder))


def change_manifest(dataset: str, *, keep_digest: bool = False, **changes: Any) -> Manifest:
    """Write the manifest with some fields changed, its digest made again unless `keep_digest`."""
    manifest = dataclasses.replace(read_manifest(dataset), **changes)
    if not keep_digest:
        digest = make_digest(manifest.config, manifest.shards, manifest.tables)
        manifest = dataclasses.replace(manifest, digest=digest)
    write_manifest(dataset, manifest)
    return manifest
