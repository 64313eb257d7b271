"""The select stage over Beam: heads in, heads with a verdict out. `local` gives the same output on one machine.

Only heads are shuffled, never texts or images. Each step is a transform over `Head` that calls a function of
`group_decisions`. A head that an earlier step rejected passes through unchanged, so each head ends with one verdict.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.stages.select import group_decisions
from corpusloom.pipelines.stages.select import steps as select_steps
from corpusloom.pipelines.stages.select.group_decisions import By, decode, encode, is_kept, node_of, value_of
from corpusloom.pipelines.stages.select.steps import Step
from corpusloom.pipelines.store.regroup import Regroup, WriteRecords
from corpusloom.schemas import identity, tables
from corpusloom.schemas.records import Head

STAGE = "select"
_HEAD, _FREQUENT, _COUNT = b"c", b"f", b"n"
"""First bytes that distinguish heads, paragraph keys and counts of tokens, which are regrouped together."""


def read_heads(path: str) -> Iterator[Head]:
    """Yield the heads of a fragment."""
    yield from tables.read_records(path, Head)


def band_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept head's name under each of its band keys."""
    if is_kept(head):
        yield from ((band.encode(), encoded_node(head)) for band in head.bands)


def star_edges(_: bytes, nodes: list[bytes]) -> list[tuple[str, str]]:
    """Return the edges of one bucket."""
    return group_decisions.bucket_edges(node.decode() for node in nodes)


@dataclass(kw_only=True, eq=False)
class KeepOneOfNearDuplicates(beam.PTransform):
    """Keep one of the kept heads that MinHash bands connect.

    Band keys and names are shuffled, never texts. The edges, one star per bucket, are clustered on one worker.
    """

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Bucket, star, cluster, mark."""
        clusters = (
            heads
            | "Bands" >> beam.FlatMap(band_members).with_output_types(tuple[bytes, bytes])
            | "Bucket" >> Regroup()
            | "Star" >> beam.FlatMapTuple(star_edges)
            | "Collect edges" >> beam.combiners.ToList()
            | "Cluster" >> beam.Map(group_decisions.clusters_of)
        )
        return heads | "Keep roots" >> beam.Map(group_decisions.keep_root, clusters=beam.pvalue.AsSingleton(clusters))


def paragraph_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept head's name under the key of each of its paragraphs, repeats included."""
    if is_kept(head):
        yield from ((paragraph.encode(), encoded_node(head)) for paragraph in head.paragraphs)


def frequent_in(counted: tuple[bytes, list[bytes]], most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name of a head, mark and key) for each head that has a frequent paragraph."""
    paragraph, nodes = counted
    if group_decisions.is_frequent(len(nodes), most):
        yield from ((node, _FREQUENT + paragraph) for node in sorted(set(nodes)))


def mark_frequent(_: bytes, values: list[bytes]) -> Iterator[Head]:
    """Yield the heads of one name, the kept ones with their frequent paragraphs."""
    frequent = {value[1:].decode() for value in values if value[:1] == _FREQUENT}
    for value in values:
        if value[:1] == _HEAD:
            yield group_decisions.mark_frequent(decode(value[1:]), frequent)


@dataclass(kw_only=True, eq=False)
class NameHeads(beam.PTransform):
    """Heads -> (name, encoded head), to be regrouped with values for the heads of this name."""

    name: Callable[[Head], bytes]

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[tuple[bytes, bytes]]:
        """Name and encode."""
        return heads | beam.Map(lambda head: (self.name(head), _HEAD + encode(head))).with_output_types(
            tuple[bytes, bytes]
        )


def encoded_node(head: Head) -> bytes:
    """Return a head's name in the graph of near-duplicates, encoded."""
    return node_of(head).encode()


@dataclass(kw_only=True, eq=False)
class MarkFrequentParagraphs(beam.PTransform):
    """Mark paragraphs of kept heads that occur more than `most` times in their domain (OBELICS, App. A.1.5).

    Only keys and names are counted. Frequent keys are then joined back to the heads.

    Args:
      most: Occurrences of a paragraph, at most.
    """

    most: int

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count, then join the frequent ones back."""
        marks = (
            heads
            | "Paragraphs" >> beam.FlatMap(paragraph_members).with_output_types(tuple[bytes, bytes])
            | "Count" >> Regroup()
            | "Frequent" >> beam.FlatMap(frequent_in, most=self.most).with_output_types(tuple[bytes, bytes])
        )
        return (
            (heads | "Name" >> NameHeads(name=encoded_node), marks)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Mark" >> beam.FlatMapTuple(mark_frequent)
        )


def name_with_tokens(head: Head) -> bytes:
    """Return a name that only heads with the same tokens share."""
    return f"{node_of(head)}|{identity.make_key('tokens', *head.tokens)}".encode()


def token_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a head's name under the key of each of its tokens, repeats included."""
    name = name_with_tokens(head)
    yield from ((token.encode(), name) for token in head.tokens)


def encode_count(name: bytes, count: int) -> tuple[bytes, bytes]:
    """Return a name and a number as they are regrouped with heads."""
    return name, _COUNT + str(count).encode()


