"""Reads the decisions of the select stage: ledger rows, counts, and image URLs of the kept records."""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.store.dataset.folder import TableRows
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import Stage
from corpusloom.pipelines.store.tombstones import HIDDEN
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.records import Head, ImageRecord, LedgerRow, ScoreRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict

_TOLD = ["unit", "key", "parent", "url", "scores", "outcome", "reason", "measured", "threshold"]
FULL = (1 << 16) - 1
"""Counters saturate here (uint16); fuller buckets are counted again exactly."""
CHECKSUMS = 1 << 24
"""Buckets in which image URLs are counted first, by checksum. URLs of too full buckets are then counted exactly."""


def decisions(stage: Stage, outcome: str | None = None) -> Iterator[Head]:
    """Yield the decided heads of a select stage."""
    for path in decision_files(stage):
        for row in tables.read_records(path, Head):
            if outcome is None or row.outcome == outcome:
                yield row


def decision_files(stage: Stage) -> list[str]:
    """Return the files of a select stage's decisions, in order of their keys."""
    return [stage.path("decisions", name) for name in storage.listing(stage.path("decisions"))]


def decision_rows(stage: Stage, kind: str) -> TableRows:
    """Return the ledger or score rows of a select stage, one file at a time. It has no provenance."""
    paths = decision_files(stage) if kind != "provenance" else []
    return TableRows(sum(map(tables.count_rows, paths)), (_told(path, kind) for path in paths))


def _told(path: str, kind: str) -> pa.Table:
    table = arrow.upgrade(Head, tables.read_table(path), path).select(_TOLD)
    columns = {name: table[name] for name in table.column_names}
    columns["stage"] = pa.chunked_array([pa.repeat(pa.scalar("select"), table.num_rows)])
    columns["url"] = pc.if_else(pc.equal(table["url"], ""), pa.scalar(None, pa.string()), table["url"])
    if kind == "scores":
        return _rows(ScoreRow, columns)
    return _rows(LedgerRow, columns).filter(pc.not_equal(table["outcome"], "kept"))


def _rows(cls: type, columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Return a table of the columns that a record class has."""
    schema = arrow.schema(cls)
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)


def count_decisions(stage: Stage) -> tuple[StageCounts, ...]:
    """Return the counts of a select stage. Three columns are read, one file at a time."""
    found: Counter[tuple[str, str | None]] = Counter()
    for path in decision_files(stage):
        table = tables.read_table(path, ["unit", "outcome", "reason"])
        rows = table.group_by(["unit", "outcome", "reason"]).aggregate([([], "count_all")]).to_pylist()
        for row in rows:
            reason = None if row["outcome"] == "kept" else row["reason"]
            found[row["unit"], reason] += row["count_all"]
    return tuple(
        StageCounts(
            stage="select",
            unit=unit,
            records_in=sum(number for (of, _), number in found.items() if of == unit),
            kept=found[unit, None],
            rejected={reason: found[of, reason] for of, reason in sorted(found, key=str) if of == unit and reason},
            dead={},
        )
        for unit in sorted({unit for unit, _ in found})
    )


def kept_images(stage: Stage) -> Iterator[pa.ListArray]:
    """Yield the image URLs of kept heads, one list per head, in chunks of one file."""
    for path in decision_files(stage):
        table = tables.read_table(path, ["images", "outcome"])
        # Not pc.equal: scalars of Arrow import pandas, which costs a build that reuses everything .3 s.
        table = table.filter(pc.match_like(table["outcome"], "kept")).combine_chunks()
        yield from table["images"].chunks


def frequent_urls(select: Stage, recipe: Recipe) -> list[str]:
    """Return the image URLs that occur on more kept pages than the recipe allows, before any of them is fetched.

    URLs are counted by checksum in a table of fixed size, then those of too full buckets by URL.
    """
    most = recipe.filters.images.max_url_count
    if most is None:
        return []
    places = np.zeros(CHECKSUMS, dtype=np.uint16)
    for lists in kept_images(select):
        found, often = np.unique(_checksums(_distinct(lists)), return_counts=True)
        places[found] = np.minimum(places[found] + often, FULL)
    counts: Counter[str] = Counter()
    for lists in kept_images(select):
        urls = _distinct(lists)
        counts.update(urls.filter(pa.array(places[_checksums(urls)] > min(most, FULL - 1))).to_pylist())
    return sorted(url for url, count in counts.items() if count > most)


def _distinct(lists: pa.ListArray) -> pa.Array:
    """Return the distinct URLs of each list, concatenated."""
    table = pa.table({"list": pc.list_parent_indices(lists), "url": lists.flatten()})
    return table.group_by(["list", "url"], use_threads=False).aggregate([])["url"].combine_chunks()


def _checksums(urls: pa.Array) -> NDArray[np.int64]:
    values = (zlib.crc32(url) for url in urls.cast(pa.binary()).to_pylist())
    return np.fromiter(values, dtype=np.int64, count=len(urls)) % CHECKSUMS


def image_ledger(store_folder: str, urls: list[str]) -> Ledger:
    """Return the ledger of a build's image URLs, with the outcome of each in the store."""
    ledger, index = Ledger("images"), ImageStore(store_folder).index()
    for key, url in sorted({identity.image_key(url): url for url in urls}.items()):
        ledger.record(_outcome(index.find(key)), unit="image", key=key, url=url)
    return ledger


def _outcome(record: ImageRecord | None) -> Verdict:
    if record is None:
        return Dead("not_fetched")
    if record.outcome == "kept":
        return Kept()
    if record.outcome == "rejected":
        return Rejected(record.reason or "unknown")
    return Dead(record.reason or "unknown")


def wanted_urls(select: Stage, recipe: Recipe) -> list[str]:
    """Return the image URLs of kept records, sorted, without the too frequent and the taken-down ones."""
    frequent = set(frequent_urls(select, recipe))
    found = {url for lists in kept_images(select) for url in lists.flatten().unique().to_pylist()}
    return sorted(url for url in found - frequent if not url.startswith(HIDDEN))
