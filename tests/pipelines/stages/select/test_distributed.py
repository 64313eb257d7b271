"""The Beam implementation: which heads are grouped, and which values are shuffled."""

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from corpusloom.pipelines.engine.metrics import read_measures
from corpusloom.pipelines.stages.select import distributed
from corpusloom.pipelines.stages.select import group_decisions as meaning
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected


def page(key: str, *paragraphs: str, outcome: str = "kept", **fields: object) -> Head:
    """Return the head of a page."""
    return Head(
        unit="page", key=key, parent=key, url="u", paragraphs=paragraphs, outcome=outcome, **fields  # type: ignore[arg-type]
    )  # fmt: skip


def test_rejected_heads_are_grouped_only_where_everything_is() -> None:
    pages = [
        page(key, text_key="t", outcome=outcome) for key, outcome in (("a", "kept"), ("b", "kept"), ("c", "rejected"))
    ]
    for everything, groups in ((False, [["a", "b"], ["c"]]), (True, [["a", "b", "c"]])):
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            found = (
                pipeline
                | beam.Create(pages)
                | distributed.RegroupHeads(by="text_key", everything=everything)
                | beam.Map(lambda group: sorted(head.key for head in group))
            )
            assert_that(found, equal_to(groups))


def test_outcomes_are_counted_by_unit_and_reason() -> None:
    reject = Rejected("few")
    heads = [page("a"), page("b"), meaning.reject(page("c"), reject), meaning.reject(page("d"), reject), page("e")]
    pipeline = beam.Pipeline(runner="FnApiRunner")
    passed = pipeline | beam.Create(heads) | distributed.CountOutcomes()
    assert_that(passed, equal_to(heads))
    result = pipeline.run()
    result.wait_until_finish()
    assert read_measures(result).counters == {"select/page/kept": 3, "select/page/rejected/few": 2}
