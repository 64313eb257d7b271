"""A lane of wanted image URLs -> the store: one asyncio loop that fetches, inspects and commits; knows no Beam.

A lane commits a pack and a part of the index every `checkpoint` outcomes; a retried or resumed lane asks only for what
no part holds. On one machine lanes run in processes of their own, as many as there are cores.
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
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.pipelines.stages.fetch.by_img2dataset import fetch_by_img2dataset
from corpusloom.pipelines.store.images.blocklists import Blocklist, compile_lists
from corpusloom.pipelines.store.images.facts import facts_pool, map_facts
from corpusloom.pipelines.store.images.frontier import Lane, merge_lanes, read_lane
from corpusloom.pipelines.store.images.outcomes import ImageOutcome, ImageUrl, settle
from corpusloom.pipelines.store.images.packs import Checkpoint, Ended, PackWriter
from corpusloom.pipelines.store.images.store import ContentTable, ImageStore

PROCESS_ROWS = 2_000
"""URLs that are worth a process's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesConfig:
    """How wanted images get into a store."""

    store: str
    """Folder of the image store."""
    fetch: FetchConfig
    lanes: int = 1
    """Shares of the frontier, each one asyncio loop; a registered domain belongs to one."""
    local: bool = False
    """Every lane runs on this machine, in processes of their own; else a Beam worker takes one lane at a time."""
    generation: int | None = None
    """Of the index, where outcomes go; None: the latest. A later one fetches again what an earlier one holds."""
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    """When a lane commits: what a kill can cost."""
    max_pixels: int = 89_478_485
    """Images that declare more pixels are rejected from their header."""
    workers: int = 1
    """Killable processes that decode images; 0 decodes in this process."""
    blocklists: tuple[str, ...] = ()
    """KIND=PATH of what must never be written: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """img2dataset: on trusted lists alone."""


@contextlib.contextmanager
def open_blocklist(config: ImagesConfig) -> Iterator[Blocklist | None]:
    """Read the blocklists of a run; while the block runs, a killable worker computes perceptual hashes."""
    if not config.blocklists:
        yield None
        return
    with facts_pool(min(config.workers, 1)) as pool:
        yield Blocklist.load(config.blocklists, lambda body: next(map_facts(pool, [(body, "", "")])).phash)


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What became of lanes."""

    ended: Ended = field(default_factory=Counter)
    """Outcomes that were committed."""
    times: Counter[int] = field(default_factory=Counter)
    """Milliseconds between an URL's turn to be read and its outcome: how many took as long."""


@dataclass
class _LaneRun:
    """One lane under way: what is asked for, what was known of it, and where outcomes go."""

    config: ImagesConfig
    lane: Lane
    blocklist: Blocklist | None
    times: Counter[int] = field(default_factory=Counter)
    _under_way: dict[str, tuple[ImageUrl, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store = ImageStore(self.config.store)
        self._index = store.index()
        self._generation = self.config.generation or self._index.generation
        self._again = self._generation > self._index.generation
        self._writer = PackWriter(
            store,
            f"lane-{self.lane.number}",
            self._generation,
            self.config.max_pixels,
            self.config.checkpoint,
            self.blocklist,
            ContentTable.of(self._index.stored()),
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
                    validators=self._validators if self._again else None,
                    refuse=refuse,
                )
        except BaseException:
            with contextlib.suppress(Exception):  # what ended the run is said, not what it made of the rest
                self._writer.commit()
            raise
        self._writer.commit()
        return LaneReport(self._writer.ended, self.times)

    def _urls(self) -> Iterator[str]:
        for wanted in read_lane(self.lane, self._index, self._generation):
            self._under_way[wanted.url] = wanted, time.monotonic()
            yield wanted.url

    def _validators(self, url: str) -> tuple[str | None, str | None]:
        known = self._index.find(self._under_way[url][0].key)
        return (known.etag, known.last_modified) if known else (None, None)

    def _end(self, url: str, outcome: Response | ImageOutcome) -> None:
        wanted, since = self._under_way.pop(url)
        self.times[round(1000 * (time.monotonic() - since))] += 1
        self._writer.add(wanted, settle(outcome, self._index.find(wanted.key) if self._again else None))


def fetch_lane(lane: Lane, config: ImagesConfig) -> LaneReport:
    """Fetch one lane's URLs into the store in one loop."""
    with open_blocklist(config) as blocklist:
        return _LaneRun(config, lane, blocklist).run()


def fetch_lanes(lanes: Sequence[Lane], config: ImagesConfig) -> LaneReport:
    """Fetch several lanes on this machine: each in a process of its own where there are URLs enough, else as one."""
    size = min(cores(), len(lanes), sum(lane.rows for lane in lanes) // PROCESS_ROWS)
    if size < 2 or config.fetcher == "img2dataset":  # which has processes of its own
        return fetch_lane(merge_lanes(lanes), config)
    connections = -(-config.fetch.connections // size)
    with tempfile.TemporaryDirectory() as folder:
        shared = replace(
            config,
            fetch=replace(config.fetch, connections=connections),
            blocklists=compile_lists(config.blocklists, folder),
        )
        report = LaneReport()
        for found in run_in_processes(functools.partial(fetch_lane, config=shared), lanes, size, preload=[__name__]):
            report.ended.update(found.ended)
            report.times.update(found.times)
        return report
