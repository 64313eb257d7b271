"""Heads lead from an image to the pages and pairs that name it, also rejected and forgotten ones."""

from pathlib import Path

from corpusloom.pipelines.datasets.explain.event import Wanted
from corpusloom.pipelines.datasets.explain.work_events import Heads, StageTables
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.tombstones import redact_head
from corpusloom.schemas import identity, tables
from corpusloom.schemas.records import Head
from corpusloom.schemas.verdicts import Rejected

IMAGE, OTHER = "http://a.example/i.png", "http://a.example/j.png"
PAGE = Head(unit="page", key="p", parent="r", url="http://a.example/", images=(OTHER, IMAGE))
PAIR = Head(
    unit="pair", key="q", parent="r", url=IMAGE, images=(IMAGE,), image_key=identity.image_key(IMAGE)
)  # fmt: skip


def work(folder: Path, *heads: Head) -> str:
    tables.write_records(str(folder / "stages" / "warcs-1" / "candidates" / "a.parquet"), Head, heads)
    return str(folder)


def extended(folder: str, name: str) -> Wanted:
    wanted = Wanted.of(name)
    Heads(folder).extend(wanted)
    return wanted


def test_an_image_leads_to_the_pages_that_show_it(tmp_path: Path) -> None:
    wanted = extended(work(tmp_path, PAGE), IMAGE)
    assert (wanted.owners, wanted.occurrences) == ({"p"}, {identity.make_key("occurrence", "p", "1")})
    assert "p" not in wanted.keys


def test_a_page_is_found_by_its_url(tmp_path: Path) -> None:
    wanted = extended(work(tmp_path, PAGE), PAGE.url)
    assert {"p", "r"} <= wanted.keys
    assert wanted.owners == set()


def test_a_forgotten_pair_is_found_by_the_url_that_it_no_longer_has(tmp_path: Path) -> None:
    folder = work(tmp_path, redact_head(PAIR), redact_head(PAGE))
    wanted = extended(folder, IMAGE)
    assert "q" in wanted.keys
    assert wanted.owners == {"p"}
    assert IMAGE not in set(Heads(folder).names())


def test_stages_tell_what_they_decided_and_which_they_are(tmp_path: Path) -> None:
    folder = work(tmp_path)
    ledger = Ledger("shards")
    ledger.record(Rejected("few_images"), unit="page", key="p", url=PAGE.url)
    ledger.write(str(tmp_path / "stages" / "shards-2"), "00000")
    decided = Head(unit="page", key="p", parent="r", url=PAGE.url, outcome="rejected", reason="too_short", measured=3.0)
    tables.write_records(str(tmp_path / "stages" / "select-3" / "decisions" / "a.parquet"), Head, [decided])
    wanted = Wanted.of(PAGE.url)
    StageTables(folder).extend(wanted)
    found = {event.stage: (event.reason, event.measured, event.note) for event in StageTables(folder).events(wanted)}
    assert found == {
        "shards": ("few_images", None, f"{PAGE.url} (shards-2)"),
        "select": ("too_short", 3.0, f"{PAGE.url} (select-3)"),
    }
    assert PAGE.url in set(StageTables(folder).names())
