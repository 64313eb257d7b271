"""The steps of the select stage on one machine that count keys of heads; `group_decisions` defines each step."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpusloom.pipelines.dedup.key_hashes import group_starts, key_numbers
from corpusloom.pipelines.filters.pairs.entries import draw
from corpusloom.pipelines.stages.select.corpus import (
    HASH,
    ROW,
    Range,
    Rows,
    Selection,
    by_key,
    column,
    places_of,
    whole_column,
)
from corpusloom.pipelines.stages.select.group_decisions import (
    ENTRY_COUNT,
    ENTRY_DRAW,
    TOKEN_COUNT,
    TOKEN_RANK,
    token_ranks,
)
from corpusloom.pipelines.stages.select.steps import CountDistinct, CountEntries, DrawEntries, MarkFrequentParagraphs
from corpusloom.schemas import tables


def mark_frequent(corpus: Selection, step: MarkFrequentParagraphs) -> None:
    """Mark frequent paragraphs of kept heads, as `group_decisions.mark_frequent` says."""
    schema = pa.schema([*HASH, ROW, ("paragraph", pa.string())])

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table, rows = corpus.kept(part, ["paragraphs"])
        paragraphs = whole_column(table, "paragraphs")
        keys = paragraphs.flatten()
        numbers, rows_of = key_numbers(keys), np.repeat(rows, np.asarray(paragraphs.value_lengths()))
        return by_key(numbers, rows_of, paragraph=keys), places_of(numbers)

    for table in corpus.grouped(schema, parted, 60 * 10 * corpus.rows):
        table = tables.sort_rows(table, ("high", "low", "row"))
        high, low, rows = (column(table, name) for name in ("high", "low", "row"))
        starts = group_starts(high, low)
        sizes = np.diff([*starts, table.num_rows])
        frequent = np.repeat(sizes, sizes) > step.most
        once = np.zeros(len(rows), dtype=bool)
        once[group_starts(high, low, rows)] = True
        chosen = frequent & once
        corpus.marks.add(rows[chosen], whole_column(table, "paragraph").filter(pa.array(chosen)))


def count_distinct(corpus: Selection, step: CountDistinct) -> None:
    """Score every head with the number of distinct `of` in its group, as `group_decisions.count_distinct` says."""
    schema = pa.schema([*HASH, ROW, ("of_high", pa.uint64()), ("of_low", pa.uint64())])
    corpus.scores[step.score] = corpus.by_range("value", pa.float64())

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table = corpus.read(part, [step.by, step.of])
        numbers, of = (key_numbers(whole_column(table, name)) for name in (step.by, step.of))
        rows = np.arange(part.start, part.start + part.rows)
        more = {"of_high": pa.array(of[:, 0]), "of_low": pa.array(of[:, 1])}
        return by_key(numbers, rows, **more), places_of(numbers)

    for table in corpus.grouped(schema, parted, 40 * corpus.rows):
        high, low, of_high, of_low, rows = (column(table, name) for name in ("high", "low", "of_high", "of_low", "row"))
        order = np.lexsort((of_low, of_high, low, high))
        high, low, of_high, of_low, rows = (values[order] for values in (high, low, of_high, of_low, rows))
        starts = group_starts(high, low)
        new = np.zeros(len(rows), dtype=np.int64)
        new[group_starts(high, low, of_high, of_low)] = 1
        distinct = np.repeat(np.add.reduceat(new, starts), np.diff([*starts, len(rows)]))
        corpus.scores[step.score].add(rows, pa.array(distinct.astype(np.float64)))


def count_tokens(corpus: Selection) -> None:
    """Score every head with tokens by its rarest one, as `group_decisions.score_tokens` says."""
    schema, counts = pa.schema([*HASH, ROW]), corpus.by_range("count", pa.int64())
    tokens_of_count: Counter[int] = Counter()

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        tokens = whole_column(corpus.read(part, ["tokens"]), "tokens")
        numbers = key_numbers(tokens.flatten())
        rows = np.repeat(np.arange(part.start, part.start + part.rows), np.asarray(tokens.value_lengths()))
        return by_key(numbers, rows), places_of(numbers)

    for table in corpus.grouped(schema, parted, 24 * corpus.entries("tokens")):
        high, low, rows = (column(table, name) for name in ("high", "low", "row"))
        order = np.lexsort((low, high))
        sizes = np.diff([*group_starts(high[order], low[order]), len(rows)])
        tokens_of_count.update(sizes.tolist())
        counts.add(rows[order], pa.array(np.repeat(sizes, sizes)))
    rank_of = token_ranks(tokens_of_count)
    for name in (TOKEN_COUNT, TOKEN_RANK):
        corpus.scores[name] = corpus.by_range("value", pa.float64())
    for part in corpus.ranges:
        rows, found = smallest(counts.read(part))
        corpus.scores[TOKEN_COUNT].add(part.start + rows, pa.array(found, pa.float64()))
        corpus.scores[TOKEN_RANK].add(part.start + rows, pa.array([rank_of[count] for count in found], pa.float64()))


def score_entries(corpus: Selection, step: DrawEntries | CountEntries) -> None:
    """Score every kept head by its entries, as `group_decisions.draw_entries` and `count_entries` say."""
    schema = pa.schema([*HASH, ROW, ("key", pa.string()), ("entry", pa.string())])
    values = corpus.by_range("entry", pa.float64())

    def parted(part: Range) -> tuple[pa.Table, NDArray[np.float64]]:
        table, rows = corpus.kept(part, ["key", "entries"])
        lists = whole_column(table, "entries")
        lengths, entries = np.asarray(lists.value_lengths()), lists.flatten()
        places = pa.array(np.repeat(np.arange(len(lists)), lengths))
        numbers = key_numbers(entries)
        keys = whole_column(table, "key").take(places)
        return by_key(numbers, np.repeat(rows, lengths), key=keys, entry=entries).cast(schema), places_of(numbers)

    for table in corpus.grouped(schema, parted, 100 * corpus.entries("entries")):
        table = tables.sort_rows(table, ("high", "low", "row"))
        starts = group_starts(column(table, "high"), column(table, "low"))
        sizes = np.diff([*starts, table.num_rows])
        counts = np.repeat(sizes, sizes).tolist()
        counted = zip(table["key"].to_pylist(), table["entry"].to_pylist(), counts, strict=True)
        made = counts if isinstance(step, CountEntries) else [draw(*one, step.seed) for one in counted]
        values.add(column(table, "row"), pa.array(made, pa.float64()))
    name = ENTRY_COUNT if isinstance(step, CountEntries) else ENTRY_DRAW
    corpus.scores[name] = corpus.by_range("value", pa.float64())
    for part in corpus.ranges:
        rows, found = smallest(values.read(part))
        corpus.scores[name].add(part.start + rows, pa.array(found, pa.float64()))


def smallest(stored: tuple[Rows, pa.Array]) -> tuple[Rows, list[Any]]:
    """Return the rows of a range that have values, each once, and the smallest value of each."""
    rows, values = stored
    order = np.lexsort((np.asarray(values), rows))
    starts = group_starts(rows[order])
    return rows[order][starts], np.asarray(values)[order][starts].tolist()
