"""Corpus-wide rules: the survivor and the counts depend on the records, never on their order."""

import dataclasses

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.pipelines.stages.select import distributed
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected, Rule

heads = st.lists(
    st.builds(
        Head,
        unit=st.just("page"),
        key=st.text("abc", min_size=1, max_size=2),
        parent=st.uuids().map(str),
        url=st.just("u"),
        rank=st.text("123", max_size=2),
        text_key=st.sampled_from(("t", "s")),
        image_key=st.sampled_from(("i", "j", "k")),
        outcome=st.sampled_from(("kept", "rejected")),
        scores=st.dictionaries(st.sampled_from(("words",)), st.floats(0, 100)),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda c: c.parent,
)


@given(heads)
def test_encoding_comes_back(group: list[Head]) -> None:
    assert [distributed.decode(distributed.encode(head)) for head in group] == group


@given(heads, st.randoms())
def test_one_survives_whatever_the_order(group: list[Head], random: object) -> None:
    shuffled = list(group)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    kept = [c for c in distributed.keep_one(group, "duplicate") if c.outcome == "kept"]
    assert kept == [c for c in distributed.keep_one(shuffled, "duplicate") if c.outcome == "kept"]
    assert len(kept) == (1 if any(c.outcome == "kept" for c in group) else 0)
    assert sorted(c.parent for c in distributed.keep_one(group, "duplicate")) == sorted(c.parent for c in group)


@given(heads)
def test_distinct_values_are_counted_over_the_raw_set(group: list[Head]) -> None:
    counted = list(distributed.count_distinct(group, "image_key", "text_images"))
    assert {c.scores["text_images"] for c in counted} == {float(len({c.image_key for c in group}))}


def test_what_was_rejected_is_not_judged_again() -> None:
    rule = Rule(reason="few", score="words", minimum=50)
    one = Head(unit="page", key="k", parent="p", url="u", scores={"words": 3.0})
    assert distributed.judge(one, (rule,)).reason == "few"
    before = distributed.reject(one, Rejected("earlier"))
    assert distributed.judge(before, (rule,)) == before
    assert distributed.judge(dataclasses.replace(one, scores={}), (rule,)).outcome == "kept"


def test_frequent_paragraphs_are_marked_on_every_page_that_has_them() -> None:
    def one(key: str, *paragraphs: str, outcome: str = "kept") -> Head:
        return Head(unit="page", key=key, parent=key, url="u", paragraphs=paragraphs, outcome=outcome)

    pages = [one("a", "x", "y"), one("b", "x"), one("c", "x", "z", "z"), one("d", "z", outcome="rejected"), one("e")]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        marked = pipeline | beam.Create(pages) | distributed.MarkFrequentParagraphs(most=2)
        found = marked | beam.Map(lambda c: (c.key, c.frequent_paragraphs))
        expected = [("a", ("x",)), ("b", ("x",)), ("c", ("x",)), ("d", ()), ("e", ())]
        assert_that(found, equal_to(expected))
