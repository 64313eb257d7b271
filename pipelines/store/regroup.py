"""Regrouping by key with two bodies and one output: the engine's shuffle, or key-partitioned Parquet on disk.

The local runner holds every shuffled collection in memory and never spills. So there the pairs go to fragments
by key range, and only the names of the fragments are shuffled; a partition is then read back and grouped alone.
"""

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from schemas import arrow, storage, tables

KeyValue = tuple[bytes, bytes]
SPILL_ROWS = 50_000


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, by a hash of it: keys need not be uniform."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") * partitions >> 32


@dataclass(kw_only=True, eq=False)
class Regroup(beam.PTransform):
    """(key, value) bytes -> (key, sorted values) for each key.

    Args:
      folder: Where fragments are spilled; None shuffles in the engine (Dataflow, Flink, Spark).
      partitions: How many key ranges; a partition must fit in memory when read back.
    """

    folder: str | None
    partitions: int = 16

    def expand(self, pairs: beam.PCollection[KeyValue]) -> beam.PCollection[tuple[bytes, list[bytes]]]:
        """Group, by the engine or over Parquet."""
        if self.folder is None:
            return (
                pairs
                | "Shuffle" >> beam.GroupByKey()
                | "Sort values" >> beam.MapTuple(lambda key, values: (key, sorted(values)))
            )
        return (
            pairs
            | "Spill by key range"
            >> beam.ParDo(_Spill(self.folder, self.partitions)).with_output_types(tuple[int, str])
            | "Collect fragments" >> beam.GroupByKey()
            | "Read back a range" >> beam.FlatMapTuple(_read_back)
        )


class _Spill(beam.DoFn):
    """Holds a bundle's pairs by partition and writes each as one fragment when it grows or the bundle ends."""

    def __init__(self, folder: str, partitions: int) -> None:
        self._folder, self._partitions = folder, partitions

    def start_bundle(self) -> None:
        self._held: dict[int, list[KeyValue]] = defaultdict(list)

    def process(self, pair: KeyValue) -> Iterator[tuple[int, str]]:
        partition = partition_of(pair[0], self._partitions)
        self._held[partition].append(pair)
        if len(self._held[partition]) >= SPILL_ROWS:
            yield self._write(partition)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for partition in sorted(self._held):
            if self._held[partition]:
                yield WindowedValue(self._write(partition), GlobalWindow().max_timestamp(), (GlobalWindow(),))

    def _write(self, partition: int) -> tuple[int, str]:
        pairs = self._held.pop(partition)
        # A random name: a retried bundle writes another file, and the abandoned one is never read.
        path = storage.join(self._folder, f"{partition:05d}-{secrets.token_hex(8)}.parquet")
        columns = {"key": [key for key, _ in pairs], "value": [value for _, value in pairs]}
        tables.write_table(path, pa.table(columns, schema=pa.schema([("key", pa.binary()), ("value", pa.binary())])))
        return partition, path


def _read_back(_: int, fragments: Iterable[str]) -> Iterator[tuple[bytes, list[bytes]]]:
    table = pa.concat_tables(tables.read_table(path) for path in sorted(fragments))
    table = tables.sort_rows(table, ["key", "value"])
    current: bytes | None = None
    values: list[bytes] = []
    for batch in table.to_batches(max_chunksize=8192):
        for key, value in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            if key != current:
                if current is not None:
                    yield current, values
                current, values = key, []
            values.append(value)
    if current is not None:
        yield current, values


@dataclass(kw_only=True, eq=False)
class WriteRecords(beam.PTransform):
    """Records of one class -> `FOLDER/part-00000.parquet` ..., each sorted; yields the number of rows a part.

    Args:
      record: The record class.
      folder: Where the parts go.
      sort_by: The columns that order the rows; equal rows may tie.
      parts: How many, by the key's hash.
    """

    record: type
    folder: str
    sort_by: tuple[str, ...]
    parts: int = 1

    def expand(self, records: beam.PCollection[Any]) -> beam.PCollection[int]:
        """Spill fragments a bundle at a time, then merge each part."""
        return (
            records
            | "Spill rows"
            >> beam.ParDo(_SpillRecords(self.record, self.folder, self.parts)).with_output_types(tuple[int, str])
            | "Collect rows" >> beam.GroupByKey()
            | "Write a sorted part" >> beam.MapTuple(self._merge)
        )

    def _merge(self, part: int, fragments: Iterable[str]) -> int:
        table = pa.concat_tables(tables.read_table(path) for path in sorted(fragments))
        tables.write_table(storage.join(self.folder, f"part-{part:05d}.parquet"), table, sort_by=self.sort_by)
        return int(table.num_rows)


class _SpillRecords(beam.DoFn):
    def __init__(self, record: type, folder: str, parts: int) -> None:
        self._record, self._folder, self._parts = record, folder, parts

    def start_bundle(self) -> None:
        self._held: dict[int, list[Any]] = defaultdict(list)

    def process(self, record: Any) -> Iterator[tuple[int, str]]:
        part = partition_of(record.key.encode(), self._parts)
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
