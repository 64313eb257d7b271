"""Counts over Beam: paragraphs, tokens and entries are counted over the right heads and joined back to each."""

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from corpusloom.pipelines.filters.pairs.entries import draw
from corpusloom.pipelines.stages.select import distributed_counts
from corpusloom.schemas.records import Head


def page(key: str, *paragraphs: str, outcome: str = "kept", **fields: object) -> Head:
    """Return the head of a page."""
    return Head(
        unit="page", key=key, parent=key, url="u", paragraphs=paragraphs, outcome=outcome, **fields  # type: ignore[arg-type]
    )  # fmt: skip


def test_frequent_paragraphs_are_marked_on_every_page_that_has_them() -> None:
    pages = [
        page("a", "x", "y"),
        page("b", "x"),
        page("c", "x", "z", "z"),
        page("d", "z", outcome="rejected"),
        page("e"),
    ]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        marked = pipeline | beam.Create(pages) | distributed_counts.MarkFrequentParagraphs(most=2)
        found = marked | beam.Map(lambda head: (head.key, head.frequent_paragraphs))
        expected = [("a", ("x",)), ("b", ("x",)), ("c", ("x",)), ("d", ()), ("e", ())]
        assert_that(found, equal_to(expected))


def test_heads_of_one_name_have_their_own_marks() -> None:
    pages = [page("a", "x"), page("a", "y"), page("b", "x")]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        marked = pipeline | beam.Create(pages) | distributed_counts.MarkFrequentParagraphs(most=1)
        found = marked | beam.Map(lambda head: (head.key, head.paragraphs, head.frequent_paragraphs))
        assert_that(found, equal_to([("a", ("x",), ("x",)), ("a", ("y",), ()), ("b", ("x",), ("x",))]))


def test_a_paragraph_marks_each_name_once() -> None:
    counted = (b"x", [b"b", b"a", b"b"])
    assert [name for name, _ in distributed_counts.frequent_in(counted, 2)] == [b"a", b"b"]
    assert list(distributed_counts.frequent_in(counted, 3)) == []


def test_only_kept_heads_have_paragraphs_and_entries_that_count() -> None:
    kept, gone = (page("a", "x", outcome=outcome, entries=("e",)) for outcome in ("kept", "rejected"))
    assert list(distributed_counts.paragraph_members(kept)) == [(b"x", b"||a|a")]
    assert [entry for entry, _ in distributed_counts.entry_members(kept)] == [b"e"]
    assert [*distributed_counts.paragraph_members(gone), *distributed_counts.entry_members(gone)] == []


def test_tokens_of_rejected_heads_count_too_and_heads_without_tokens_have_no_score() -> None:
    heads = [
        page("a", tokens=("the", "the", "boat")),
        page("b", tokens=("the",), outcome="rejected"),
        page("c"),
    ]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        found = pipeline | beam.Create(heads) | distributed_counts.ScoreTokens() | beam.Map(scores)
        expected = [
            ("a", {"token_count": 1.0, "token_rank": 2.0}),
            ("b", {"token_count": 3.0, "token_rank": 1.0}),
            ("c", {}),
        ]
        assert_that(found, equal_to(expected))


def test_entries_are_counted_over_kept_heads_and_only_those_are_drawn() -> None:
    heads = [
        page("a", entries=("e", "f")),
        page("b", entries=("e",)),
        page("c", entries=("e",), outcome="rejected"),
    ]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        found = pipeline | beam.Create(heads) | distributed_counts.ScoreEntries(seed=5) | beam.Map(scores)
        expected = [
            ("a", {"entry_draw": min(draw("a", "e", 2, 5), draw("a", "f", 1, 5))}),
            ("b", {"entry_draw": draw("b", "e", 2, 5)}),
            ("c", {}),
        ]
        assert_that(found, equal_to(expected))


def test_kept_heads_have_the_number_of_kept_heads_of_their_rarest_entry() -> None:
    heads = [
        page("a", entries=("e", "f")),
        page("b", entries=("e",)),
        page("c", entries=("e",), outcome="rejected"),
        page("d"),
    ]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        found = pipeline | beam.Create(heads) | distributed_counts.ScoreEntries() | beam.Map(scores)
        expected = [("a", {"entry_count": 1.0}), ("b", {"entry_count": 2.0}), ("c", {}), ("d", {})]
        assert_that(found, equal_to(expected))


def test_heads_of_one_name_with_other_entries_are_counted_apart() -> None:
    one, two = page("a", entries=("e",)), page("a", entries=("f",))
    assert distributed_counts.name_with_counted(one) != distributed_counts.name_with_counted(two)
    tokens = page("a", tokens=("e",))
    assert distributed_counts.name_with_counted(one) != distributed_counts.name_with_counted(tokens)


def scores(head: Head) -> tuple[str, dict[str, float]]:
    """Return a head's key and scores."""
    return head.key, head.scores
