"""Events of ledger and score tables: one per record, with reason and scores, found by key, parent or URL."""

from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.explain.event import Wanted
from corpusloom.pipelines.datasets.explain.table_events import Tables
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas.records import ProvenanceRow
from corpusloom.schemas.tables import write_records
from corpusloom.schemas.verdicts import Dead, Kept, Rejected


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    ledger = Ledger("shards")
    ledger.record(
        Rejected("few", 1.0, 2.0), unit="page", key="p", parent="r", url="http://a.example/", scores={"n": 1.0}
    )
    ledger.record(Kept(), unit="image_occurrence", key="o", parent="p", scores={"side": 9.0})
    ledger.record(Dead("timeout", "slow"), unit="record", key="q", url="http://b.example/")
    ledger.write(str(tmp_path), "x")
    return Tables.of_folder(str(tmp_path))


def test_a_record_has_one_event_with_its_reason_and_scores(tables: Tables) -> None:
    (event,) = tables.events(Wanted("p", owners={"p"}))
    assert (event.outcome, event.reason, event.measured, event.threshold) == ("rejected", "few", 1.0, 2.0)
    assert (event.scores, event.url, event.parent) == ({"n": 1.0}, "http://a.example/", "r")


def test_children_are_listed_for_a_key_and_not_for_an_owner(tables: Tables) -> None:
    assert {event.key for event in tables.events(Wanted("p", keys={"p"}))} == {"p", "o"}
    assert {event.key for event in tables.events(Wanted("p", owners={"p"}, occurrences={"o"}))} == {"p", "o"}
    assert [event.key for event in tables.events(Wanted("p", owners={"p"}))] == ["p"]


def test_a_url_gives_the_keys_of_its_records_and_of_their_sources(tables: Tables) -> None:
    wanted = Wanted("http://a.example/")
    tables.extend(wanted)
    assert wanted.keys == {"p", "r"}
    dead = Wanted("http://b.example/")
    tables.extend(dead)
    assert [event.reason for event in tables.events(dead)] == ["timeout"]


def test_a_kept_record_is_told_with_its_place_in_the_warc(tables: Tables, tmp_path: Path) -> None:
    rows = [
        ProvenanceRow(stage="extract", key="r", url="http://a.example/", warc="a.warc.gz", offset=7),
        ProvenanceRow(stage="extract", key="q", url="http://b.example/", warc="a.warc.gz", offset=9),
    ]
    write_records(str(tmp_path / "provenance" / "y.parquet"), ProvenanceRow, rows)
    found = Tables.of_folder(str(tmp_path))
    (event,) = (event for event in found.events(Wanted("r", keys={"r"})) if event.unit == "record")
    assert (event.outcome, event.note) == ("kept", "http://a.example/ in a.warc.gz at byte 7")
    ended = [event.outcome for event in found.events(Wanted("q", keys={"q"}))]
    assert ended == ["dead"]  # and not kept as well


def test_names_are_urls_and_keys(tables: Tables) -> None:
    assert {"http://a.example/", "http://b.example/", "p", "q"} <= set(tables.names())
