"""One lane of a scrape: its frontier, its checkpoints and its WARCs.

A lane is one asyncio loop that interleaves its hosts. After every `checkpoint_pages` outcomes it writes a WARC and a
part of the frontier: the outcomes, each with the links of its page. A resumed lane reads the parts and continues, so a
kill loses at most one checkpoint. If images are wanted, they are fetched after all pages; they are the images that a
build would extract from these pages.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from corpusloom.pipelines.engine import metrics, pace
from corpusloom.pipelines.extract.alt_texts import PageImages
from corpusloom.pipelines.extract.page_task import HtmlPage, extract_page_images
from corpusloom.pipelines.extract.reading.charset import to_utf8
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.errors import verdict_of_error
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.host_files import HostFilesCache
from corpusloom.pipelines.net.links import links_of
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.net.scheduler import FetchScheduler
from corpusloom.pipelines.stages.extract.page_pool import page_pool
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.pipelines.store.warc.writing import WarcWriter
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict

STAGE = "scrape"
CHECKPOINT_BYTES = 64_000_000
"""Bytes in memory (heads, bodies and links) after which a checkpoint is written, however few outcomes it has."""
MAX_LINK_BYTES = 2_000_000
"""Characters of the links of one page that are followed; they wait in memory. 10,000 links of 100 characters are 1 MB.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeConfig:
    """Configuration of a scrape."""

    seeds: str
    """Path of a text file of URLs, one per line; blank lines and # comments are skipped."""
    out: str
    """Folder of the WARCs and the frontier."""
    fetch: FetchConfig
    depth: int = 3
    """Maximum number of links from a seed to a page."""
    max_pages: int | None = None
    """Maximum number of pages per host; None sets no limit."""
    images: bool = False
    """Whether the images of the pages are fetched into the WARCs as well."""
    workers: int = 0
    """Number of processes that look for images in pages; 0 looks for them in this process."""
    lanes: int = 1
    """Number of event loops; each has registered domains of its own."""
    checkpoint_pages: int = 500
    """Outcomes per checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierRow:
    """The outcome of one URL, with the links of its page that the scrape may follow."""

    VERSION: ClassVar[int] = 2
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
    policy: str | None = None
    """Settings that decided a refusal of ours (`corpusloom.pipelines.net.refusals`); under others it is asked again."""


@dataclass
class Lane:
    """State of a running lane: the known URLs, and what the next checkpoint will hold."""

    number: int
    config: ScrapeConfig
    depths: dict[str, int] = field(default_factory=dict)
    """Waiting URL -> number of links from a seed to it."""
    known: set[str] = field(default_factory=set)
    """Keys of all pages and images that were offered, fetched or redirected to."""
    pages_per_host: dict[str, int] = field(default_factory=dict)
    rows: list[FrontierRow] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    """Responses for the next WARC: pages, images, robots.txt and other files that say what a host allows."""
    part: int = 0
    """Number of the next checkpoint."""
    held: int = 0
    """Bytes of `answers` and of the links of `rows`."""
    outcomes: int = 0
    """Outcomes of this run."""

    def offer(self, url: str, depth: int) -> bool:
        """Add a URL unless it is known, too deep or beyond its host's maximum of pages; return whether it was added."""
        key = identity.page_key(url)
        if key in self.known or depth > self.config.depth:
            return False
        host = identity.host_of(url)
        if self.config.max_pages is not None and self.pages_per_host.get(host, 0) >= self.config.max_pages:
            return False
        self.pages_per_host[host] = self.pages_per_host.get(host, 0) + 1
        self.known.add(key)
        self.depths[url] = depth
        return True

    def take(self, url: str, outcome: FetchOutcome) -> list[str]:
        """Enter a page's outcome; return the links to fetch next. A page whose links cannot be read is dead."""
        depth = self.depths.pop(url)
        try:
            row = make_row(url, depth, outcome)
        except Exception as error:
            outcome = verdict_of_error(error)
            row = make_row(url, depth, outcome)
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
        """Hold an outcome, and write a checkpoint if it is full."""
        row = dataclasses.replace(row, policy=Policy(fetch=self.config.fetch).settings_of(row.reason))
        self.rows.append(row)
        self.held += sum(map(len, row.links))
        if isinstance(outcome, Response):
            self.keep(outcome)
        metrics.count_outcome(STAGE, row.unit, row.outcome, row.reason)
        self.outcomes += 1
        pace.reach(STAGE, str(self.number), self.outcomes)
        if len(self.rows) >= self.config.checkpoint_pages or self.held >= CHECKPOINT_BYTES:
            self.checkpoint()

    def images(self) -> Iterator[str]:
        """Yield the URL of each image of this lane's pages that has no outcome yet, once."""
        prefix = f"lane-{self.number:05d}-"
        names = [name for name in storage.listing(self.config.out, ".warc.gz") if name.startswith(prefix)]
        for url in page_images((storage.join(self.config.out, name) for name in names), self.config.workers):
            key = identity.image_key(url)
            if key not in self.known and identity.page_key(url) not in self.known:  # a link may have led to the image
                self.known.add(key)
                yield url

    def keep(self, answer: Response) -> None:
        """Hold what the next WARC needs of a response; a decoded body may be a thousand times as large."""
        lean = _without_decoded(answer)
        self.answers.append(lean)
        self.held += sum(len(one.request) + len(one.response_head) + len(one.wire_body) for one in (*lean.hops, lean))

    def checkpoint(self) -> None:
        """Write the WARC, then the frontier part. A WARC without its part is overwritten by the resumed scrape."""
        if not self.rows:
            return
        stem = f"lane-{self.number:05d}-{self.part:05d}"
        if self.answers:
            write_warc(storage.join(self.config.out, f"{stem}.warc.gz"), self.answers, self.config.fetch)
        tables.write_records(storage.join(self.config.out, "frontier", f"{stem}.parquet"), FrontierRow, self.rows)
        self.rows, self.answers, self.held = [], [], 0
        self.part += 1

    def resume(self, seeds: list[str]) -> list[str]:
        """Read the frontier parts of earlier runs; return the seeds and links without an outcome under this policy."""
        policy = Policy(fetch=self.config.fetch)
        rows = frontier_rows(self.config.out, self.number)
        parts = [row for row in rows if policy.decided(row.reason, row.policy)]
        names = storage.listing(storage.join(self.config.out, "frontier"), ".parquet")
        self.part = sum(name.startswith(f"lane-{self.number:05d}-") for name in names)
        for row in parts:
            self.known.add(row.key)
            if row.unit == "image":
                continue
            host = identity.host_of(row.url)
            self.pages_per_host[host] = self.pages_per_host.get(host, 0) + 1
        waiting = [seed for seed in seeds if self.offer(seed, 0)]
        return waiting + [link for row in parts for link in row.links if self.offer(link, row.depth + 1)]


