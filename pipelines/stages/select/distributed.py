"""Candidates -> candidates with a verdict: the rules that need the whole corpus, on small heads only.

The body for engines (Dataflow, Flink, Spark); `select_local` is the one for a single machine, with the same output.
Texts and images are never shuffled here. Each step is a transform over `Candidate`; what was rejected before a
step passes through it untouched, so every candidate that goes in comes out with exactly one verdict.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.dedup.components import cluster, star
from corpusloom.pipelines.stages.select import steps as select_steps
from corpusloom.pipelines.stages.select.outcomes import CountOutcomes
from corpusloom.pipelines.stages.select.steps import By, Step
from corpusloom.pipelines.store.regroup import Regroup, WriteRecords
from corpusloom.schemas import arrow, tables
from corpusloom.schemas.records import Candidate
from corpusloom.schemas.verdicts import Rejected, Rule, decide

_CANDIDATE, _FREQUENT = b"c", b"f"
"""First bytes that tell candidates from keys of paragraphs where both are regrouped together."""


def read_candidates(path: str) -> Iterator[Candidate]:
    """Yield the candidates of a fragment."""
    yield from tables.read_records(path, Candidate)


def encode(candidate: Candidate) -> bytes:
    """Return a candidate as canonical JSON, so that equal candidates are equal bytes."""
    return json.dumps(arrow.to_plain(candidate), sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes) -> Candidate:
    """Return the candidate that `encode` wrote."""
    return arrow.from_plain(Candidate, json.loads(data))


def reject(candidate: Candidate, verdict: Rejected) -> Candidate:
    """Return the candidate with a rejection."""
    return dataclasses.replace(
        candidate,
        outcome="rejected",
        reason=verdict.reason,
        measured=verdict.measured,
        threshold=verdict.threshold,
    )


def judge(candidate: Candidate, rules: tuple[Rule, ...]) -> Candidate:
    """Return the candidate with the verdict of the first failing rule on its scores."""
    if candidate.outcome != "kept":
        return candidate
    verdict = decide(candidate.scores, rules)
    return reject(candidate, verdict) if isinstance(verdict, Rejected) else candidate


def keep_one(group: Iterable[Candidate], reason: str) -> Iterator[Candidate]:
    """Of the kept candidates of a group keep the one of smallest (rank, key, parent); reject the others."""
    members = sorted(group, key=lambda c: (c.rank, c.key, c.parent))
    survivor_seen = False
    for candidate in members:
        if candidate.outcome == "kept" and survivor_seen:
            yield reject(candidate, Rejected(reason, float(len(members)), 1.0))
        else:
            survivor_seen = survivor_seen or candidate.outcome == "kept"
            yield candidate


def count_distinct(group: Iterable[Candidate], of: By, score: str) -> Iterator[Candidate]:
    """Give each candidate of a group the number of distinct values of `of` in it, as a score."""
    members = list(group)
    count = float(len({getattr(candidate, of) for candidate in members}))
    for candidate in members:
        yield dataclasses.replace(candidate, scores={**candidate.scores, score: count})


def node_of(candidate: Candidate) -> str:
    """Return a candidate's name in the graph of near-duplicates: names sort as ranks do."""
    return f"{candidate.rank}|{candidate.key}|{candidate.parent}"


def band_members(candidate: Candidate) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept candidate's name under each of its band keys."""
    if candidate.outcome == "kept":
        yield from ((band.encode(), node_of(candidate).encode()) for band in candidate.bands)


def star_edges(_: bytes, nodes: list[bytes]) -> list[tuple[str, str]]:
    """Return the edges of one bucket: every member to the one of smallest rank."""
    return star(((node.decode(),), node.decode()) for node in nodes)


def find_roots(edges: Iterable[tuple[str, str]]) -> dict[str, tuple[str, int]]:
    """Return of each node in a cluster its root and the cluster's size."""
    return {node: (found.root, found.size) for node, found in cluster(edges, {}).items()}


def keep_root(candidate: Candidate, roots: dict[str, tuple[str, int]]) -> Candidate:
    """Reject a kept candidate that is not the root of its cluster; the measure is the cluster's size."""
    node = node_of(candidate)
    root, size = roots.get(node, (node, 1))
    if candidate.outcome != "kept" or root == node:
        return candidate
    return reject(candidate, Rejected("near_duplicate", float(size), 1.0))


@dataclass(kw_only=True, eq=False)
class KeepOneOfNearDuplicates(beam.PTransform):
    """Of kept candidates whose MinHash bands connect them, the one of smallest rank survives.

    Band keys and names are shuffled, never texts; the edges (a star a bucket) are clustered on one worker.

    """

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[Candidate]:
        """Bucket, star, cluster, mark."""
        roots = (
            candidates
            | "Bands" >> beam.FlatMap(band_members).with_output_types(tuple[bytes, bytes])
            | "Bucket" >> Regroup()
            | "Star" >> beam.FlatMapTuple(star_edges)
            | "Collect edges" >> beam.combiners.ToList()
            | "Cluster" >> beam.Map(find_roots)
        )
        return candidates | "Keep roots" >> beam.Map(keep_root, roots=beam.pvalue.AsSingleton(roots))


def paragraph_members(candidate: Candidate) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept candidate's name under the key of each of its paragraphs, repeats included."""
    if candidate.outcome == "kept":
        yield from ((paragraph.encode(), node_of(candidate).encode()) for paragraph in candidate.paragraphs)


