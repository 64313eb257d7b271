"""The select stage on one machine, over Arrow. `group_decisions` defines each step.

Heads are numbered in the order of their fragments. A step reads one range of heads at a time, only the columns that it
needs, partitions them by key on disk, and reads one partition at a time. Memory holds 1 byte per head between steps (a
code for the reason of its rejection) and 4 more for near-duplicates (its cluster); all else is kept on disk. With
`passes` > 1 a step goes over the heads several times, each time for a part of the keys, and needs less disk at once.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from corpusloom.pipelines.dedup.key_hashes import group_starts, key_numbers
from corpusloom.pipelines.dedup.union_find import Forest
from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.stages.select.corpus import (
    HASH,
    NAME,
    NODE,
    PARTITION_BYTES,
    RANGE_ROWS,
    ROW,
    Range,
    Rows,
    Selection,
    by_key,
    column,
    places_of,
    ranges_of,
    whole_column,
)
from corpusloom.pipelines.stages.select.group_decisions import encode
from corpusloom.pipelines.stages.select.local_counts import count_distinct, count_tokens, mark_frequent, score_entries
from corpusloom.pipelines.stages.select.steps import (
    CountDistinct,
    CountEntries,
    CountTokens,
    DrawEntries,
    Judge,
    KeepOne,
    KeepOneOfNearDuplicates,
    MarkFrequentParagraphs,
    Step,
)
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rule


def select(
    fragments: Sequence[str],
    steps: Sequence[Step],
    folder: str,
    *,
    scratch: str,
    passes: int = 1,
    rows_at_once: int = RANGE_ROWS,
    partition_bytes: int = PARTITION_BYTES,
) -> None:
    """Decide on the heads of fragments; write the decisions as sorted parts, one per range of keys.

    Args:
      fragments: Parquet of Head rows.
      steps: The steps, in order.
      folder: Folder of the decisions.
      scratch: An empty local folder.
      passes: Number of passes over the heads per step, each for a part of the keys.
      rows_at_once: Heads that are read at once.
      partition_bytes: Target size of a partition.
    """
    ranges = ranges_of(fragments, rows_at_once)
    corpus = Selection(ranges, scratch, passes, partition_bytes)
    for number, step in enumerate(steps):
        pace.reach("select", folder, number)
        match step:
            case Judge():
                judge(corpus, step)
            case KeepOne():
                keep_one(corpus, step)
            case KeepOneOfNearDuplicates():
                keep_roots(corpus, step)
            case MarkFrequentParagraphs():
                mark_frequent(corpus, step)
            case CountDistinct():
                count_distinct(corpus, step)
            case CountTokens():
                count_tokens(corpus)
            case DrawEntries() | CountEntries():
                score_entries(corpus, step)
    pace.reach("select", folder, len(steps))
    write_decisions(corpus, folder)


# --- rules ---


def judge(corpus: Selection, step: Judge) -> None:
    """Reject kept heads by the first failing rule on their scores."""
    for part in corpus.ranges:
        table, rows = corpus.kept(part, ["scores"])
        values = {rule.score: score_values(table["scores"].chunk(0), rule.score) for rule in step.rules if len(rows)}
        for name, added in corpus.scores.items():
            places, found = added.read(part)
            whole = np.full(part.rows, np.nan)
            whole[places] = found
            values[name] = whole[rows - part.start]
        left = np.ones(len(rows), dtype=bool)
        for rule in step.rules if len(rows) else ():
            for threshold, missed in missed_bounds(rule, values[rule.score]):
                fails = left & missed
                corpus.reject(rows[fails], values[rule.score][fails], rule.reason, threshold)
                left &= ~missed


def score_values(scores: pa.MapArray, name: str) -> NDArray[np.float64]:
    """Return one score per row, NaN where a row lacks it."""
    values = np.full(len(scores), np.nan)
    offsets = np.asarray(scores.offsets)
    keys, items = scores.keys, scores.items
    found = np.flatnonzero(np.asarray(pc.equal(keys, name)))
    values[np.searchsorted(offsets, found + offsets[0], side="right") - 1] = np.asarray(items)[found]
    return values


def missed_bounds(rule: Rule, values: NDArray[np.float64]) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """Yield each bound of a rule with a mask of the rows that miss it (see `Rule.judge`)."""
    if rule.minimum is not None:
        yield rule.minimum, (values <= rule.minimum) if rule.strict else (values < rule.minimum)
    if rule.maximum is not None:
        yield rule.maximum, (values >= rule.maximum) if rule.strict else (values > rule.maximum)


# --- exact duplicates ---


def keep_one(corpus: Selection, step: KeepOne) -> None:
    """Keep one of the kept heads that share a key, as `group_decisions.keep_one` says."""
    schema = pa.schema([*HASH, ROW, *((name, pa.string()) for name in NAME)])

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table, rows = corpus.kept(part, sorted({step.by, *NAME}))
        numbers = key_numbers(whole_column(table, step.by))
        return by_key(numbers, rows, **{name: table[name] for name in NAME}).cast(schema), places_of(numbers)

    for table in corpus.grouped(schema, parted, 160 * corpus.rows):
        table = tables.sort_rows(table, ("high", "low", *NAME, "row"))
        starts = group_starts(column(table, "high"), column(table, "low"))
        sizes = np.diff([*starts, table.num_rows])
        rows, size_of_row = column(table, "row"), np.repeat(sizes, sizes).astype(np.float64)
        first = np.zeros(len(rows), dtype=bool)
        first[survivors(corpus, table, starts, sizes)] = True
        corpus.reject(rows[~first], size_of_row[~first], step.reason, 1.0)


def survivors(corpus: Selection, table: pa.Table, starts: Rows, sizes: Rows) -> Rows:
    """Return the place of each group's survivor: its first row, or of equal names the one with the smallest content."""
    names = [whole_column(table, name) for name in NAME]
    chosen = starts.copy()
    second = np.flatnonzero(sizes > 1)
    tied = np.ones(len(second), dtype=bool)
    for name in names:
        same = pc.equal(name.take(pa.array(starts[second])), name.take(pa.array(starts[second] + 1)))
        tied &= np.asarray(same)
    rows = column(table, "row")
    for group in second[tied].tolist():
        start, size = int(starts[group]), int(sizes[group])
        alike = [place for place in range(start, start + size) if all(n[place] == n[start] for n in names)]
        chosen[group] = min(alike, key=lambda place: (content(corpus, int(rows[place])), place))
    return chosen


