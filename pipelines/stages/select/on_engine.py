"""The select stage on an engine: one pipeline, or several where near-duplicates are clustered.

Components of near-duplicates take an unknown number of rounds, and a graph of Beam has no loop. So this process runs
one pipeline per round and reads one counter of each. A pipeline that an earlier run finished is not run again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import apache_beam as beam

from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.runners import BuildPipeline
from corpusloom.pipelines.stages.select import near_duplicate_graph as graph
from corpusloom.pipelines.stages.select.distributed import Decide, WriteDecisions
from corpusloom.pipelines.stages.select.steps import KeepOneOfNearDuplicates, Step
from corpusloom.pipelines.store.regroup import ReadRecords, WriteRecords, files_of, lines_of
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.records import Head

RunPipeline: TypeAlias = Callable[[BuildPipeline], Measures]
"""Function that runs a pipeline and returns its metrics."""
MOST_ROUNDS = 40
"""A shuffled path of 100,000 nodes ends after 18 rounds, clusters of MinHash after 5."""
FRAGMENTS_PER_PART = 4
MOST_PARTS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSelect:
    """The pipelines of one select stage."""

    steps: tuple[Step, ...]
    fragments: tuple[str, ...]
    """Paths of the fragments of heads."""
    folder: str
    """Folder of the decisions."""
    scratch: str
    """Folder of the heads and edges between two pipelines."""
    parts: int
    """Number of files that a pipeline writes."""

    @property
    def listing(self) -> str:
        """Return the file that holds the paths of the fragments, one per line."""
        return self.between("fragments.txt")

    @property
    def place(self) -> int | None:
        """Return the place of the step that clusters near-duplicates, or None."""
        places = [place for place, step in enumerate(self.steps) if isinstance(step, KeepOneOfNearDuplicates)]
        return places[0] if places else None

    def heads(self, pipeline: beam.Pipeline) -> beam.PCollection[Head]:
        """Read the heads of the fragments."""
        return pipeline | "Read heads" >> ReadRecords(record=Head, place=self.listing, paths_in=lines_of)

    def decide(self, pipeline: beam.Pipeline) -> object:
        """Build the only pipeline of a stage without near-duplicates."""
        decided = self.heads(pipeline) | "Decide" >> Decide(steps=self.steps)
        return decided | WriteDecisions(folder=self.folder, parts=self.parts)

    def find_edges(self, pipeline: beam.Pipeline) -> object:
        """Build the pipeline of the steps before near-duplicates; it writes the heads so far and the edges."""
        heads = self.heads(pipeline) | "Decide" >> Decide(steps=self.steps[: self.place])
        edges = heads | "Find edges" >> graph.FindEdges()
        return (
            heads | "Write heads" >> WriteRecords(
                record=Head, folder=self.between("heads"), sort_by=("key", "parent"), parts=self.parts
            ),
            edges | "Write edges" >> graph.WriteEdges(folder=self.edges(0), parts=self.parts),
        )  # fmt: skip

    def round(self, number: int) -> BuildPipeline:
        """Return the function that builds the pipeline of a round, from 1."""
        before, after = self.edges(number - 1), self.edges(number)
        return lambda pipeline: graph.build_round(pipeline, before, after, self.parts)

    def keep_roots(self, stars: str) -> BuildPipeline:
        """Return the function that builds the last pipeline: the heads joined with stars, and the steps after that."""
        assert self.place is not None
        after = self.steps[self.place + 1 :]

        def build(pipeline: beam.Pipeline) -> object:
            heads = pipeline | "Read heads" >> ReadRecords(record=Head, place=self.between("heads"), paths_in=files_of)
            decided = heads | "Near-duplicates" >> graph.KeepRoots(folder=stars) | "Decide" >> Decide(steps=after)
            return decided | WriteDecisions(folder=self.folder, parts=self.parts)

        return build

    def pipelines(self) -> dict[str, BuildPipeline]:
        """Return the functions that build the stage's pipelines, one round included, by name."""
        if self.place is None:
            return {"select": self.decide}
        return {"select": self.find_edges, "round": self.round(1), "roots": self.keep_roots(self.edges(1))}

    def between(self, *parts: str) -> str:
        """Return a path between two pipelines."""
        return storage.join(self.scratch, *parts)

    def edges(self, number: int) -> str:
        """Return the folder of the edges after a round; 0 for those that no round has read."""
        return self.between(f"edges-{number:02d}")


def select_of(steps: tuple[Step, ...], fragments: Sequence[str], folder: str, scratch: str) -> EngineSelect:
    """Return the pipelines that decide on the heads of fragments.

    Args:
      steps: The steps, in order.
      fragments: Fragments of the extract stage.
      folder: Folder of the decisions.
      scratch: Folder that only this stage uses.
    """
    parts = min(MOST_PARTS, 1 + len(fragments) // FRAGMENTS_PER_PART)
    return EngineSelect(steps=steps, fragments=tuple(fragments), folder=folder, scratch=scratch, parts=parts)


def run_select(run: RunPipeline, stage: EngineSelect) -> None:
    """Decide with pipelines that `run` runs, and write the decisions.

    The folder of the decisions must be empty. What a killed run finished in the scratch folder is used again.

    Raises:
      LoomError: if the engine reports no counters, or the rounds do not end.
    """
    storage.write_bytes(stage.listing, "\n".join(stage.fragments).encode())
    run(stage.decide if stage.place is None else stage.keep_roots(_stars(run, stage)))
    storage.remove(storage.join(stage.folder, "spill"), recursive=True)
    storage.remove(stage.scratch, recursive=True)


def _stars(run: RunPipeline, stage: EngineSelect) -> str:
    """Run rounds until no edge moves; return the folder of the last edges."""
    if not _once(run, stage.find_edges, stage.edges(0), stage.between("heads"))["rows"]:
        return stage.edges(0)
    for number in range(1, MOST_ROUNDS + 1):
        counters = _once(run, stage.round(number), stage.edges(number))
        if not counters.get(graph.EDGES):
            raise LoomError("the engine reports no counters", where="select", remedy="use one that reports metrics")
        if not counters.get(graph.MOVED):
            return stage.edges(number)
        storage.remove(stage.edges(number - 1), recursive=True)
    raise LoomError(f"near-duplicates are not clustered after {MOST_ROUNDS} rounds", where=stage.scratch)


def _once(run: RunPipeline, build: BuildPipeline, *folders: str) -> dict[str, int]:
    """Run a pipeline that writes folders, unless an earlier run finished it.

    Returns its counters, and the rows of the first folder as `rows`.
    """
    mark = f"{folders[0]}.json"
    if not storage.exists(mark):
        for folder in folders:
            storage.remove(folder, recursive=True)
        counters = dict(run(build).counters)
        for folder in folders:
            storage.remove(storage.join(folder, "spill"), recursive=True)
        counters["rows"] = sum(map(tables.count_rows, files_of(folders[0])))
        storage.write_bytes(mark, json.dumps(counters).encode())
    return dict(json.loads(storage.read_bytes(mark)))
