"""The scrape stage on a loopback site: links that it follows, WARCs that it writes, and resuming after a kill."""

import asyncio
import contextlib
import dataclasses
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.stages.scrape import scrape, scrape_lane
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas.errors import ConfigError, InputError
from tests.pipelines.small_web import small_web

PAGES = 60
KILLED = """
import asyncio, sys
from corpusloom.pipelines.stages.scrape import scrape, scrape_lane
from corpusloom.pipelines.net.config import FetchConfig
seeds, out, port = sys.argv[1:]
fetch = FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{port}",), delay=0, slots=1)
config = scrape_lane.ScrapeConfig(seeds=seeds, out=out, fetch=fetch, depth=99, checkpoint_pages=10)
asyncio.run(scrape_lane.scrape_lane(0, scrape.read_seeds(seeds), config))
"""


@dataclass
class Site:
    """A running site and the requests that it got."""

    port: int
    asked: Counter[str] = field(default_factory=Counter)
    reached: threading.Event = field(default_factory=threading.Event)

    @property
    def pages(self) -> Counter[str]:
        """Return the requested paths, without robots.txt and the other host files."""
        return Counter({path: n for path, n in self.asked.items() if not path.endswith((".txt", ".json"))})

    def config(self, folder: Path, seed: str, **changes: object) -> scrape_lane.ScrapeConfig:
        seeds = folder / "seeds.txt"
        seeds.write_text(f"# seeds\nhttp://127.0.0.1:{self.port}{seed}\n")
        fetch = FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{self.port}",), delay=0)
        return scrape_lane.ScrapeConfig(seeds=str(seeds), out=str(folder / "out"), fetch=fetch, **changes)  # type: ignore[arg-type]


def body_of(path: str) -> tuple[int, bytes]:
    """Return the page at a path: a small tree, a chain, and a calendar without an end."""
    first, _, number = path.lstrip("/").partition("/")
    if path == "/robots.txt":
        return 200, b"User-agent: *\nDisallow: /private"
    if path == "/":
        links = [
            "/a",
            "/b#part",
            "/private/x",
            "/missing",
            "http://elsewhere.example/",
            "/a?utm_source=x",
            "mailto:a@b",
        ]
    elif path == "/a":
        links = ["/deep/1", "/"]
    elif path == "/b":
        links = []
    elif first in ("deep", "chain", "calendar") and (first == "calendar" or int(number) < PAGES):
        links = [f"/{first}/{int(number) + 1}"]
    elif first in ("deep", "chain"):
        links = []
    else:
        return 404, b"none"
    return 200, "".join(f'<p>{path} <a href="{link}">x</a>' for link in links or [""]).encode()


