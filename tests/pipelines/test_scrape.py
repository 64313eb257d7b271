"""Scraping a real web: what is asked and what is not, resumption after a kill, robots.txt, counts that add up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import scrape
from pipelines.scrape import ScrapeConfig, frontier_rows
from pipelines.store.warc import WarcPage, read_warc
from schemas.errors import InputError
from tests.pipelines.small_web import QUIET, SmallWeb, small_web


@pytest.fixture
def web(tmp_path: Path) -> Iterator[SmallWeb]:
    """Return a small web."""
    with small_web(tmp_path) as made:
        yield made


def test_everything_that_is_linked_is_asked_once_and_ends_once(web: SmallWeb) -> None:
    report = web.scrape()
    (counts,) = report.counts
    assert counts.unaccounted == 0
    rows = {row.url.split("/", 3)[-1]: row for row in frontier_rows(str(web.folder / "crawl"))}
    assert rows["private/hidden.html"].reason == "robots_disallowed"
    assert rows["missing.html"].reason == "http_404"
    assert rows["inside"].reason == "address_not_public" or rows["inside"].reason == "port_not_allowed"
    assert rows["metadata"].reason == "address_not_public"
    assert rows["loop"].outcome == "rejected"
    assert rows["moved"].outcome == "kept"
    assert web.canary.connections == 0
    assert ("attic.localhost", "/private/hidden.html") not in web.server.hits
    pages = [hit for hit, count in web.server.hits.items() if hit[1].endswith("notes.html") and count > 1]
    assert pages == []


def test_the_warcs_hold_the_pages_byte_for_byte(web: SmallWeb) -> None:
    web.scrape()
    found = {
        page.url: page.body
        for path in sorted((web.folder / "crawl").glob("*.warc.gz"))
        for page in read_warc(str(path))
        if isinstance(page, WarcPage)
    }
    for page in web.server.world.pages:
        if page.kind == "good" and not page.host.startswith("exam"):
            url = f"http://{page.host}:{web.server.port}{page.path}"
            assert found[url] == web.server.world.resources[page.host, page.path].body


def test_depth_and_pages_a_host_are_limits(web: SmallWeb) -> None:
    seeds = len(web.server.world.seeds)
    assert sum(row.records_in for row in web.scrape("shallow", depth=0).counts) == seeds
    rows = list(web_rows(web, "few", max_pages=3))
    assert len(rows) == 3 * seeds


def web_rows(web: SmallWeb, name: str, **changes: object) -> Iterator[object]:
    """Scrape and yield the frontier."""
    web.scrape(name, **changes)
    yield from frontier_rows(str(web.folder / name))


def test_a_finished_scrape_is_left_alone_and_another_refused(web: SmallWeb) -> None:
    web.scrape()
    hits = sum(web.server.hits.values())
    assert web.scrape().reused
    assert sum(web.server.hits.values()) == hits
    with pytest.raises(InputError, match="other seeds"):
        web.scrape(depth=1)


KILLED = """
import sys
from pipelines.net.config import FetchConfig
from pipelines.progress import Reporter
from pipelines.scrape import ScrapeConfig, scrape
seeds, out, port = sys.argv[1:]
fetch = FetchConfig(contact="a@example.org", allow_addresses=(f"127.0.0.0/8:{port}",), delay=0, slots=1)
scrape(ScrapeConfig(seeds=seeds, out=out, fetch=fetch, checkpoint_pages=10), Reporter(quiet=True))
"""


def test_a_killed_scrape_asks_at_most_one_checkpoint_again(web: SmallWeb) -> None:
    seeds = web.folder / "seeds.txt"
    seeds.write_text("\n".join(web.server.world.seed_urls(web.server.port)))
    command = [sys.executable, "-c", KILLED, str(seeds), str(web.folder / "out"), str(web.server.port)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 60
    while len(list((web.folder / "out" / "frontier").glob("*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    config = ScrapeConfig(seeds=str(seeds), out=str(web.folder / "out"), fetch=web.fetch, checkpoint_pages=10)
    (counts,) = scrape.scrape(config, QUIET).counts
    with small_web(web.folder / "again") as fresh:
        fresh.folder.mkdir(exist_ok=True)
        plain = fresh.scrape()
    assert counts.records_in == plain.counts[0].records_in
    twice = sum(count - 1 for (_, path), count in web.server.hits.items() if path.endswith("notes.html"))
    assert twice <= 10
    assert replace(counts, records_in=0).unaccounted == -counts.records_in
