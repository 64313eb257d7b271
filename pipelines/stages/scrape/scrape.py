"""Seeds -> WARCs: follows links within a host up to a depth, within rate limits, and records every outcome.

Seeds are split into lanes by registered domain (`scrape_lane`); the lanes run on Beam workers.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.net.refusals import Policy
from corpusloom.pipelines.stages.scrape.scrape_lane import STAGE, ScrapeConfig, frontier_rows, scrape_lane
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import add_counts, check_conservation
from corpusloom.schemas import arrow, identity, storage
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.records import StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Verdict

COMMIT = "scrape.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeReport:
    """The result of a scrape."""

    counts: tuple[StageCounts, ...]
    """Counts per unit: pages and images."""
    warcs: tuple[str, ...]
    """Names of the WARCs."""
    reused: bool = False
    """Whether an earlier run finished the scrape."""


def read_seeds(path: str) -> list[str]:
    """Return the URLs of a seed file, each once; InputError if the file is missing, not UTF-8 or empty."""
    if path.startswith(("http://", "https://")):
        raise ConfigError(f"{path} is a URL", where="--seeds", remedy="write it into a text file, one URL per line")
    try:
        lines = storage.read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text: {error}", where=path, remedy="write one URL per line") from error
    seeds = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    bad = next((seed for seed in seeds if not seed.startswith(("http://", "https://"))), None)
    if bad is not None:
        raise InputError(f"{bad[:80]!r} is no http(s) URL", where=path, remedy="write one URL per line")
    if not seeds:
        raise InputError("holds no URL", where=path, remedy="write one URL per line")
    return list(dict.fromkeys(seeds))


class _ScrapeLane(beam.DoFn):
    def __init__(self, config: ScrapeConfig) -> None:
        self._config = config

    def process(self, lane: tuple[int, list[str]]) -> Iterator[int]:
        yield asyncio.run(scrape_lane(*lane, self._config))


@dataclass(kw_only=True, eq=False)
class ScrapeLanes(beam.PTransform):
    """Lanes of seeds -> WARCs and frontier parts on disk.

    Args:
      config: The scrape.
    """

    config: ScrapeConfig

    def expand(self, lanes: beam.PCollection[tuple[int, list[str]]]) -> beam.PCollection[int]:
        """Spread the lanes over workers and scrape each."""
        return lanes | "Spread lanes" >> beam.Reshuffle() | "Scrape a lane" >> beam.ParDo(_ScrapeLane(self.config))


def lanes_of(seeds: list[str], lanes: int) -> list[tuple[int, list[str]]]:
    """Return (lane, seeds) of each lane with seeds; all seeds of a registered domain are in one lane."""
    result: list[list[str]] = [[] for _ in range(lanes)]
    for seed in seeds:
        domain = identity.registered_domain(identity.host_of(seed))
        result[int(identity.make_key("lane", domain)[:8], 16) % lanes].append(seed)
    return [(number, lane) for number, lane in enumerate(result) if lane]


def build(pipeline: beam.Pipeline, config: ScrapeConfig, seeds: list[str]) -> beam.PCollection[int]:
    """Build the pipeline that scrapes."""
    return (
        pipeline | "Seeds" >> beam.Create(lanes_of(seeds, config.lanes)) | "ScrapeLanes" >> ScrapeLanes(config=config)
    )


def scrape(config: ScrapeConfig, reporter: Reporter, profile: Profile | None = None) -> ScrapeReport:
    """Scrape seeds into WARCs, unless an earlier run finished the same scrape."""
    seeds = read_seeds(config.seeds)
    config.fetch.require_contact()
    images = ("images",) if config.images else ()
    identity_now = identity.make_key("scrape", str(config.depth), str(config.max_pages), *images, *seeds)
    commit = storage.join(config.out, COMMIT)
    if not storage.exists(commit):
        return run_lanes(config, seeds, identity_now, reporter, profile)
    values = json.loads(storage.read_bytes(commit))
    if values["identity"] != identity_now:
        raise InputError(
            "holds a finished scrape of other seeds, another depth, or with other --images",
            where=config.out,
            remedy="give another --out",
        )
    if not is_decided(config):
        return run_lanes(config, seeds, identity_now, reporter, profile)
    return ScrapeReport(
        counts=tuple(arrow.from_plain(StageCounts, row) for row in values["counts"]),
        warcs=tuple(storage.listing(config.out, ".warc.gz")),
        reused=True,
    )


def is_decided(config: ScrapeConfig) -> bool:
    """Return whether all refusals of a scrape hold under its policy; the others are to be asked again."""
    policy = Policy(fetch=config.fetch)
    return all(policy.decided(row.reason, row.policy) for row in frontier_rows(config.out))


def run_lanes(
    config: ScrapeConfig, seeds: list[str], identity_now: str, reporter: Reporter, profile: Profile | None
) -> ScrapeReport:
    """Scrape all URLs without an outcome, and mark the scrape as finished."""
    storage.check_writable(config.out)
    pace.forget(STAGE)
    with reporter.stage(STAGE, None, lambda: sum(pace.reached(STAGE).values()), unit="pages and images"):
        reporter.add_measures(run(lambda pipeline: build(pipeline, config, seeds), profile or Profile()))
    return finish(config, identity_now)


def finish(config: ScrapeConfig, identity_now: str) -> ScrapeReport:
    """Write the ledger and scrape.json from the frontier; scrape.json marks the scrape as finished."""
    ledger = Ledger(STAGE)
    for row in sorted(frontier_rows(config.out), key=lambda row: row.key):
        verdict: Verdict = Kept()
        if row.outcome == "rejected":
            verdict = Rejected(row.reason or "unknown", row.measured, row.threshold)
        elif row.outcome == "dead":
            verdict = Dead(row.reason or "unknown", row.message or "")
        ledger.record(verdict, unit=row.unit, key=row.key, url=row.url)
    counts = add_counts(ledger.counts())
    check_conservation(counts)
    ledger.write(storage.join(config.out, "tables"), "scrape")
    values = {"identity": identity_now, "counts": arrow.to_plain(counts)}
    storage.write_bytes(storage.join(config.out, COMMIT), (json.dumps(values, indent=1) + "\n").encode())
    return ScrapeReport(counts=counts, warcs=tuple(storage.listing(config.out, ".warc.gz")))
