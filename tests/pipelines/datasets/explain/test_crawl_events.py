"""A crawl knows pages that it fetched, refused or only saw a link to."""

from pathlib import Path

import pytest

from corpusloom.pipelines.datasets.explain.crawl_events import Crawl
from corpusloom.pipelines.datasets.explain.event import Wanted
from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow
from corpusloom.schemas import identity, tables

ROOT, SECRET, DEEP = (f"http://a.example/{name}" for name in ("", "secret", "deep"))
ROWS = (
    FrontierRow(key=identity.page_key(ROOT), url=ROOT, depth=0, outcome="kept", links=(SECRET, DEEP)),
    FrontierRow(key=identity.page_key(SECRET), url=SECRET, depth=1, outcome="rejected", reason="robots_disallowed"),
    FrontierRow(
        key=identity.image_key(f"{ROOT}i.png"), url=f"{ROOT}i.png", depth=0, outcome="dead", reason="timeout",
        message="no answer", unit="image",
    ),
)  # fmt: skip


@pytest.fixture
def crawl(tmp_path: Path) -> Crawl:
    tables.write_records(str(tmp_path / "frontier" / "lane-00000-00000.parquet"), FrontierRow, ROWS)
    return Crawl(str(tmp_path))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (ROOT, ("page", "kept", None, None)),
        ("https://www.a.example/secret", ("page", "rejected", "robots_disallowed", None)),
        (f"{ROOT}i.png", ("image", "dead", "timeout", f"{ROOT}i.png: no answer")),
    ],
)
def test_each_outcome_is_told(crawl: Crawl, url: str, told: tuple[str | None, ...]) -> None:
    (event,) = crawl.events(Wanted.of(url))
    assert (event.unit, event.outcome, event.reason, event.note) == told
    assert event.stage == "scrape"


def test_a_page_that_was_never_fetched_is_told_with_the_page_that_links_to_it(crawl: Crawl) -> None:
    (event,) = crawl.events(Wanted.of(DEEP))
    assert event.outcome == "not_fetched"
    assert event.note is not None
    assert event.note.startswith(f"linked from {ROOT} at depth 0; not fetched: beyond --depth")


def test_an_unknown_url_has_no_event_and_all_urls_are_names(crawl: Crawl) -> None:
    assert list(crawl.events(Wanted.of("http://b.example/"))) == []
    assert {ROOT, SECRET, DEEP} <= set(crawl.names())
