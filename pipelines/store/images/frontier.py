"""What a store still lacks: the URLs without an outcome, durably by lane, and the images without facts.

The frontier is Parquet: a lane is a hash of the registered domain, so that two workers never hammer one host; within
a lane files are ranges of keys, small enough that duplicates are found in memory. So a list of any length takes
the memory of one file.
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

from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.sorted_keys import fixed_width
from corpusloom.pipelines.store.images.store import ImageIndex, ImageStore
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.records import ImageRecord

FACTS_BATCH = 256
FILE_ROWS = 100_000
"""About how many URLs a file of a lane holds."""
BUFFER_ROWS = 20_000
SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("url", pa.string(), nullable=False)])


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane's share of a frontier: its files, and how many URLs were wanted, duplicates among them."""

    number: int
    files: tuple[str, ...]
    rows: int


def lane_of(url: str, lanes: int) -> int:
    """Return the lane of a URL: a hash of its registered domain mod `lanes`."""
    domain = identity.registered_domain(identity.host_of(url))
    return int.from_bytes(hashlib.blake2b(domain.encode(), digest_size=4).digest(), "big") % lanes


def write_frontier(
    wanted: Iterable[ImageUrl], store: ImageStore, folder: str, lanes: int, *, files: int = 1
) -> list[Lane]:
    """Write the wanted URLs that the store has no outcome for, by lane and key range; return the lanes with any."""
    index = store.index()
    return write_lanes((item for item in wanted if item.key not in index), folder, lanes, files=files)


def write_lanes(wanted: Iterable[ImageUrl], folder: str, lanes: int, *, files: int = 1) -> list[Lane]:
    """Write URLs by lane and key range, `files` ranges a lane; memory does not grow with them."""
    buffers: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    writers: dict[tuple[int, int], pq.ParquetWriter] = {}
    rows: dict[tuple[int, int], int] = defaultdict(int)

    def flush() -> None:
        for place, items in buffers.items():
            if place not in writers:
                writers[place] = pq.ParquetWriter(storage.open_output(_file(folder, place)), SCHEMA)
            rows[place] += len(items)
            columns = zip(*dict.fromkeys(items), strict=True)  # a URL that stands there a million times is written once
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
        Lane(lane, tuple(_file(folder, place) for place in group), sum(rows[place] for place in group))
        for lane, group in ((lane, list(group)) for lane, group in itertools.groupby(places, lambda place: place[0]))
    ]


def _file(folder: str, place: tuple[int, int]) -> str:
    return storage.join(folder, f"lane-{place[0]:04d}-{place[1]:04d}.parquet")


def merge_lanes(lanes: Sequence[Lane]) -> Lane:
    """Return several lanes as one: for one loop, whose turns a domain hold as well."""
    files = tuple(path for lane in lanes for path in lane.files)
    return Lane(lanes[0].number, files, sum(lane.rows for lane in lanes))


def read_lane(lane: Lane, index: ImageIndex, generation: int) -> Iterator[ImageUrl]:
    """Yield a lane's URLs that are still open, each key once, in order of the keys; holds one file at a time."""
    for path in lane.files:
        rows = tables.sort_rows(tables.read_table(path), ("key", "url"))
        for batch in rows.filter(pa.array(_open(rows["key"], index, generation))).to_batches(max_chunksize=4_096):
            yield from map(ImageUrl, batch.column(0).to_pylist(), batch.column(1).to_pylist())


def read_keys(lane: Lane) -> Iterator[np.ndarray]:
    """Yield a lane's keys, each once: 32 hex digits as bytes, sorted, a file at a time."""
    for path in lane.files:
        yield np.unique(fixed_width(tables.read_table(path, ["key"])["key"], 32))


def _open(keys: pa.ChunkedArray, index: ImageIndex, generation: int) -> np.ndarray:
    """Say of sorted keys which are to be fetched: the first of equal ones, without an outcome or due for a new one."""
    names = fixed_width(keys, 32)
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[1:] != names[:-1]
    committed = index.generations_of(names)
    due = committed < generation if generation > index.generation else committed == 0
    return first & due


def missing_facts(store: ImageStore, keys: Iterable[str]) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` that have no facts yet, in batches."""
    return missing_images(store, keys, store.facts(), FACTS_BATCH)


def missing_images(
    store: ImageStore, keys: Iterable[str], known: Container[str], batch: int
) -> list[list[ImageRecord]]:
    """Return the stored images among `keys` whose sha256 is not among those `known`, each content once, in batches."""
    stored = store.index().rows_of(keys)
    stored = stored.filter(pc.and_(pc.is_valid(stored["pack"]), pc.is_valid(stored["sha256"])))
    new = np.array([sha256 not in known for sha256 in stored["sha256"].to_pylist()], dtype=bool)
    found: dict[str, ImageRecord] = {}
    for record in arrow.from_table(ImageRecord, stored.filter(pa.array(new))):
        found.setdefault(str(record.sha256), record)
    rows = [found[sha256] for sha256 in sorted(found)]
    return [rows[start : start + batch] for start in range(0, len(rows), batch)]
