"""Scrapes one lane: fetches its pages, and writes WARCs and parts of its frontier at checkpoints.

A lane is one asyncio loop that interleaves its hosts. Every `checkpoint_pages` outcomes it closes a WARC and writes a
part of the frontier (outcomes with their links). A resumed lane continues from these parts, so a kill loses at most one
checkpoint. If configured, the images of the pages are fetched after the pages; they are found as in a build.
"""

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.extract.alt_texts import PageImages
from corpusloom.pipelines.extract.page_task import HtmlPage, extract_page_images
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.pipelines.net.links import links_of
from corpusloom.pipelines.net.scheduler import FetchScheduler
from corpusloom.pipelines.stages.page_pool import page_pool
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict

STAGE = "scrape"
CHECKPOINT_BYTES = 128_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeConfig:
    """Configuration of a scrape."""

    seeds: str
    """Path of a text file with one URL per line; blank lines and # comments are ignored."""
    out: str
    fetch: FetchConfig
    depth: int = 3
    """Number of links from a seed to a page, at most."""
    max_pages: int | None = None
    """Pages per host, at most."""
    images: bool = False
    """Whether the pages' images are fetched into the WARCs too."""
    workers: int = 0
    """Processes that find images in pages; 0 does it in this process."""
    lanes: int = 1
    checkpoint_pages: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierRow:
    """The outcome of one URL, with its links."""

    VERSION: ClassVar[int] = 1
    key: str
    url: str
    depth: int
    outcome: str
    reason: str | None = None
    measured: float | None = None
    threshold: float | None = None
    message: str | None = None
    links: tuple[str, ...] = ()
    unit: str = "page"
    """page or image."""


@dataclass
class Lane:
    """One running lane: known URLs, and the outcomes since the last checkpoint."""

    number: int
    config: ScrapeConfig
    depths: dict[str, int] = field(default_factory=dict)
    """URL that waits -> number of links from a seed."""
    known: set[str] = field(default_factory=set)
    pages_a_host: dict[str, int] = field(default_factory=dict)
    rows: list[FrontierRow] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    """Responses for the next WARC: pages, images, robots.txt and other permission files."""
    part: int = 0
    held: int = 0

    def offer(self, url: str, depth: int) -> bool:
        """Register a URL and return True if it is new, not too deep, and within its host's page limit; else False."""
        key = identity.page_key(url)
        if key in self.known or depth > self.config.depth:
            return False
        host = identity.host_of(url)
        if self.config.max_pages is not None and self.pages_a_host.get(host, 0) >= self.config.max_pages:
            return False
        self.pages_a_host[host] = self.pages_a_host.get(host, 0) + 1
        self.known.add(key)
        self.depths[url] = depth
        return True

    def take(self, url: str, outcome: FetchOutcome) -> list[str]:
        """Record a page's outcome; return the links to fetch next."""
        row = make_row(url, self.depths.pop(url), outcome)
        if isinstance(outcome, Response):
            self.known.add(identity.page_key(outcome.final_url))
        following = [link for link in row.links if self.offer(link, row.depth + 1)]
        self._enter(row, outcome)
        return following

    def take_image(self, url: str, outcome: FetchOutcome) -> None:
        """Record an image's outcome."""
        row = with_verdict(
            FrontierRow(key=identity.image_key(url), url=url, depth=0, outcome="kept", unit="image"), outcome
        )
        self._enter(row, outcome)

    def _enter(self, row: FrontierRow, outcome: FetchOutcome) -> None:
        """Buffer an outcome; write the checkpoint if it is full."""
        self.rows.append(row)
        if isinstance(outcome, Response):
            self.keep(outcome)
        metrics.count_outcome(STAGE, row.unit, row.outcome, row.reason)
        if len(self.rows) >= self.config.checkpoint_pages or self.held >= CHECKPOINT_BYTES:
            self.checkpoint()

    def images(self) -> Iterator[str]:
        """Yield the image URLs of the pages in the WARCs that have no outcome yet, each once."""
        prefix = f"lane-{self.number:05d}-"
        names = [name for name in storage.listing(self.config.out, ".warc.gz") if name.startswith(prefix)]
        for url in page_images((storage.join(self.config.out, name) for name in names), self.config.workers):
            key = identity.image_key(url)
            if key not in self.known and identity.page_key(url) not in self.known:  # it may have been fetched as a link
                self.known.add(key)
                yield url

    def keep(self, answer: Response) -> None:
        """Buffer a response for the next WARC."""
        self.answers.append(answer)
        self.held += len(answer.wire_body)

    def checkpoint(self) -> None:
        """Write the buffered responses as a WARC, then the part of the frontier, which commits it."""
        if not self.rows:
            return
        stem = f"lane-{self.number:05d}-{self.part:05d}"
        if self.answers:
            write_warc(storage.join(self.config.out, f"{stem}.warc.gz"), self.answers, self.config.fetch)
        tables.write_records(storage.join(self.config.out, "frontier", f"{stem}.parquet"), FrontierRow, self.rows)
        self.rows, self.answers, self.held = [], [], 0
        self.part += 1

    def resume(self, seeds: list[str]) -> list[str]:
        """Read the parts of the frontier; return the seeds and links without an outcome."""
        parts = list(frontier_rows(self.config.out, self.number))
        names = storage.listing(storage.join(self.config.out, "frontier"), ".parquet")
        self.part = sum(name.startswith(f"lane-{self.number:05d}-") for name in names)
        for row in parts:
            self.known.add(row.key)
            if row.unit == "image":
                continue
            host = identity.host_of(row.url)
            self.pages_a_host[host] = self.pages_a_host.get(host, 0) + 1
        waiting = [seed for seed in seeds if self.offer(seed, 0)]
        return waiting + [link for row in parts for link in row.links if self.offer(link, row.depth + 1)]


