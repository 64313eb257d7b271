"""Every verdict is counted, and a verdict that is not Kept has a row with its reason."""

from pathlib import Path

import pytest

from corpusloom.pipelines.store.ledger import LEDGER_ORDER, PROVENANCE_ORDER, SCORE_ORDER, Ledger
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import tables
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected


@pytest.fixture
def ledger() -> Ledger:
    """Return a ledger with one verdict of each type, and one of another unit."""
    made = Ledger("select")
    assert made.record(Kept(), unit="page", key="k", scores={"words": 3.0})
    assert not made.record(
        Rejected("short", 1.0, 2.0), unit="page", key="r", parent="p", url="u", scores={"words": 1.0}
    )
    assert not made.record(Dead("OSError", "the message", "the trace"), unit="page", key="d", parent="p", url="v")
    assert not made.record(Rejected("short"), unit="image", key="i")
    return made


def test_counts_add_up_by_unit(ledger: Ledger) -> None:
    assert ledger.counts() == [
        StageCounts(stage="select", unit="image", records_in=1, kept=0, rejected={"short": 1}),
        StageCounts(
            stage="select", unit="page", records_in=3, kept=1, rejected={"short": 1}, dead={"OSError": 1}
        ),
    ]  # fmt: skip
    assert Ledger("x").counts() == []


def test_what_was_kept_has_no_row(ledger: Ledger) -> None:
    assert ledger.rows == [
        LedgerRow(
            stage="select", unit="page", key="r", parent="p", url="u", outcome="rejected", reason="short",
            measured=1.0, threshold=2.0,
        ),
        LedgerRow(stage="select", unit="page", key="d", parent="p", url="v", outcome="dead", reason="OSError"),
        LedgerRow(stage="select", unit="image", key="i", outcome="rejected", reason="short"),
    ]  # fmt: skip


def test_an_error_keeps_message_and_traceback_in_the_provenance(ledger: Ledger) -> None:
    assert ledger.provenance == [
        ProvenanceRow(
            stage="select", key="d", url="v", error="OSError", message="the message", traceback="the trace"
        )
    ]  # fmt: skip
    ledger.record(Dead("E", "m"), unit="page", key="d")
    assert ledger.provenance[-1].traceback is None


def test_scores_are_recorded_with_the_outcome_where_they_were_measured(ledger: Ledger) -> None:
    assert [(row.key, row.parent, row.outcome, row.scores) for row in ledger.scores] == [
        ("k", None, "kept", {"words": 3.0}),
        ("r", "p", "rejected", {"words": 1.0}),
    ]
    ledger.record(Dead("E"), unit="page", key="x", scores={})
    assert ledger.scores[-1] == ScoreRow(stage="select", unit="page", key="x", outcome="dead", scores={})


def test_rows_of_what_was_taken_down_lose_their_urls_and_still_count(ledger: Ledger) -> None:
    before = ledger.counts()
    ledger.redact(Tombstones(keys=frozenset({"r", "d"})))
    assert [row.url for row in ledger.rows] == [None, None, None]
    assert [(row.url, row.message) for row in ledger.provenance] == [(None, None)]
    assert ledger.counts() == before


def test_files_are_sorted_and_lie_in_a_folder_each(ledger: Ledger, tmp_path: Path) -> None:
    ledger.write(str(tmp_path), "part")
    rows = list(tables.read_records(str(tmp_path / "ledger" / "part.parquet"), LedgerRow))
    assert [row.key for row in rows] == ["i", "d", "r"]
    assert [row.key for row in tables.read_records(str(tmp_path / "scores" / "part.parquet"), ScoreRow)] == ["k", "r"]
    assert tables.count_rows(str(tmp_path / "provenance" / "part.parquet")) == 1


def test_the_orders_are_part_of_the_digest() -> None:
    assert LEDGER_ORDER == ("stage", "unit", "key", "parent", "url", "reason")
    assert SCORE_ORDER == ("stage", "unit", "key", "parent", "outcome")
    assert PROVENANCE_ORDER == ("stage", "key", "warc", "offset", "url")
