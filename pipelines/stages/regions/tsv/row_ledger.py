"""The ledger of the rows of TSVs: each row is kept, or rejected for a reason with its file and line.

A row is kept if a pair that is kept has its regions. The pairs' own ledgers and scores name the row as their parent.
"""

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from corpusloom.pipelines.stages.regions.tsv.index import DUPLICATE, TsvIndex, read_index
from corpusloom.pipelines.stages.regions.tsv.index_files import IndexRow
from corpusloom.pipelines.stages.regions.tsv.source import place_of
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import storage, tables
from corpusloom.schemas.records import FileEntry, StageCounts
from corpusloom.schemas.verdicts import Kept, Rejected, Verdict

UNIT = "tsv_row"
UNMATCHED = "no_such_pair"
_ROWS = 50_000
"""Rows of a fragment of the ledger, which are in memory together."""


def outcomes(fragments: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return place -> reason of the pairs that a row was used for, "" if one of them was kept.

    `fragments` are the paths of each shard's scores and ledger.
    """
    found: dict[str, str] = {}
    for scores, ledger in fragments:
        rejected = tables.read_table(ledger, ["parent", "reason"]).to_pylist()
        found |= {row["parent"]: row["reason"] for row in rejected if row["parent"] and found.get(row["parent"]) != ""}
        kept = tables.read_table(scores, ["parent", "outcome"]).to_pylist()
        found |= {row["parent"]: "" for row in kept if row["parent"] and row["outcome"] == "kept"}
    return found


def write_row_ledger(
    stage: str, folder: str, files: Sequence[FileEntry], index: str, used: dict[str, str]
) -> tuple[list[str], list[StageCounts]]:
    """Write the ledger of all rows into a stage's folder; return the names of its fragments, and the counts."""
    names, counts = list[str](), list[StageCounts]()
    verdicts = _verdicts(files, index, used)
    while part := list(islice(verdicts, _ROWS)):
        ledger = Ledger(stage)
        for place, row, verdict in part:
            ledger.record(verdict, unit=UNIT, key=row.image or place, url=place)
        names.append(f"tsv-{len(names):05d}")
        ledger.write(folder, names[-1])
        counts += ledger.counts()
    return names, counts


def _verdicts(files: Sequence[FileEntry], index: str, used: dict[str, str]) -> Iterator[tuple[str, IndexRow, Verdict]]:
    """Yield the place, row and verdict of each row of the index."""
    whole = TsvIndex(index, files)
    for number, file in enumerate(files):
        for row in read_index(index, file):
            place = place_of(file, row.line)
            if row.fault is not None:
                reason = row.fault
            elif whole.is_duplicate(number, row):
                reason = DUPLICATE
            else:
                reason = used.get(place, UNMATCHED)
            yield place, row, Rejected(reason) if reason else Kept()


def check_names(files: Sequence[FileEntry]) -> tuple[str, str] | None:
    """Return two files of one name, which ledgers could not tell apart; None if there are none."""
    seen: dict[str, str] = {}
    for file in files:
        name = posixpath.basename(file.name)
        if name in seen:
            return seen[name], file.name
        seen[name] = file.name
    return None


def fragments_of(folder: str, stems: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the paths of the scores and of the ledger of each shard."""
    for stem in stems:
        yield storage.join(folder, "scores", f"{stem}.parquet"), storage.join(folder, "ledger", f"{stem}.parquet")
