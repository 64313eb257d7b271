"""The frontier of an image store: URLs to fetch, on disk by lane, and images without facts or scores.

The lane of a URL is a hash of its registered domain, so that two processes never fetch from one host at the same time.
A lane is one or more Parquet files by range of keys. Duplicates are found in memory one file at a time, so memory does
not grow with the list.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.sorted_keys import fixed_width
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.records import ImageRecord

FACTS_BATCH = 256
"""Images per batch whose facts are committed together."""
FILE_ROWS = 100_000
"""URLs per file of a lane, approximately."""
BUFFER_ROWS = 20_000
"""URLs that are buffered before they are written."""
SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("url", pa.string(), nullable=False)])


@dataclass(frozen=True, slots=True)
class FrontierLane:
    """The share of a frontier that one event loop fetches."""

    number: int
    files: tuple[str, ...]
    rows: int
    """URLs in the files, duplicates included."""


def lane_of(url: str, lanes: int) -> int:
    """Return the lane of a URL: a hash of its registered domain, modulo `lanes`."""
    domain = identity.registered_domain(identity.host_of(url))
    return int.from_bytes(hashlib.blake2b(domain.encode(), digest_size=4).digest(), "big") % lanes


def write_frontier(
    wanted: Iterable[ImageUrl], index: ImageIndex, folder: str, lanes: int, *, files: int = 1
) -> list[FrontierLane]:
    """Write the wanted URLs without an outcome by lane and range of keys; return the lanes that are not empty."""
    return write_lanes((item for item in wanted if item.key not in index), folder, lanes, files=files)


def write_lanes(wanted: Iterable[ImageUrl], folder: str, lanes: int, *, files: int = 1) -> list[FrontierLane]:
    """Write URLs by lane and range of keys, `files` ranges per lane, in bounded memory; return the lanes."""
    buffers: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    writers: dict[tuple[int, int], pq.ParquetWriter] = {}
    rows: dict[tuple[int, int], int] = defaultdict(int)

    def flush() -> None:
        for place, items in buffers.items():
            if place not in writers:
                writers[place] = pq.ParquetWriter(storage.open_output(_file(folder, place)), SCHEMA)
            rows[place] += len(items)
            columns = zip(
                *dict.fromkeys(items), strict=True
            )  # a URL that is repeated a million times is written once per buffer
            writers[place].write_table(pa.table([pa.array(column) for column in columns], schema=SCHEMA))
        buffers.clear()

    for held, item in enumerate(wanted, 1):
        buffers[lane_of(item.url, lanes), int(item.key[:8], 16) * files >> 32].append((item.key, item.url))
        if held % BUFFER_ROWS == 0:
            flush()
    flush()
    for writer in writers.values():
        writer.close()
    places = sorted(rows)
    return [
        FrontierLane(lane, tuple(_file(folder, place) for place in group), sum(rows[place] for place in group))
        for lane, group in ((lane, list(group)) for lane, group in itertools.groupby(places, lambda place: place[0]))
    ]


def _file(folder: str, place: tuple[int, int]) -> str:
    return storage.join(folder, f"lane-{place[0]:04d}-{place[1]:04d}.parquet")


def merge_lanes(lanes: Sequence[FrontierLane]) -> FrontierLane:
    """Merge lanes into one, to be fetched by a single event loop (which still limits requests per domain)."""
    files = tuple(path for lane in lanes for path in lane.files)
    return FrontierLane(lanes[0].number, files, sum(lane.rows for lane in lanes))


def read_lane(lane: FrontierLane, index: ImageIndex, generation: int) -> Iterator[ImageUrl]:
    """Yield the URLs of a lane that need a fetch, each key once, sorted within each file; holds one file at a time."""
    for path in lane.files:
        rows = tables.sort_rows(tables.read_table(path), ("key", "url"))
        for batch in rows.filter(pa.array(_due(rows["key"], index, generation))).to_batches(max_chunksize=4_096):
            yield from map(ImageUrl, batch.column(0).to_pylist(), batch.column(1).to_pylist())


def read_keys(lane: FrontierLane) -> Iterator[np.ndarray]:
    """Yield the keys of each file of a lane: 32 hex digits as bytes, sorted, each once."""
    for path in lane.files:
        yield np.unique(fixed_width(tables.read_table(path, ["key"])["key"], 32))


def _due(keys: pa.ChunkedArray, index: ImageIndex, generation: int) -> np.ndarray:
    """Return a mask over sorted keys of those to fetch: without an outcome, or without one in a new `generation`.

    Of equal keys only the first is marked.
    """
    names = fixed_width(keys, 32)
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[1:] != names[:-1]
    committed = index.generations_of(names)
    due = committed < generation if generation > index.generation else committed == 0
    return first & due


def missing_facts(store: ImageStore, keys: Iterable[str]) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` without facts, in batches."""
    return missing_images(store, keys, store.facts(), FACTS_BATCH)


def missing_images(
    store: ImageStore, keys: Iterable[str], known: Container[str], batch: int
) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` whose sha256 is not in `known`, each content once, in batches."""
    stored = store.index().rows_of(keys)
    stored = stored.filter(pc.and_(pc.is_valid(stored["pack"]), pc.is_valid(stored["sha256"])))
    new = np.array([sha256 not in known for sha256 in stored["sha256"].to_pylist()], dtype=bool)
    found: dict[str, ImageRecord] = {}
    for record in arrow.from_table(ImageRecord, stored.filter(pa.array(new))):
        found.setdefault(str(record.sha256), record)
    rows = [found[sha256] for sha256 in sorted(found)]
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]
