"""Output of the extract stage per input: fragments of records and heads, and a report that marks it as finished."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from corpusloom.pipelines.stages.kinds.record_kind import RecordAndHead
from corpusloom.pipelines.store.fragments import FRAGMENT_ROWS, fragment_name
from corpusloom.pipelines.store.stages import DELETE_STAGE, stem_of
from corpusloom.pipelines.store.tombstones import Tombstones, redact, redact_head
from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import Head, Page, Pair, StageCounts

STAGE = "extract"
FOLDER = "warcs"
"""Beginning of the name of the folder of fragments, which builds with the same read and measure settings share."""
IMAGE_NOTES = "images"
"""Name of the folder of notes on the images that WARCs hold."""
ROW_GROUP_ROWS = 512
"""Rows per row group: a shard reads only the row groups of its key range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One WARC, list or shard of img2dataset."""

    path: str
    sha256: str
    """SHA-256 of all files that its fragments are made of; fragments are named after it."""

    @property
    def stem(self) -> str:
        """Return the beginning of the names of its fragments."""
        return stem_of(self.sha256)


@dataclass
class FragmentWriter:
    """Writes an input's records as fragments of a bounded number of rows, so memory does not grow with the input.

    For each fragment of records there is a fragment of the same name of their heads, in the same order.
    """

    folder: str
    """Folder of the stage."""
    record: type[Page] | type[Pair]
    stem: str
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Take-downs; records that they name are not written."""
    rows: int = 0
    """Number of records so far."""
    remarks: Counter[str] = field(default_factory=Counter)
    """Remark on pairs, such as html_tags that were removed -> number of pairs."""
    _held: list[RecordAndHead | tuple[None, Head]] = field(default_factory=list)
    _part: int = 0

    def add(self, made: list[RecordAndHead]) -> None:
        """Add the records of one page. A taken-down record is not written, and its head is written redacted."""
        self.add_heads(made)
        while len(self._held) >= FRAGMENT_ROWS:
            self.flush()

    def add_heads(self, made: Iterable[RecordAndHead | tuple[None, Head]]) -> None:
        """Add records with their heads, or heads of taken-down records, to the current fragment."""
        for row, head in made:
            left = None if row is None else redact(row, self.tombstones)
            self._held.append((left, redact_head(head) if left is None else redact(head, self.tombstones)))
            self.rows += 1
            if isinstance(row, Pair):
                self.remarks.update(row.cleaned)

    def counts(self, unit: str) -> StageCounts:
        """Return the records so far as counts; all of them are kept."""
        return StageCounts(stage=STAGE, unit=unit, records_in=self.rows, kept=self.rows, remarks=dict(self.remarks))

    def flush(self) -> None:
        """Write the held rows, at most `FRAGMENT_ROWS` of them, as one fragment."""
        if not self._held:
            return
        held, self._held = self._held[:FRAGMENT_ROWS], self._held[FRAGMENT_ROWS:]
        name = fragment_name(self.stem, self._part)
        for folder, cls, rows in (
            ("records", self.record, [row for row, _ in held if row is not None]),
            ("candidates", Head, [head for _, head in held]),
        ):
            tables.write_table(
                storage.join(self.folder, folder, name),
                arrow.to_table(cls, rows),
                sort_by=("key", "parent"),
                row_group_rows=ROW_GROUP_ROWS,
            )
        self._part += 1


def report_path(folder: str, item: InputFile) -> str:
    """Return the path of an input's report in the stage's folder."""
    return storage.join(folder, "done", f"{item.stem}.json")


def is_extracted(folder: str, item: InputFile) -> bool:
    """Return whether an input's report exists, which marks the input as finished."""
    return storage.exists(report_path(folder, item))


def write_counts(folder: str, item: InputFile, counts: tuple[StageCounts, ...]) -> tuple[StageCounts, ...]:
    """Write an input's report, which marks the input as finished; return its counts."""
    storage.write_bytes(report_path(folder, item), json_files.seal({"counts": arrow.to_plain(counts)}))
    return counts


def read_counts(folder: str, item: InputFile) -> list[StageCounts]:
    """Read a finished input's counts."""
    return counts_in(report_path(folder, item))


def counts_in(path: str) -> list[StageCounts]:
    """Read the counts in a finished input's report."""
    value = json_files.read(path, DELETE_STAGE)
    rows = value.get("counts") if isinstance(value, dict) else value  # earlier versions wrote a list
    if not isinstance(rows, list):
        raise DamageError("holds no counts", where=path, remedy=DELETE_STAGE)
    return [json_files.as_record(row, StageCounts, path, DELETE_STAGE) for row in rows]