def content(corpus: Selection, row: int) -> bytes:
    """Return the bytes by which `keep_one` breaks ties: the encoded head with the scores and marks of earlier steps."""
    part = next(part for part in corpus.ranges if part.start <= row < part.start + part.rows)
    place = row - part.start
    head = next(arrow.from_table(Head, corpus.read(part).slice(place, 1)))
    added = {name: value for name, store in corpus.scores.items() for value in values_at(store.read(part), place)}
    marks = tuple(sorted(values_at(corpus.marks.read(part), place)))
    return encode(dataclasses.replace(head, scores={**head.scores, **added}, frequent_paragraphs=marks))


def values_at(stored: tuple[Rows, pa.Array], place: int) -> list[Any]:
    """Return the values that a store of a range holds for the row at a place."""
    rows, values = stored
    return list(values.filter(pa.array(rows == place)).to_pylist())


# --- near-duplicates ---


def keep_roots(corpus: Selection, step: KeepOneOfNearDuplicates) -> None:
    """Keep one head per cluster of near-duplicates, as `group_decisions.keep_root` says."""
    forest = clusters(corpus, step)
    linked = np.zeros(corpus.rows, dtype=bool)
    for part in corpus.ranges:
        rows = np.arange(part.start, part.start + part.rows)
        labels = forest.find(rows)
        linked[rows[labels != rows]] = True
        linked[labels[labels != rows]] = True
    schema = pa.schema([("label", pa.int64()), ROW, ("name", pa.string())])

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table, rows = corpus.kept(part, NODE)
        mine = linked[rows]
        labels = forest.find(rows[mine])
        columns = [pa.array(labels), pa.array(rows[mine]), node_names(table.filter(pa.array(mine)))]
        return pa.Table.from_arrays(columns, schema=schema), labels / max(1, corpus.rows)

    for table in corpus.grouped(schema, parted, 130 * int(linked.sum())):
        table = tables.sort_rows(table, ("label", "name", "row"))
        starts = group_starts(column(table, "label"))
        sizes = np.diff([*starts, table.num_rows])
        names = whole_column(table, "name")
        first = np.repeat(starts, sizes)
        new = ~np.asarray(pc.equal(names, names.take(pa.array(np.maximum(np.arange(len(names)) - 1, 0)))))
        new[starts] = True
        distinct = np.repeat(np.add.reduceat(new.astype(np.int64), starts), sizes).astype(np.float64)
        lost = ~np.asarray(pc.equal(names, names.take(pa.array(first))))
        corpus.reject(column(table, "row")[lost], distinct[lost], "near_duplicate", 1.0)


def node_names(table: pa.Table) -> pa.Array:
    """Return the names of heads in the graph, as `group_decisions.node_of` makes them."""
    return pc.binary_join_element_wise(*(whole_column(table, name) for name in NODE), "|")