def _without_decoded(answer: Response) -> Response:
    """Return a response and its hops without the decoded bodies and headers."""
    hops = tuple(dataclasses.replace(hop, body=b"", headers=()) for hop in answer.hops)
    return dataclasses.replace(answer, body=b"", headers=(), hops=hops)


def page_images(warcs: Iterable[str], workers: int = 0) -> Iterator[str]:
    """Yield the image URLs of each page, in order; a page that cannot be parsed has none.

    The pages are parsed in `workers` processes, so a hostile page can crash only its own process; 0 parses them in
    this process.
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
    """Yield the frontier rows of a scrape, of one lane or of all; of several outcomes of one URL the latest."""
    folder = storage.join(out, "frontier")
    names = storage.listing(folder, ".parquet")
    lanes = itertools.groupby(names, lambda name: name.rpartition("-")[0])
    for prefix, parts in lanes:
        if lane is None or prefix == f"lane-{lane:05d}":
            paths = (storage.join(folder, name) for name in parts)
            rows = (row for path in paths for row in tables.read_records(path, FrontierRow))
            yield from {(row.unit, row.key): row for row in rows}.values()


def write_warc(path: str, answers: list[Response], config: FetchConfig) -> None:
    """Write responses as one WARC: per exchange request and response, then metadata with the redirects and opt-outs."""
    with storage.writing(path) as handle:
        writer = WarcWriter(handle, compress=True)
        info = {"software": "corpusloom", "format": "WARC File Format 1.1", "http-header-user-agent": config.user_agent}
        info["robots"] = "classic" if config.robots_txt else "ignore"
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
    """Return the verdict on an outcome: a response with an error status is rejected, but is in the WARC."""
    if not isinstance(outcome, Response):
        return outcome
    return Kept() if 200 <= outcome.status < 300 else Rejected(f"http_{outcome.status}")


def follow(outcome: FetchOutcome, url: str) -> tuple[str, ...]:
    """Return the links of an HTML page to the host that was asked and to the host that answered after redirects."""
    if not isinstance(outcome, Response) or not 200 <= outcome.status < 300:
        return ()
    hosts = {identity.host_of(url), identity.host_of(outcome.final_url)}
    if len({identity.registered_domain(host) for host in hosts}) > 1:  # another lane may own that domain
        return ()
    pages = (*(hop for hop in outcome.hops if hop.refresh is not None), outcome)
    found = dict.fromkeys(link for page in pages for link in _links(page) if identity.host_of(link) in hosts)
    ends = itertools.accumulate(map(len, found))
    return tuple(link for link, end in zip(found, ends, strict=True) if end <= MAX_LINK_BYTES)


def _links(page: Response) -> list[str]:
    """Return the links of a response that is HTML."""
    kind = page.header("content-type") or "text/html"
    return links_of(to_utf8(page.body, kind)[0], page.final_url) if "html" in kind.lower() else []


def make_row(url: str, depth: int, outcome: FetchOutcome) -> FrontierRow:
    """Return the frontier row of a page's outcome."""
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
    """Scrape one lane until its frontier is empty; return the number of known URLs.

    On an error or Ctrl-C the outcomes so far are committed, so that they are not fetched again.
    """
    lane = Lane(number, config)
    try:
        await _fetch_lane(lane, seeds)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is raised, not one that it caused
            lane.checkpoint()
        raise
    lane.checkpoint()
    return len(lane.known)


async def _fetch_lane(lane: Lane, seeds: list[str]) -> None:
    """Fetch the seeds, the links that lead from them, and then the images if they are wanted."""
    config = lane.config
    async with Fetcher(config.fetch) as fetcher:

        def take(url: str, outcome: FetchOutcome) -> None:
            for link in lane.take(url, outcome):
                scheduler.add(link)

        host_files = HostFilesCache(fetcher, on_file=lane.keep)
        scheduler = FetchScheduler(fetcher, "page", take, accept_errors=True, host_files=host_files)
        await scheduler.run(lane.resume(seeds))
        if config.images:
            lane.checkpoint()
            await FetchScheduler(fetcher, "image", lane.take_image, host_files=host_files).run(list(lane.images()))
