"""Runs the two implementations of select over heads in memory, for tests that compare them."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.stages.select import local, on_engine
from corpusloom.pipelines.stages.select.steps import Step
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.schemas import tables
from corpusloom.schemas.records import Head


def write_fragments(heads: Sequence[Head], folder: Path, rows: int = 37) -> list[str]:
    """Write heads as fragments of `rows` rows each; return the paths of the fragments."""
    paths = []
    for start in range(0, len(heads), rows):
        paths.append(str(folder / "candidates" / f"{start:04d}.parquet"))
        tables.write_records(paths[-1], Head, heads[start : start + rows], sort_by=("key", "parent"))
    return paths


def on_an_engine(paths: list[str], steps: tuple[Step, ...], folder: Path) -> list[Head]:
    """Decide over Beam; return the decided heads, sorted."""
    on_engine.run_select(
        partial(run, profile=Profile()), on_engine.select_of(steps, paths, str(folder), str(folder / "between"))
    )
    return sorted(read_heads(folder), key=repr)


def on_one_machine(paths: list[str], steps: tuple[Step, ...], folder: Path, **small: int) -> list[Head]:
    """Decide over Arrow; return the decided heads, sorted. No scratch file may be left."""
    with scratch_folder(str(folder / "scratch")) as scratch:
        local.select(paths, steps, str(folder / "out"), scratch=scratch, **small)
    assert not list((folder / "scratch").iterdir())
    rows = list(read_heads(folder / "out"))
    assert [row.key for row in rows] == sorted(row.key for row in rows)  # parts are key ranges
    return sorted(rows, key=repr)


def read_heads(folder: Path) -> Iterator[Head]:
    """Yield the heads of the parts in a folder, in order."""
    for path in sorted(folder.glob("*.parquet")):
        yield from tables.read_records(str(path), Head)