def counts_in(_: bytes, names: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield (name of a head, occurrences of one token) for each head that has the token."""
    yield from ((name, len(names)) for name in sorted(set(names)))


def score_named(_: bytes, values: list[bytes], ranks: Mapping[int, int]) -> Iterator[Head]:
    """Yield the heads of one name with the scores of their rarest token; heads without tokens have none."""
    found = [int(value[1:]) for value in values if value[:1] == _COUNT]
    for value in values:
        if value[:1] == _HEAD:
            head = decode(value[1:])
            yield group_decisions.score_tokens(head, found[0], ranks) if found else head


@dataclass(kw_only=True, eq=False)
class ScoreTokens(beam.PTransform):
    """Score heads with the occurrences of their rarest token and the rank of this number.

    Keys and names are shuffled, then one number per head. The ranks are a side input with one entry per number of
    occurrences that a token has: at most about the square root of twice the number of all occurrences.
    """

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count, rank, then join the smallest count of each head back."""
        tokens = (
            heads
            | "Tokens" >> beam.FlatMap(token_members).with_output_types(tuple[bytes, bytes])
            | "Occurrences" >> Regroup()
        )
        ranks = (
            tokens
            | "Tokens of a count" >> beam.MapTuple(lambda _, names: (len(names), 1)).with_output_types(tuple[int, int])
            | "Sum" >> beam.CombinePerKey(sum)
            | "All counts" >> beam.combiners.ToDict()
            | "Ranks" >> beam.Map(group_decisions.token_ranks)
        )
        rarest = (
            tokens
            | "Counts of a head" >> beam.FlatMapTuple(counts_in).with_output_types(tuple[bytes, int])
            | "Rarest" >> beam.CombinePerKey(min)
            | "Encode" >> beam.MapTuple(encode_count).with_output_types(tuple[bytes, bytes])
        )
        return (
            (heads | "Name" >> NameHeads(name=name_with_tokens), rarest)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Score" >> beam.FlatMapTuple(score_named, ranks=beam.pvalue.AsSingleton(ranks))
        )


@dataclass(kw_only=True, eq=False)
class RegroupHeads(beam.PTransform):
    """Heads -> lists of heads that share the key `by`. Rejected heads are in lists of their own.

    Args:
      by: The key that groups heads.
      everything: Group rejected heads with the others, for counts over the raw set.
    """

    by: By
    everything: bool = False

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[list[Head]]:
        """Key, regroup, decode."""
        return (
            heads
            | "Key" >> beam.Map(self._keyed).with_output_types(tuple[bytes, bytes])
            | "Regroup" >> Regroup()
            | "Decode" >> beam.MapTuple(lambda _, values: [decode(value) for value in values])
        )

    def _keyed(self, head: Head) -> tuple[bytes, bytes]:
        value = value_of(head, self.by)
        if not self.everything and not is_kept(head):
            value = f"rejected {head.key} {head.parent}"
        return value.encode(), encode(head)


@dataclass(kw_only=True, eq=False)
class KeepOne(beam.PTransform):
    """Keep one of the kept heads that share `by`; reject the others with `reason`."""

    by: By
    reason: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Regroup and choose."""
        return (
            heads
            | f"Group by {self.by}" >> RegroupHeads(by=self.by)
            | "Choose the survivor" >> beam.FlatMap(group_decisions.keep_one, reason=self.reason)
        )


@dataclass(kw_only=True, eq=False)
class CountDistinct(beam.PTransform):
    """Score heads that share `by` with their number of distinct `of`."""

    by: By
    of: By
    score: str

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Regroup and count, over the raw set: before any rule has rejected."""
        return (
            heads
            | f"Group by {self.by}" >> RegroupHeads(by=self.by, everything=True)
            | f"Count distinct {self.of}" >> beam.FlatMap(group_decisions.count_distinct, of=self.of, score=self.score)
        )


class _CountOutcomes(beam.DoFn):
    """Counts outcomes per bundle before adding them to Beam's counters, each of which costs more than an addition."""

    def start_bundle(self) -> None:
        self._passed: Counter[tuple[str, str, str | None]] = Counter()

    def process(self, head: Head) -> Iterator[Head]:
        self._passed[head.unit, head.outcome, head.reason] += 1
        yield head

    def finish_bundle(self) -> None:
        for (unit, outcome, reason), number in self._passed.items():
            metrics.count_outcome(STAGE, unit, outcome, reason, number)


@dataclass(kw_only=True, eq=False)
class CountOutcomes(beam.PTransform):
    """Heads -> the same, counted by outcome and reason in the counters of the select stage."""

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count and pass on."""
        return heads | "Count" >> beam.ParDo(_CountOutcomes()).with_output_types(Head)


def transform(step: Step) -> beam.PTransform:
    """Return a step as a transform, labelled."""
    match step:
        case select_steps.Judge():
            made: beam.PTransform = beam.Map(group_decisions.judge, rules=step.rules)
        case select_steps.KeepOne():
            made = KeepOne(by=step.by, reason=step.reason)
        case select_steps.KeepOneOfNearDuplicates():
            made = KeepOneOfNearDuplicates()
        case select_steps.MarkFrequentParagraphs():
            made = MarkFrequentParagraphs(most=step.most)
        case select_steps.CountDistinct():
            made = CountDistinct(by=step.by, of=step.of, score=step.score)
        case select_steps.CountTokens():
            made = ScoreTokens()
    return step.label >> made


def build(pipeline: beam.Pipeline, steps: tuple[Step, ...], heads: Sequence[str], folder: str) -> beam.PCollection[int]:
    """Build the pipeline that decides on heads.

    Args:
      pipeline: The pipeline to extend.
      steps: The steps, in order.
      heads: Fragments of the extract stage.
      folder: Folder of the decisions.
    """
    decided = pipeline | "Head fragments" >> beam.Create(heads) | "Read heads" >> beam.FlatMap(read_heads)
    for step in steps:
        decided |= transform(step)
    decided |= "Count outcomes" >> CountOutcomes()
    decided |= "Drop keys" >> beam.Map(group_decisions.without_keys)
    return decided | "Write decisions" >> WriteRecords(record=Head, folder=folder, sort_by=("key", "parent"))