def frequent_in(counted: tuple[bytes, list[bytes]], most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield for a paragraph with more than `most` occurrences (name of a candidate, mark and key)."""
    paragraph, nodes = counted
    if len(nodes) > most:
        yield from ((node, _FREQUENT + paragraph) for node in sorted(set(nodes)))


def mark_frequent(_: bytes, values: list[bytes]) -> Iterator[Candidate]:
    """Give the kept candidates of one name the keys of their frequent paragraphs."""
    keys = tuple(sorted(value[1:].decode() for value in values if value[:1] == _FREQUENT))
    for value in values:
        if value[:1] == _CANDIDATE:
            candidate = decode(value[1:])
            kept = candidate.outcome == "kept"
            yield dataclasses.replace(candidate, frequent_paragraphs=keys) if kept else candidate


@dataclass(kw_only=True, eq=False)
class MarkFrequentParagraphs(beam.PTransform):
    """Kept candidates learn which of their paragraphs occur more than `most` times in their domain.

    Only keys and names are counted; what is joined back are the frequent keys (OBELICS, arXiv 2306.16527, App. A.1.5).

    Args:
      most: Occurrences that a paragraph may have.
    """

    most: int

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[Candidate]:
        """Count, then join the frequent ones back."""
        marks = (
            candidates
            | "Paragraphs" >> beam.FlatMap(paragraph_members).with_output_types(tuple[bytes, bytes])
            | "Count" >> Regroup()
            | "Frequent" >> beam.FlatMap(frequent_in, most=self.most).with_output_types(tuple[bytes, bytes])
        )
        named = candidates | "Name" >> beam.Map(
            lambda candidate: (node_of(candidate).encode(), _CANDIDATE + encode(candidate))
        ).with_output_types(tuple[bytes, bytes])
        return (
            (named, marks)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Mark" >> beam.FlatMapTuple(mark_frequent)
        )


@dataclass(kw_only=True, eq=False)
class RegroupCandidates(beam.PTransform):
    """Candidates -> lists of candidates that share the value of `by`; those rejected before stand alone.

    Args:
      by: The field whose value groups them.
      everything: Group the rejected ones as well (for counts over the raw set).
    """

    by: By
    everything: bool = False

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[list[Candidate]]:
        """Key, regroup, decode."""
        return (
            candidates
            | "Key" >> beam.Map(self._keyed).with_output_types(tuple[bytes, bytes])
            | "Regroup" >> Regroup()
            | "Decode" >> beam.MapTuple(lambda _, values: [decode(value) for value in values])
        )

    def _keyed(self, candidate: Candidate) -> tuple[bytes, bytes]:
        value = getattr(candidate, self.by)
        if not self.everything and candidate.outcome != "kept":
            value = f"rejected {candidate.key} {candidate.parent}"
        return value.encode(), encode(candidate)


@dataclass(kw_only=True, eq=False)
class KeepOne(beam.PTransform):
    """Of candidates that share `by`, one survives; the others are rejected with `reason`."""

    by: By
    reason: str

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[Candidate]:
        """Regroup and choose."""
        return (
            candidates
            | f"Group by {self.by}" >> RegroupCandidates(by=self.by)
            | "Choose the survivor" >> beam.FlatMap(keep_one, reason=self.reason)
        )


@dataclass(kw_only=True, eq=False)
class CountDistinct(beam.PTransform):
    """Candidates that share `by` get the number of distinct `of` among them as the score `score`."""

    by: By
    of: By
    score: str

    def expand(self, candidates: beam.PCollection[Candidate]) -> beam.PCollection[Candidate]:
        """Regroup and count, over the raw set: before any rule has rejected."""
        return (
            candidates
            | f"Group by {self.by}" >> RegroupCandidates(by=self.by, everything=True)
            | f"Count distinct {self.of}" >> beam.FlatMap(count_distinct, of=self.of, score=self.score)
        )


def without_keys(candidate: Candidate) -> Candidate:
    """Return a decided candidate without the keys that nothing after this needs."""
    return dataclasses.replace(candidate, bands=(), paragraphs=())


def transform(step: Step) -> beam.PTransform:
    """Return a step as a transform, labelled."""
    match step:
        case select_steps.Judge():
            made: beam.PTransform = beam.Map(judge, rules=step.rules)
        case select_steps.KeepOne():
            made = KeepOne(by=step.by, reason=step.reason)
        case select_steps.KeepOneOfNearDuplicates():
            made = KeepOneOfNearDuplicates()
        case select_steps.MarkFrequentParagraphs():
            made = MarkFrequentParagraphs(most=step.most)
        case select_steps.CountDistinct():
            made = CountDistinct(by=step.by, of=step.of, score=step.score)
    return step.label >> made


def build(
    pipeline: beam.Pipeline, steps: tuple[Step, ...], candidates: Sequence[str], folder: str
) -> beam.PCollection[int]:
    """Build the pipeline that decides on candidates.

    Args:
      pipeline: Where to add it.
      steps: What decides, in order.
      candidates: Fragments of the extract stage.
      folder: Where the decisions are written.
    """
    decided = (
        pipeline | "Candidate fragments" >> beam.Create(candidates) | "Read candidates" >> beam.FlatMap(read_candidates)
    )
    for step in steps:
        decided |= transform(step)
    decided |= "Count outcomes" >> CountOutcomes(stage="select")
    decided |= "Drop keys" >> beam.Map(without_keys)
    return decided | "Write decisions" >> WriteRecords(record=Candidate, folder=folder, sort_by=("key", "parent"))