def clusters(corpus: Selection, step: KeepOneOfNearDuplicates) -> Forest:
    """Return the components of the kept heads that bands connect."""
    schema = pa.schema([*HASH, ROW])

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table, rows = corpus.kept(part, ["bands"] if step.distinct else ["bands", *NODE])
        bands = whole_column(table, "bands")
        numbers, rows_of = key_numbers(bands.flatten()), np.repeat(rows, np.asarray(bands.value_lengths()))
        if not step.distinct:  # those of one name are one node of the graph
            numbers = np.concatenate([numbers, key_numbers(node_names(table))])
            rows_of = np.concatenate([rows_of, rows])
        return by_key(numbers, rows_of), places_of(numbers)

    forest = Forest(corpus.rows)
    for table in corpus.grouped(schema, parted, 24 * corpus.entries("bands")):
        high, low, rows = (column(table, name) for name in ("high", "low", "row"))
        order = np.lexsort((low, high))
        high, low, rows = high[order], low[order], rows[order]
        same = np.flatnonzero((high[1:] == high[:-1]) & (low[1:] == low[:-1]))
        forest.union(rows[same], rows[same + 1])
    return forest


# --- decisions ---


def write_decisions(corpus: Selection, folder: str) -> None:
    """Write every head with its verdict, without the keys that nothing after select needs."""
    schema = arrow.schema(Head)

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table = decided(corpus, part)
        return table, places_of(key_numbers(whole_column(table, "key")))

    for number, table in enumerate(corpus.grouped(schema, parted, 600 * corpus.rows)):
        path = storage.join(folder, f"part-{number:05d}.parquet")
        tables.write_table(path, table, sort_by=("key", "parent"))


def decided(corpus: Selection, part: Range) -> pa.Table:
    """Return the heads of a range with their verdicts."""
    table, schema = corpus.read(part), arrow.schema(Head)
    code = corpus.code[part.start : part.start + part.rows]
    gone = np.flatnonzero(code)
    places, values = corpus.measured.read(part)
    measured = np.zeros(part.rows)
    measured[places] = values
    here = np.zeros(part.rows, dtype=bool)
    here[gone] = True
    reasons, thresholds = (np.array(list(names), dtype=object) for names in zip(*corpus.reasons, strict=True))
    changed: dict[str, pa.Array] = {}
    if len(gone):
        was = {name: whole_column(table, name) for name in ("outcome", "reason", "measured", "threshold")}
        mask, numbers = pa.array(here), pa.array(measured)
        changed["outcome"] = pc.if_else(mask, "rejected", was["outcome"])
        changed["reason"] = pc.if_else(mask, pa.array(reasons[code], pa.string()), was["reason"])
        changed["measured"] = pc.if_else(mask, numbers, was["measured"])
        changed["threshold"] = pc.if_else(mask, pa.array(thresholds[code], pa.float64()), was["threshold"])
    changed["frequent_paragraphs"] = marked(corpus, part)
    if corpus.scores:
        added = {name: store.read(part) for name, store in corpus.scores.items()}
        changed["scores"] = with_scores(table["scores"].chunk(0), added)
    for name in ("bands", "paragraphs", "tokens", "entries"):
        changed[name] = lists_of(np.zeros(part.rows, dtype=np.int64), pa.array([], pa.string()), schema.field(name))
    for name, values in changed.items():
        table = table.set_column(schema.get_field_index(name), schema.field(name), values)
    return table.cast(schema)


def marked(corpus: Selection, part: Range) -> pa.ListArray:
    """Return the frequent paragraphs of each head of a range, sorted."""
    rows, keys = corpus.marks.read(part)
    table = tables.sort_rows(pa.table({"row": pa.array(rows), "key": keys}), ("row", "key"))
    lengths = np.bincount(column(table, "row"), minlength=part.rows)
    return lists_of(lengths, whole_column(table, "key"), arrow.schema(Head).field("frequent_paragraphs"))


def lists_of(lengths: NDArray[np.int64], values: pa.Array, kind: pa.Field) -> pa.ListArray:
    """Return lists of these lengths, filled with values in order."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind.type)


def with_scores(scores: pa.MapArray, added: dict[str, tuple[Rows, pa.Array]]) -> pa.MapArray:
    """Return scores with others added, sorted by name within each row."""
    lengths = np.diff(np.asarray(scores.offsets))
    row, names, values = np.repeat(np.arange(len(scores)), lengths), scores.keys, scores.items
    old = ~np.asarray(pc.is_in(names, pa.array(list(added))))
    table = pa.table({"row": row[old], "name": names.filter(pa.array(old)), "value": values.filter(pa.array(old))})
    more = [
        pa.table({"row": rows, "name": pa.array([name] * len(rows), pa.string()), "value": found})
        for name, (rows, found) in added.items()
    ]
    table = tables.sort_rows(pa.concat_tables([table, *more]), ("row", "name"))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(column(table, "row"), minlength=len(scores)))])
    columns = (whole_column(table, name) for name in ("name", "value"))
    return pa.MapArray.from_arrays(pa.array(offsets.astype(np.int32)), *columns, type=scores.type)
