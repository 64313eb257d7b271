"""Decisions of each step over one group, and both implementations of select compared with them on generated corpora."""

import dataclasses
import itertools
import random as randoms
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.dedup.components import Cluster
from corpusloom.pipelines.filters.pairs.entries import draw
from corpusloom.pipelines.stages.select import group_decisions as meaning
from corpusloom.pipelines.stages.select.steps import (
    CountDistinct,
    CountEntries,
    CountTokens,
    DrawEntries,
    Judge,
    KeepOne,
    KeepOneOfNearDuplicates,
    MarkFrequentParagraphs,
    Step,
)
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected, Rule
from tests.pipelines.stages.select.bodies import on_an_engine, on_one_machine, write_fragments

FEW = ("a", "b", "c")
VALUES = st.sampled_from((0.0, 1.0, 2.0, 3.0, float("nan"), float("inf"), float("-inf")))


def heads_of(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[Head]:
    """Return heads whose keys, ranks, bands and scores are often equal."""
    few = st.sampled_from(FEW)
    usual: dict[str, st.SearchStrategy[object]] = {
        "unit": st.just("page"),
        "key": few,
        "parent": few,
        "url": few,
        "rank": st.sampled_from(("", "1", "2", "é")),
        "mixture": st.sampled_from(("", "0", "1")),
        "text_key": few,
        "image_key": few,
        "images": st.lists(few, max_size=2).map(tuple),
        "bands": st.lists(st.sampled_from("uvwxyz"), max_size=3).map(tuple),
        "paragraphs": st.lists(st.sampled_from("pqr"), max_size=4).map(tuple),
        "tokens": st.lists(st.sampled_from("lmnop"), max_size=4).map(tuple),
        "entries": st.lists(st.sampled_from("efgh"), max_size=3, unique=True).map(tuple),
        "scores": st.dictionaries(st.sampled_from(("s", "t", "u")), VALUES),
    }
    return st.builds(Head, **usual | fields)


GROUPS = st.lists(heads_of(outcome=st.sampled_from(("kept", "rejected"))), max_size=8)
"""Groups of heads, some of them empty or with rejected members."""
RULES = st.lists(
    st.builds(
        Rule,
        reason=st.sampled_from(("r1", "r2", "r3")),
        score=st.sampled_from(("s", "t", "u", "count")),
        minimum=st.sampled_from((None, 1.0, 2.0)),
        maximum=st.sampled_from((None, 1.0, 2.0)),
        strict=st.booleans(),
    ),
    max_size=4,
).map(tuple)
BY: tuple[meaning.By, ...] = ("key", "text_key", "image_key")


def labelled(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return steps with unique labels, which a Beam pipeline needs.

    Paragraphs are marked once, tokens are counted once and entries are drawn once, as in every recipe.
    """
    once: list[Step] = []
    for step in steps:
        if not isinstance(step, MarkFrequentParagraphs | CountTokens | DrawEntries | CountEntries) or type(
            step
        ) not in map(type, once):
            once.append(step)
    return tuple(dataclasses.replace(step, label=f"{number} {step.label}") for number, step in enumerate(once))


STEPS = st.lists(
    st.one_of(
        st.builds(Judge, st.just("judge"), RULES),
        st.builds(KeepOne, st.just("keep one"), st.sampled_from(BY), st.sampled_from(("d1", "d2"))),
        st.just(KeepOneOfNearDuplicates("near", distinct=False)),
        st.builds(MarkFrequentParagraphs, st.just("mark"), st.integers(0, 4)),
        st.builds(
            CountDistinct, st.just("count"), st.sampled_from(BY), st.sampled_from(BY), st.sampled_from(("count", "t"))
        ),
        st.just(CountTokens("tokens")),
        st.builds(DrawEntries, st.just("entries"), st.integers(0, 3)),
        st.just(CountEntries("counted")),
    ),
    max_size=5,
).map(labelled)


# --- the corpus as a whole, decided with nothing but the functions ---


def grouped(heads: Sequence[Head], by: meaning.By) -> list[list[Head]]:
    """Return heads by their key of one kind."""
    groups: dict[str, list[Head]] = defaultdict(list)
    for head in heads:
        groups[meaning.value_of(head, by)].append(head)
    return list(groups.values())


def clusters(heads: Sequence[Head]) -> dict[str, Cluster[str]]:
    """Return the clusters of kept heads that share bands."""
    buckets: dict[str, set[str]] = defaultdict(set)
    for head in filter(meaning.is_kept, heads):
        for band in head.bands:
            buckets[band].add(meaning.node_of(head))
    return meaning.clusters_of(edge for nodes in buckets.values() for edge in meaning.bucket_edges(nodes))


def after(heads: Sequence[Head], step: Step) -> list[Head]:
    """Return heads after one step."""
    match step:
        case Judge():
            return [meaning.judge(head, step.rules) for head in heads]
        case KeepOne():
            return [head for group in grouped(heads, step.by) for head in meaning.keep_one(group, step.reason)]
        case KeepOneOfNearDuplicates():
            found = clusters(heads)
            return [meaning.keep_root(head, found) for head in heads]
        case MarkFrequentParagraphs():
            counts = Counter(key for head in heads if meaning.is_kept(head) for key in head.paragraphs)
            frequent = {key for key, count in counts.items() if meaning.is_frequent(count, step.most)}
            return [meaning.mark_frequent(head, frequent) for head in heads]
        case CountDistinct():
            groups = grouped(heads, step.by)
            return [head for group in groups for head in meaning.count_distinct(group, step.of, step.score)]
        case CountTokens():
            return with_token_scores(heads)
        case CountEntries():
            counts = Counter(entry for head in heads if meaning.is_kept(head) for entry in head.entries)
            return [meaning.count_entries(head, counts) for head in heads]
        case DrawEntries():
            counts = Counter(entry for head in heads if meaning.is_kept(head) for entry in head.entries)
            return [meaning.draw_entries(head, counts, step.seed) for head in heads]


def with_token_scores(heads: Sequence[Head]) -> list[Head]:
    """Return heads with the scores of their rarest token."""
    counts = Counter(token for head in heads for token in head.tokens)
    ranks = meaning.token_ranks(Counter(counts.values()))
    return [
        meaning.score_tokens(head, min(counts[token] for token in head.tokens), ranks) if head.tokens else head
        for head in heads
    ]


def decided(heads: Sequence[Head], steps: tuple[Step, ...]) -> list[Head]:
    """Return heads after all steps, as select writes them, sorted."""
    for step in steps:
        heads = after(heads, step)
    written = map(meaning.without_keys, heads)
    return sorted((dataclasses.replace(head, scores=dict(sorted(head.scores.items()))) for head in written), key=repr)


SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example takes a tenth of a second, too long to shrink
)


@settings(SLOW, max_examples=25)
@given(st.lists(heads_of(), min_size=1, max_size=12), STEPS, st.sampled_from((1, 3)))
def test_one_machine_decides_as_the_functions_say(heads: list[Head], steps: tuple[Step, ...], passes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_fragments(heads, folder, rows=5)
        found = on_one_machine(paths, steps, folder, passes=passes, rows_at_once=4, partition_bytes=300)
    assert list(map(repr, found)) == list(map(repr, decided(heads, steps)))  # NaN equals nothing, its text does


@settings(SLOW, max_examples=5)
@given(st.lists(heads_of(), min_size=1, max_size=12), STEPS)
def test_an_engine_decides_as_the_functions_say(heads: list[Head], steps: tuple[Step, ...]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = on_an_engine(write_fragments(heads, folder), steps, folder / "out")
    assert list(map(repr, found)) == list(map(repr, decided(heads, steps)))


@pytest.mark.parametrize("body", [on_an_engine, on_one_machine])
def test_a_large_corpus_with_every_step_is_decided_alike(body: object, tmp_path: Path) -> None:
    rng = randoms.Random(2)
    heads = [
        Head(
            unit="page",
            key=str(rng.randrange(60)),
            parent=str(rng.randrange(9)),
            url=str(rng.randrange(4)),
            rank=str(rng.randrange(3)),
            text_key=str(rng.randrange(80)),
            image_key=str(rng.randrange(40)),
            bands=tuple(str(rng.randrange(200)) for _ in range(2)),
            paragraphs=tuple(str(rng.randrange(40)) for _ in range(3)),
            tokens=tuple(str(int(rng.expovariate(0.05))) for _ in range(rng.randrange(5))),
            entries=tuple(sorted({str(rng.randrange(3)) for _ in range(rng.randrange(4))})),
            scores={name: rng.choice((0.0, 1.0, 2.0, float("nan"))) for name in "stu" if rng.random() < 0.7},
        )
        for _ in range(200)
    ]
    rules = tuple(Rule(reason=f"few_{name}", score=name, minimum=1.0, strict=name == "t") for name in "stu")
    for order in (rules, rules[::-1]):
        steps: tuple[Step, ...] = (
            CountDistinct("count", "text_key", "image_key", "images"),
            CountTokens("tokens"),
            Judge("judge", (*order, Rule(reason="rare", score="token_rank", maximum=70.0))),
            KeepOne("one per text", "text_key", "duplicate_text"),
            KeepOneOfNearDuplicates("near", distinct=False),
            MarkFrequentParagraphs("mark", 2),
            KeepOne("one per set of images", "image_key", "duplicate_image_set"),
            DrawEntries("entries", 1),
            Judge("balance", (Rule(reason="frequent", score="entry_draw", maximum=0.5),)),
            CountEntries("count entries"),
        )
        found = body(write_fragments(heads, tmp_path), steps, tmp_path / order[0].score)  # type: ignore[operator]
        assert list(map(repr, found)) == list(map(repr, decided(heads, steps)))
        assert {head.reason for head in found} == {
            None, "few_s", "few_t", "few_u", "rare", "duplicate_text", "near_duplicate", "duplicate_image_set",
            "frequent",
        }  # fmt: skip


# --- one group ---


@given(GROUPS)
def test_an_encoded_head_is_decoded_unchanged(group: list[Head]) -> None:
    assert repr([meaning.decode(meaning.encode(head)) for head in group]) == repr(
        [dataclasses.replace(head, scores=dict(sorted(head.scores.items()))) for head in group]
    )


@given(GROUPS, st.randoms(use_true_random=False))
def test_one_kept_head_survives_whatever_the_order(group: list[Head], random: randoms.Random) -> None:
    shuffled = list(group)
    random.shuffle(shuffled)
    found = meaning.keep_one(group, "duplicate")
    assert sorted(map(repr, found)) == sorted(map(repr, meaning.keep_one(shuffled, "duplicate")))
    kept = [head for head in group if meaning.is_kept(head)]
    assert sum(map(meaning.is_kept, found)) == min(1, len(kept))
    for before, head in zip(group, found, strict=True):
        if before.outcome == "rejected":
            assert repr(head) == repr(before)
        elif head.outcome == "kept":
            name = (head.rank, head.key, head.parent)
            assert name == min((other.rank, other.key, other.parent) for other in kept)
        else:
            assert (head.reason, head.measured, head.threshold) == ("duplicate", float(len(kept)), 1.0)


def head(key: str = "k", **fields: object) -> Head:
    """Return a kept head."""
    return Head(unit="page", key=key, parent="p", url="u", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (head("b", rank="1"), head("a", rank="2")),
        (head("a", rank="1"), head("b", rank="1")),
        (dataclasses.replace(head(), parent="a"), dataclasses.replace(head(), parent="b")),
        (head(text_key="a"), head(text_key="b")),
    ],
    ids=["rank", "key", "parent", "content"],
)
def test_the_survivor_is_the_first_by_rank_then_key_then_parent_then_content(first: Head, second: Head) -> None:
    for group in itertools.permutations((first, second)):
        assert [one for one in meaning.keep_one(group, "d") if meaning.is_kept(one)] == [first]


def test_a_group_of_one_and_no_group_are_left_alone() -> None:
    assert meaning.keep_one([], "d") == []
    assert meaning.keep_one([head()], "d") == [head()]
    assert meaning.count_distinct([], "key", "n") == []


@given(GROUPS, st.sampled_from(BY))
def test_distinct_values_are_counted_over_the_raw_set(group: list[Head], of: meaning.By) -> None:
    counted = meaning.count_distinct(group, of, "n")
    assert [one.scores["n"] for one in counted] == [float(len({getattr(one, of) for one in group}))] * len(group)
    without = [dataclasses.replace(one, scores={k: v for k, v in one.scores.items() if k != "n"}) for one in counted]
    assert repr(without) == repr(group)


def test_a_rejected_head_is_not_judged_again() -> None:
    rule = Rule(reason="few", score="words", minimum=50)
    one = head(scores={"words": 3.0})
    found = meaning.judge(one, (rule,))
    assert (found.outcome, found.reason, found.measured, found.threshold) == ("rejected", "few", 3.0, 50)
    before = meaning.reject(one, Rejected("earlier"))
    assert meaning.judge(before, (rule,)) == before
    assert meaning.judge(dataclasses.replace(one, scores={}), (rule,)).outcome == "kept"


def test_the_smallest_name_of_a_cluster_stays_and_the_size_counts_names() -> None:
    one, two, three, alone = (head(key, rank=rank) for key, rank in (("a", "2"), ("b", "1"), ("c", "3"), ("d", "0")))
    again = dataclasses.replace(three, url="other")
    found = meaning.clusters_of(
        [
            *meaning.bucket_edges(map(meaning.node_of, (one, two))),
            *meaning.bucket_edges(map(meaning.node_of, (one, three))),
        ]
    )
    decided = [meaning.keep_root(each, found) for each in (one, two, three, again, alone)]
    assert [each.outcome for each in decided] == ["rejected", "kept", "rejected", "rejected", "kept"]
    assert {(each.reason, each.measured, each.threshold) for each in decided if each.outcome == "rejected"} == {
        ("near_duplicate", 3.0, 1.0)
    }
    gone = meaning.reject(one, Rejected("earlier"))
    assert meaning.keep_root(gone, found) == gone


def test_of_near_duplicates_the_one_in_fewer_languages_stays_whatever_its_rank() -> None:
    mixed, pure, older = head("a", rank="1", mixture="04"), head("b", rank="2", mixture="00"), head("c", rank="3")
    older = dataclasses.replace(older, mixture="00")
    found = meaning.clusters_of(meaning.bucket_edges(map(meaning.node_of, (mixed, pure, older))))
    assert [meaning.keep_root(each, found).outcome for each in (mixed, pure, older)] == ["rejected", "kept", "rejected"]


@pytest.mark.parametrize(("count", "frequent"), [(2, False), (3, True)])
def test_a_paragraph_is_frequent_above_the_threshold(count: int, frequent: bool) -> None:
    assert meaning.is_frequent(count, 2) is frequent


def test_marks_are_a_heads_own_frequent_paragraphs_sorted() -> None:
    one = head(paragraphs=("y", "x", "y", "z"))
    assert meaning.mark_frequent(one, {"x", "y", "w"}).frequent_paragraphs == ("x", "y")
    gone = meaning.reject(one, Rejected("earlier"))
    assert meaning.mark_frequent(gone, {"x"}) == gone


def test_the_rank_of_a_count_is_the_number_of_tokens_with_as_many_occurrences_or_more() -> None:
    assert meaning.token_ranks({1: 5, 7: 1, 3: 2}) == {7: 1, 3: 3, 1: 8}
    assert meaning.token_ranks({}) == {}


def test_a_rejected_head_gets_the_scores_of_its_rarest_token_too() -> None:
    gone = meaning.reject(head(scores={"words": 3.0}), Rejected("earlier"))
    found = meaning.score_tokens(gone, 3, {7: 1, 3: 3})
    assert found == dataclasses.replace(gone, scores={"words": 3.0, "token_count": 3.0, "token_rank": 3.0})


def test_a_kept_head_has_the_smallest_draw_of_its_entries() -> None:
    one = head("k", entries=("a", "b"))
    draws = [draw("k", "a", 9, 4), draw("k", "b", 2, 4)]
    assert meaning.draw_entries(one, {"a": 9, "b": 2}, 4).scores == {"entry_draw": min(draws)}
    gone = meaning.reject(one, Rejected("earlier"))
    assert meaning.draw_entries(gone, {}, 4) == gone
    assert meaning.draw_entries(head(), {}, 4) == head()


def test_a_kept_head_has_the_count_of_its_rarest_entry() -> None:
    one = head("k", entries=("a", "b"))
    assert meaning.count_entries(one, {"a": 9, "b": 2}).scores == {"entry_count": 2.0}
    gone = meaning.reject(one, Rejected("earlier"))
    assert meaning.count_entries(gone, {}) == gone
    assert meaning.count_entries(head(), {}) == head()


def test_what_is_written_has_no_keys_that_only_select_needs() -> None:
    keys = {"bands": ("b",), "paragraphs": ("p",), "tokens": ("t",), "entries": ("e",)}
    one = head(**keys, frequent_paragraphs=("p",), images=("i",))
    assert meaning.without_keys(one) == dataclasses.replace(one, bands=(), paragraphs=(), tokens=(), entries=())
