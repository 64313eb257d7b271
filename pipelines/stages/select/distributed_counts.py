"""Transforms of the select stage that count keys of heads and join the counts back to them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.stages.select import group_decisions
from corpusloom.pipelines.stages.select.group_decisions import decode, encode, is_kept, node_of
from corpusloom.pipelines.store.regroup import Regroup
from corpusloom.schemas import identity
from corpusloom.schemas.records import Head

_HEAD, _FREQUENT, _COUNT = b"c", b"f", b"n"
"""First bytes that distinguish heads, paragraph keys and counts, which are regrouped together."""


def paragraph_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept head's name under the key of each of its paragraphs, repeats included."""
    if is_kept(head):
        yield from ((paragraph.encode(), encoded_node(head)) for paragraph in head.paragraphs)


def frequent_in(counted: tuple[bytes, list[bytes]], most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name of a head, mark and key) for each head that has a frequent paragraph."""
    paragraph, nodes = counted
    if group_decisions.is_frequent(len(nodes), most):
        yield from ((node, _FREQUENT + paragraph) for node in sorted(set(nodes)))


def heads_of(values: list[bytes]) -> Iterator[Head]:
    """Yield the heads among the values of one name."""
    yield from (decode(value[1:]) for value in values if value[:1] == _HEAD)


def mark_frequent(_: bytes, values: list[bytes]) -> Iterator[Head]:
    """Yield the heads of one name, the kept ones with their frequent paragraphs."""
    frequent = {value[1:].decode() for value in values if value[:1] == _FREQUENT}
    yield from (group_decisions.mark_frequent(head, frequent) for head in heads_of(values))


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


def name_with_counted(head: Head) -> bytes:
    """Return a name that only heads with the same tokens and entries share."""
    return f"{node_of(head)}|{identity.make_key('counted', *head.tokens, '', *head.entries)}".encode()


def token_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a head's name under the key of each of its tokens, repeats included."""
    name = name_with_counted(head)
    yield from ((token.encode(), name) for token in head.tokens)


def encode_count(name: bytes, count: int) -> tuple[bytes, bytes]:
    """Return a name and a number as they are regrouped with heads."""
    return name, _COUNT + str(count).encode()


def rarest_in(_: bytes, names: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield (name of a head, occurrences of one token) for each head that has the token."""
    yield from ((name, len(names)) for name in sorted(set(names)))


def score_named(named: tuple[bytes, list[bytes]], ranks: Mapping[int, int]) -> Iterator[Head]:
    """Yield the heads of one name with the scores of their rarest token; heads without tokens have none."""
    values = named[1]
    found = [int(value[1:]) for value in values if value[:1] == _COUNT]
    for head in heads_of(values):
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
            | "Counts of a head" >> beam.FlatMapTuple(rarest_in).with_output_types(tuple[bytes, int])
            | "Rarest" >> beam.CombinePerKey(min)
            | "Encode" >> beam.MapTuple(encode_count).with_output_types(tuple[bytes, bytes])
        )
        return (
            (heads | "Name" >> NameHeads(name=name_with_counted), rarest)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Score" >> beam.FlatMap(score_named, ranks=beam.pvalue.AsSingleton(ranks))
        )


def entry_members(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield a kept head's name under the key of each of its entries."""
    if is_kept(head):
        name = name_with_counted(head)
        yield from ((entry.encode(), name) for entry in head.entries)


def counts_of(entry: bytes, names: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name of a head, count and key of one entry) for each head that has the entry."""
    value = _COUNT + f"{len(names)} ".encode() + entry
    yield from ((name, value) for name in sorted(set(names)))


def score_entries_of(named: tuple[bytes, list[bytes]], seed: int | None) -> Iterator[Head]:
    """Yield the heads of one name, the kept ones with their smallest draw, or without a seed their smallest count."""
    values = named[1]
    counted = [value[1:].decode().split(" ") for value in values if value[:1] == _COUNT]
    counts = {entry: int(count) for count, entry in counted}
    for head in heads_of(values):
        if seed is None:
            yield group_decisions.count_entries(head, counts)
        else:
            yield group_decisions.draw_entries(head, counts, seed)


@dataclass(kw_only=True, eq=False)
class ScoreEntries(beam.PTransform):
    """Score kept heads with the smallest draw or count of their entries; keys, names and counts are shuffled.

    Args:
      seed: Seed of the draws; None for counts.
    """

    seed: int | None = None

    def expand(self, heads: beam.PCollection[Head]) -> beam.PCollection[Head]:
        """Count, then join the counts of each head back."""
        counts = (
            heads
            | "Entries" >> beam.FlatMap(entry_members).with_output_types(tuple[bytes, bytes])
            | "Heads of an entry" >> Regroup()
            | "Count" >> beam.FlatMapTuple(counts_of).with_output_types(tuple[bytes, bytes])
        )
        return (
            (heads | "Name" >> NameHeads(name=name_with_counted), counts)
            | "Beside each other" >> beam.Flatten()
            | "Join back" >> Regroup()
            | "Score" >> beam.FlatMap(score_entries_of, seed=self.seed)
        )
