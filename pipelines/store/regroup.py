"""Beam transforms for a distributed runner: group by key, write records as sorted parts, and read them back.

The local runner keeps shuffled collections in memory, so on one machine `stages.select.local` and `store.partitions`
are used instead.
"""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from corpusloom.schemas import arrow, storage, tables

KeyValue = tuple[bytes, bytes]
SPILL_ROWS = 50_000
"""Records of one part that a Beam worker buffers before it writes a fragment."""


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key, by the key's hash, since keys need not be uniform."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") * partitions >> 32


def range_of(key: str, parts: int) -> int:
    """Return the part of a key of hexadecimal digits, such that the keys of a part are below those of the next."""
    return int(key[:8], 16) * parts >> 32


def lines_of(path: str) -> list[str]:
    """Return the lines of a text file."""
    return storage.read_bytes(path).decode().splitlines()


def files_of(folder: str) -> list[str]:
    """Return the paths of the Parquet files in a folder, sorted."""
    return [storage.join(folder, name) for name in storage.listing(folder) if name.endswith(".parquet")]


@dataclass(kw_only=True, eq=False)
class ReadRecords(beam.PTransform):
    """The paths of files, read from one place -> the records of these files.

    The graph holds the place alone, so its size does not depend on the number of files.

    Args:
      record: Class of the records.
      place: What `paths_in` takes.
      paths_in: Function that returns the paths; it runs in a worker.
    """

    record: type
    place: str
    paths_in: Callable[[str], list[str]]

    def expand(self, pipeline: beam.pvalue.PBegin) -> beam.PCollection[Any]:
        """Find the files, spread them over the workers and read them."""
        return (
            pipeline
            | "Place" >> beam.Create([self.place])
            | "Files" >> beam.FlatMap(self.paths_in)
            | "Spread" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(self._read).with_output_types(self.record)
        )

    def _read(self, path: str) -> Iterator[Any]:
        yield from tables.read_records(path, self.record)


class Regroup(beam.PTransform):
    """(key, value) in bytes -> (key, sorted values) per key."""

    def expand(self, pairs: beam.PCollection[KeyValue]) -> beam.PCollection[tuple[bytes, list[bytes]]]:
        """Group by key with the runner's shuffle."""
        return (
            pairs
            | "Shuffle" >> beam.GroupByKey()
            | "Sort values" >> beam.MapTuple(lambda key, values: (key, sorted(values)))
        )


@dataclass(kw_only=True, eq=False)
class WriteRecords(beam.PTransform):
    """Records of one class -> `FOLDER/part-00000.parquet` ..., each sorted; yields the number of rows per part.

    Args:
      record: Class of the records.
      folder: Folder of the parts.
      sort_by: Columns that order the rows; only equal rows may have equal values.
      parts: Number of parts.
      part_of: Function from a record's key and the number of parts to the record's part.
    """

    record: type
    folder: str
    sort_by: tuple[str, ...]
    parts: int = 1
    part_of: Callable[[str, int], int] = range_of

    def expand(self, records: beam.PCollection[Any]) -> beam.PCollection[int]:
        """Write fragments per bundle, then merge the fragments of each part."""
        return (
            records
            | "Spill rows" >> beam.ParDo(_SpillRecords(self)).with_output_types(tuple[int, str])
            | "Collect rows" >> beam.GroupByKey()
            | "Write a sorted part" >> beam.MapTuple(self._merge)
        )

    def _merge(self, part: int, fragments: Iterable[str]) -> int:
        table = pa.concat_tables(tables.read_table(path) for path in sorted(fragments))
        tables.write_table(storage.join(self.folder, f"part-{part:05d}.parquet"), table, sort_by=self.sort_by)
        return int(table.num_rows)


class _SpillRecords(beam.DoFn):
    def __init__(self, write: WriteRecords) -> None:
        self._record, self._folder, self._parts, self._part_of = write.record, write.folder, write.parts, write.part_of

    def start_bundle(self) -> None:
        self._held: dict[int, list[Any]] = defaultdict(list)

    def process(self, record: Any) -> Iterator[tuple[int, str]]:
        part = self._part_of(record.key, self._parts)
        self._held[part].append(record)
        if len(self._held[part]) >= SPILL_ROWS:
            yield self._write(part)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for part in sorted(self._held):
            if self._held[part]:
                yield WindowedValue(self._write(part), GlobalWindow().max_timestamp(), (GlobalWindow(),))

    def _write(self, part: int) -> tuple[int, str]:
        path = storage.join(self._folder, "spill", f"{part:05d}-{secrets.token_hex(8)}.parquet")
        tables.write_table(path, arrow.to_table(self._record, self._held.pop(part)))
        return part, path