def page_images(warcs: Iterable[str], workers: int = 0) -> Iterator[str]:
    """Yield the image URLs of each page, in order; skip pages that cannot be parsed.

    `workers` processes parse the pages, so that a hostile page fails alone; 0 parses them in this process.
    """

    def pages() -> Iterator[HtmlPage]:
        for warc in warcs:
            for record in read_warc(warc):
                if isinstance(record, HtmlResponse):
                    yield HtmlPage(record.body, record.url, record.content_type)

    with page_pool(extract_page_images, workers) as pool:
        for found in pool.map(pages()):
            if isinstance(found, PageImages):
                yield from (image.url for image in found.images)


def frontier_rows(out: str, lane: int | None = None) -> Iterator[FrontierRow]:
    """Yield the outcomes in a scrape's frontier, of one lane or of all."""
    folder = storage.join(out, "frontier")
    for name in storage.listing(folder, ".parquet"):
        if lane is None or name.startswith(f"lane-{lane:05d}-"):
            yield from tables.read_records(storage.join(folder, name), FrontierRow)


def write_warc(path: str, answers: list[Response], config: FetchConfig) -> None:
    """Write responses as one WARC, each with its request, its redirects, and a metadata record of its signals."""
    with storage.writing(path) as handle:
        writer = WarcWriter(handle, compress=True)
        info = {"software": "corpusloom", "format": "WARC File Format 1.1", "http-header-user-agent": config.user_agent}
        writer.warcinfo(info, answers[0].fetched_at)
        for answer in answers:
            for exchange in (*answer.hops, answer):
                writer.exchange(
                    exchange.final_url,
                    exchange.request,
                    exchange.response_head,
                    exchange.wire_body,
                    date=exchange.fetched_at,
                    address=exchange.address,
                    truncated=exchange.truncated,
                )
            hops = [hop.final_url for hop in answer.hops]
            facts = {"hops": hops, "signals": arrow.to_plain(answer.signals), "asked": answer.url}
            writer.metadata(answer.final_url, facts, date=answer.fetched_at)


def verdict_of(outcome: FetchOutcome) -> Verdict:
    """Return the verdict on an outcome; a response with an error status is rejected, but stays in the WARC."""
    if not isinstance(outcome, Response):
        return outcome
    return Kept() if 200 <= outcome.status < 300 else Rejected(f"http_{outcome.status}")


def follow(outcome: FetchOutcome, url: str) -> tuple[str, ...]:
    """Return the links of an HTML response to the requested host or, after a redirect, to the responding host."""
    if not isinstance(outcome, Response) or not 200 <= outcome.status < 300:
        return ()
    kind = next((v for n, v in outcome.headers if n.lower() == "content-type"), "text/html")
    if "html" not in kind.lower():
        return ()
    hosts = {identity.host_of(url), identity.host_of(outcome.final_url)}
    if len({identity.registered_domain(host) for host in hosts}) > 1:  # another domain may belong to another lane
        return ()
    return tuple(link for link in links_of(outcome.body, outcome.final_url) if identity.host_of(link) in hosts)


def make_row(url: str, depth: int, outcome: FetchOutcome) -> FrontierRow:
    """Return the frontier row of one outcome."""
    row = FrontierRow(key=identity.page_key(url), url=url, depth=depth, outcome="kept", links=follow(outcome, url))
    return with_verdict(row, outcome)


def with_verdict(row: FrontierRow, outcome: FetchOutcome) -> FrontierRow:
    """Return a row with the verdict on its outcome."""
    match verdict_of(outcome):
        case Rejected(reason, measured, threshold):
            return dataclasses.replace(row, outcome="rejected", reason=reason, measured=measured, threshold=threshold)
        case Dead(error, message):
            return dataclasses.replace(row, outcome="dead", reason=error, message=message)
    return row


async def scrape_lane(number: int, seeds: list[str], config: ScrapeConfig) -> int:
    """Scrape one lane to the end of its frontier; return its number of known URLs."""
    lane = Lane(number, config)
    async with Fetcher(config.fetch) as fetcher:

        def take(url: str, outcome: FetchOutcome) -> None:
            for link in lane.take(url, outcome):
                scheduler.add(link)

        host_files = HostFilesCache(fetcher, on_file=lane.keep)
        scheduler = FetchScheduler(fetcher, "page", take, accept_errors=True, host_files=host_files)
        try:
            await scheduler.run(lane.resume(seeds))
            if config.images:
                lane.checkpoint()
                await FetchScheduler(fetcher, "image", lane.take_image, host_files=host_files).run(list(lane.images()))
        except asyncio.CancelledError:  # Ctrl-C: commit the fetched pages
            lane.checkpoint()
            raise
    lane.checkpoint()
    return len(lane.known)