@contextlib.contextmanager
def serve() -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked[self.path] += 1
            if self.path == "/chain/35":
                site.reached.set()
                time.sleep(0.2)
            status, body = body_of(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = Site(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()


def run(config: scrape_lane.ScrapeConfig) -> scrape.ScrapeReport:
    """Scrape the one lane without Beam."""
    asyncio.run(scrape_lane.scrape_lane(0, scrape.read_seeds(config.seeds), config))
    return scrape.finish(config, "test")


def test_a_site_through_beam_is_on_record_and_done_once(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/", depth=2)
        report = scrape.scrape(config, Reporter(quiet=True))
        asked = Counter(site.asked)
        again = scrape.scrape(config, Reporter(quiet=True))
        assert site.asked == asked
    (counts,) = report.counts
    assert (counts.records_in, counts.kept) == (6, 4)
    assert counts.rejected == {"robots_disallowed": 1, "http_404": 1}
    assert (again.reused, again.counts) == (True, report.counts)
    assert set(site.pages) == {"/", "/a", "/b", "/missing", "/deep/1"}
    assert max(site.asked.values()) == 1


def test_a_finished_scrape_asks_again_what_another_policy_allows(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/", depth=2)
        closed = dataclasses.replace(config, fetch=FetchConfig(contact="t@example.org"))
        (counts,) = scrape.scrape(closed, Reporter(quiet=True)).counts
        assert counts.rejected == {"port_not_allowed": 1}
        assert not site.asked
        assert scrape.scrape(closed, Reporter(quiet=True)).reused
        report = scrape.scrape(config, Reporter(quiet=True))
        assert scrape.scrape(config, Reporter(quiet=True)).reused
    (counts,) = report.counts
    assert (counts.records_in, counts.kept, report.reused) == (6, 4, False)


def test_the_warc_holds_what_was_served_and_the_evidence(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/", depth=1)
        report = run(config)
    found = [row for name in report.warcs for row in read_warc(f"{config.out}/{name}")]
    base = f"http://127.0.0.1:{site.port}"
    pages = {row.url.removeprefix(base): row.body for row in found if isinstance(row, HtmlResponse)}
    skipped = {row.url.removeprefix(base) for row in found if isinstance(row, SkippedRecord)}
    assert {path: body_of(path)[1] for path in ("/", "/a", "/b")}.items() <= pages.items()
    assert "/missing" in skipped
    assert "/robots.txt" in pages.keys() | skipped
    assert "/private/x" not in pages.keys() | skipped


def test_depth_counts_links_from_a_seed(tmp_path: Path) -> None:
    with serve() as site:
        run(site.config(tmp_path, "/chain/1", depth=4))
    assert set(site.pages) == {f"/chain/{n}" for n in range(1, 6)}


def test_an_infinite_calendar_ends_at_the_pages_of_a_host(tmp_path: Path) -> None:
    with serve() as site:
        report = run(site.config(tmp_path, "/calendar/1", depth=10_000, max_pages=12))
    assert report.counts[0].kept == 12
    assert sum(site.pages.values()) == 12


def test_after_kill_9_at_most_one_checkpoint_is_fetched_twice(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/chain/1", depth=99, checkpoint_pages=10)
        arguments = [sys.executable, "-c", KILLED, config.seeds, config.out, str(site.port)]
        with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": os.getcwd()}) as process:
            assert site.reached.wait(60)
            process.send_signal(signal.SIGKILL)
        report = run(config)
    twice = [path for path, times in site.pages.items() if times > 1]
    assert len(twice) <= 10
    assert max(site.pages.values()) == 2
    assert report.counts[0].kept == PAGES
    pages = [row for name in report.warcs for row in read_warc(f"{config.out}/{name}") if isinstance(row, HtmlResponse)]
    chain = Counter(page.url for page in pages if "/chain/" in page.url)
    assert len(chain) == PAGES
    assert set(chain.values()) == {1}


def test_the_commit_says_what_was_counted(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/", depth=1)
        report = run(config)
    values = json.loads((tmp_path / "out" / scrape.COMMIT).read_text())
    assert values["counts"][0]["kept"] == report.counts[0].kept
    assert all(row.unaccounted == 0 for row in report.counts)


def test_another_scrape_does_not_go_into_a_finished_folder(tmp_path: Path) -> None:
    with serve() as site:
        config = site.config(tmp_path, "/", depth=1)
        run(config)
        with pytest.raises(InputError, match="other seeds"):
            scrape.scrape(config, Reporter(quiet=True))


@pytest.mark.parametrize(("text", "message"), [("", "no URL"), ("ftp://a/\n", "no http"), (b"\xff\xfe", "UTF-8")])
def test_bad_seed_files_are_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "seeds"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        scrape.read_seeds(str(path))


def test_a_missing_seed_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        scrape.read_seeds(str(tmp_path / "none"))


def test_nothing_is_fetched_without_a_contact(tmp_path: Path) -> None:
    (tmp_path / "seeds").write_text("http://example.org/\n")
    config = scrape_lane.ScrapeConfig(seeds=str(tmp_path / "seeds"), out=str(tmp_path / "out"), fetch=FetchConfig())
    with pytest.raises(ConfigError, match="reach you"):
        scrape.scrape(config, Reporter(quiet=True))


def image_responses(warcs: Iterable[Path]) -> Counter[str]:
    """Return the URLs of the images that WARCs hold, with how often."""
    found: Counter[str] = Counter()
    for path in warcs:
        with path.open("rb") as handle:
            for record in ArchiveIterator(handle, record_types=WarcRecordType.response):
                if (record.http_content_type or "").startswith("image/") and record.http_headers.status_code == 200:
                    found[record.headers["WARC-Target-URI"]] += 1
    return found


def test_images_of_pages_go_into_the_warcs_once_and_a_resumed_scrape_goes_on(tmp_path: Path) -> None:
    with small_web(tmp_path) as web:
        report = web.scrape("crawl", images=True, checkpoint_pages=20)
        counts = {row.unit: row for row in report.counts}
        images = image_responses((tmp_path / "crawl").glob("*.warc.gz"))
        assert len(images) > 20
        assert [url for url, number in images.items() if number > 1] == []
        assert counts["image"].kept > 20
        assert counts["image"].rejected["http_404"] >= 1
        assert counts["page"].unaccounted == counts["image"].unaccounted == 0
        assert web.canary.connections == 0
        before = web.server.counted()
        (tmp_path / "crawl" / "scrape.json").unlink()  # killed before its last line
        assert web.scrape("crawl", images=True, checkpoint_pages=20).counts == report.counts
        asked = web.server.counted() - before
        assert all(path.endswith((".txt", ".json")) for _, path in asked)  # only the host files
