"""The definition of each step of the select stage, as a pure function over one head or one group of heads.

`distributed` calls these functions. `local` does the same over Arrow columns, where a call per group would be slow;
tests compare both with these functions. Only `count_distinct` and `score_tokens` consider rejected heads.
"""

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from corpusloom.pipelines.dedup.components import Cluster, cluster, star
from corpusloom.pipelines.filters.pairs.entries import draw
from corpusloom.schemas import arrow
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected, Rule, decide

TOKEN_COUNT, TOKEN_RANK = "token_count", "token_rank"
"""Scores of a pair's rarest unigram or bigram: its occurrences, and the number of tokens that occur as often or more
often."""
ENTRY_DRAW = "entry_draw"
"""Score of a pair: the smallest draw of its entries."""
ENTRY_COUNT = "entry_count"
"""Score of a pair: the number of kept pairs that have its rarest entry."""
By = Literal["key", "text_key", "image_key"]
"""A key that heads are grouped by."""


def value_of(head: Head, by: By) -> str:
    """Return a head's key of one kind."""
    match by:
        case "key":
            return head.key
        case "text_key":
            return head.text_key
        case "image_key":
            return head.image_key


def encode(head: Head) -> bytes:
    """Return a head as canonical JSON, so that equal heads are equal bytes."""
    return json.dumps(arrow.to_plain(head), sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes) -> Head:
    """Return the head that `encode` wrote."""
    return arrow.from_plain(Head, json.loads(data))


def is_kept(head: Head) -> bool:
    """Return whether no step has rejected a head so far."""
    return head.outcome == "kept"


def reject(head: Head, verdict: Rejected) -> Head:
    """Return the head with a rejection."""
    return dataclasses.replace(
        head,
        outcome="rejected",
        reason=verdict.reason,
        measured=verdict.measured,
        threshold=verdict.threshold,
    )


def judge(head: Head, rules: tuple[Rule, ...]) -> Head:
    """Return a kept head with the verdict of the first failing rule on its scores; a missing score passes."""
    verdict = decide(head.scores, rules) if is_kept(head) else None
    return reject(head, verdict) if isinstance(verdict, Rejected) else head


def keep_one(group: Iterable[Head], reason: str) -> list[Head]:
    """Return a group in which only one head is still kept: the first by (rank, key, parent), then by its encoded bytes.

    The other kept heads are rejected; the measured value is the number of heads that were kept before.
    """
    heads = list(group)
    kept = [place for place, head in enumerate(heads) if is_kept(head)]
    if len(kept) < 2:
        return heads
    first = min((heads[place].rank, heads[place].key, heads[place].parent) for place in kept)
    tied = [place for place in kept if (heads[place].rank, heads[place].key, heads[place].parent) == first]
    survivor = min(tied, key=lambda place: encode(heads[place])) if len(tied) > 1 else tied[0]
    verdict = Rejected(reason, float(len(kept)), 1.0)
    for place in kept:
        if place != survivor:
            heads[place] = reject(heads[place], verdict)
    return heads


def node_of(head: Head) -> str:
    """Return a head's name in the graph of near-duplicates. Names sort as (mixture, rank, key, parent) do."""
    return f"{head.mixture}|{head.rank}|{head.key}|{head.parent}"


def bucket_edges(nodes: Iterable[str]) -> list[tuple[str, str]]:
    """Return the edges of one band's bucket: each node to the one of smallest name."""
    return star(nodes)


def clusters_of(edges: Iterable[tuple[str, str]]) -> dict[str, Cluster[str]]:
    """Return the cluster of each node that has an edge: the node of smallest name, and the number of nodes."""
    return cluster(edges)


def keep_root(head: Head, clusters: Mapping[str, Cluster[str]]) -> Head:
    """Reject a kept head that is not the root of its cluster; the measured value is the number of its nodes."""
    node = node_of(head)
    found = clusters.get(node)
    if found is None or found.root == node or not is_kept(head):
        return head
    return reject(head, Rejected("near_duplicate", float(found.size), 1.0))


def is_frequent(occurrences: int, most: int) -> bool:
    """Return whether a paragraph with this number of occurrences on kept pages of its domain is frequent."""
    return occurrences > most


def mark_frequent(head: Head, frequent: Collection[str]) -> Head:
    """Return a kept head with those of its paragraphs that are frequent, each once, sorted."""
    if not is_kept(head):
        return head
    return dataclasses.replace(head, frequent_paragraphs=tuple(sorted(set(head.paragraphs).intersection(frequent))))


def count_distinct(group: Iterable[Head], of: By, score: str) -> list[Head]:
    """Return the heads of a group, rejected ones too, with the number of distinct values of `of` in it as a score."""
    heads = list(group)
    count = float(len({value_of(head, of) for head in heads}))
    return [dataclasses.replace(head, scores={**head.scores, score: count}) for head in heads]


def token_ranks(tokens_of_count: Mapping[int, int]) -> dict[int, int]:
    """Return number of occurrences -> number of tokens with as many or more, given the tokens of each number."""
    ranks, above = {}, 0
    for count in sorted(tokens_of_count, reverse=True):
        above += tokens_of_count[count]
        ranks[count] = above
    return ranks


def score_tokens(head: Head, rarest: int, ranks: Mapping[int, int]) -> Head:
    """Return a head, rejected or not, with the occurrences of its rarest token and their rank as scores."""
    scores = {TOKEN_COUNT: float(rarest), TOKEN_RANK: float(ranks[rarest])}
    return dataclasses.replace(head, scores={**head.scores, **scores})


def draw_entries(head: Head, counts: Mapping[str, int], seed: int) -> Head:
    """Return a head with the smallest draw of its entries as a score, given the number of kept heads of each entry."""
    if not is_kept(head) or not head.entries:
        return head
    smallest = min(draw(head.key, entry, counts[entry], seed) for entry in head.entries)
    return dataclasses.replace(head, scores={**head.scores, ENTRY_DRAW: smallest})


def count_entries(head: Head, counts: Mapping[str, int]) -> Head:
    """Return a head with the kept heads of its rarest entry as a score, given their number by entry."""
    if not is_kept(head) or not head.entries:
        return head
    rarest = float(min(counts[entry] for entry in head.entries))
    return dataclasses.replace(head, scores={**head.scores, ENTRY_COUNT: rarest})


def without_keys(head: Head) -> Head:
    """Return a decided head without the keys that nothing after select needs."""
    return dataclasses.replace(head, bands=(), paragraphs=(), tokens=(), entries=())
