"""Beam transforms for a distributed runner: group by key, and write records as sorted parts.

The local runner keeps shuffled collections in memory, so on one machine `stages.select.local` and `store.partitions`
are used instead.
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

from corpusloom.schemas import arrow, storage, tables

KeyValue = tuple[bytes, bytes]
SPILL_ROWS = 50_000
"""Records of one part that a Beam worker buffers before it writes a fragment."""


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, by the key's hash, since keys need not be uniform."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") * partitions >> 32


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
      parts: Number of parts; a record's part depends on the hash of its key.
    """

    record: type
    folder: str
    sort_by: tuple[str, ...]
    parts: int = 1

    def expand(self, records: beam.PCollection[Any]) -> beam.PCollection[int]:
        """Write fragments per bundle, then merge the fragments of each part."""
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
