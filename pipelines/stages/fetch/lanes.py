"""Fetches lanes of image URLs into the store, each in one asyncio loop, without Beam.

A lane commits a pack and a part of the index at each checkpoint; a resumed lane fetches only URLs without an outcome.
On one machine each lane runs in a process of its own, at most one per core at a time.
`corpusloom.pipelines.store.images.outcomes` describes the path of one URL.
"""

import contextlib
import functools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from corpusloom.pipelines.engine.subprocesses import cores, run_in_processes
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.pipelines.stages.fetch.by_img2dataset import fetch_by_img2dataset
from corpusloom.pipelines.store.images.blocklists import Blocklist, compile_lists, digest_lists
from corpusloom.pipelines.store.images.content_table import ContentTable
from corpusloom.pipelines.store.images.facts import facts_pool, map_facts
from corpusloom.pipelines.store.images.frontier import FrontierLane, merge_lanes, read_lane
from corpusloom.pipelines.store.images.outcomes import ImageOutcome, ImageUrl, settle
from corpusloom.pipelines.store.images.packs import Checkpoint, OutcomeCounts, PackWriter
from corpusloom.pipelines.store.images.store import ImageStore

PROCESS_ROWS = 2_000
"""URLs per process, at least; fewer are fetched faster without starting one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """Configuration of fetching images into a store."""

    store: str
    """Folder of the image store."""
    fetch: FetchConfig
    lanes: int = 1
    """Shares of the frontier, one asyncio loop each; all URLs of a registered domain are in one lane."""
    local: bool = False
    """Whether all lanes run on this machine, one process each; else each Beam worker takes one lane at a time."""
    generation: int | None = None
    """Generation of the index to write; None: the latest. A new one fetches URLs of earlier generations again."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """Limits at which a lane commits, and so of the work that is lost if it is killed."""
    max_pixels: int = 89_478_485
    """Pixels of an image, at most; an image whose header declares more is rejected."""
    workers: int = 1
    """Processes that decode images; 0 decodes in this process."""
    blocklists: tuple[str, ...] = ()
    """KIND=PATH of each list of images that must never be written: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """Program that fetches: own, or img2dataset, only for trusted lists."""
    policy: Policy | None = None
    """Settings that refuse URLs; None: those of `fetch` and `blocklists`."""


def policy_of(config: ImagesConfig) -> Policy:
    """Return the settings by which a run refuses URLs."""
    return config.policy or Policy(fetch=config.fetch, blocklists=digest_lists(config.blocklists))


@contextlib.contextmanager
def open_blocklist(config: ImagesConfig) -> Iterator[Blocklist | None]:
    """Read the blocklists of a run; while the block runs, a worker process computes perceptual hashes."""
    if not config.blocklists:
        yield None
        return
    with facts_pool(min(config.workers, 1)) as pool:
        yield Blocklist.load(config.blocklists, lambda body: next(map_facts(pool, [(body, "", "")])).phash)


@dataclass(frozen=True, slots=True)
class LaneReport:
    """Counts of fetched lanes."""

    outcomes: OutcomeCounts = field(default_factory=Counter)
    """Number of committed outcomes by outcome and reason."""
    latencies: Counter[int] = field(default_factory=Counter)
    """Histogram of fetch latency: milliseconds from reading a URL to its outcome -> number of URLs."""


@dataclass
class _LaneRun:
    """The run of one lane: the URLs that are being fetched, their earlier rows, and the writer of outcomes."""

    config: ImagesConfig
    lane: FrontierLane
    blocklist: Blocklist | None
    latencies: Counter[int] = field(default_factory=Counter)
    _running: dict[str, tuple[ImageUrl, float]] = field(default_factory=dict)
    """URL -> its key and the time at which it was read."""

    def __post_init__(self) -> None:
        store = ImageStore(self.config.store)
        policy = policy_of(self.config)
        full = store.index()
        self._index = full.under(policy)
        self._generation = self.config.generation or self._index.generation
        self._refetch = self._generation > self._index.generation
        self._writer = PackWriter(
            store,
            f"lane-{self.lane.number}",
            self._generation,
            self.config.max_pixels,
            self.config.checkpoint,
            self.blocklist,
            ContentTable.of(full.stored()),
            policy,
        )

    def run(self) -> LaneReport:
        config, refuse = self.config, self.blocklist.of_url if self.blocklist else None
        try:
            if config.fetcher == "img2dataset":
                fetch_by_img2dataset(self._urls(), config.fetch, f"{self.lane.files[0]}.engine", self._end, refuse)
            else:
                fetch_all(
                    self._urls(),
                    config.fetch,
                    kind="image",
                    on_outcome=self._end,
                    validators=self._validators if self._refetch else None,
                    refuse=refuse,
                )
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is raised, not one that it caused
                self._writer.commit()
            raise
        self._writer.commit()
        return LaneReport(self._writer.committed, self.latencies)

    def _urls(self) -> Iterator[str]:
        for item in read_lane(self.lane, self._index, self._generation):
            self._running[item.url] = item, time.monotonic()
            yield item.url

    def _validators(self, url: str) -> tuple[str | None, str | None]:
        known = self._index.find(self._running[url][0].key)
        return (known.etag, known.last_modified) if known else (None, None)

    def _end(self, url: str, outcome: Response | ImageOutcome) -> None:
        item, since = self._running.pop(url)
        self.latencies[round(1000 * (time.monotonic() - since))] += 1
        self._writer.add(item, settle(outcome, self._index.find(item.key) if self._refetch else None))


def fetch_lane(lane: FrontierLane, config: ImagesConfig) -> LaneReport:
    """Fetch the URLs of one lane into the store in one event loop."""
    with open_blocklist(config) as blocklist:
        return _LaneRun(config, lane, blocklist).run()


def fetch_lanes(lanes: Sequence[FrontierLane], config: ImagesConfig) -> LaneReport:
    """Fetch lanes on this machine: each in its own process if there are enough URLs, else merged into one."""
    size = min(cores(), len(lanes), sum(lane.rows for lane in lanes) // PROCESS_ROWS)
    if size < 2 or config.fetcher == "img2dataset":  # img2dataset starts its own processes
        return fetch_lane(merge_lanes(lanes), config)
    connections = -(-config.fetch.connections // size)
    with tempfile.TemporaryDirectory() as folder:
        shared = replace(
            config,
            fetch=replace(config.fetch, connections=connections),
            policy=policy_of(config),
            blocklists=compile_lists(config.blocklists, folder),
        )
        report = LaneReport()
        for found in run_in_processes(functools.partial(fetch_lane, config=shared), lanes, size, preload=[__name__]):
            report.outcomes.update(found.outcomes)
            report.latencies.update(found.latencies)
        return report
