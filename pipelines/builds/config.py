"""What a build is asked for and what it says when it is done."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.store.list_rows import ListConfig
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import StageCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """One build: a recipe, its inputs and where everything goes."""

    recipe: Recipe
    out: str
    """Folder of the dataset."""
    work: str
    """Folder of the stages, shared by builds."""
    store: str
    """Folder of the image store, shared by builds."""
    warcs: tuple[str, ...]
    """Paths, folders or globs of WARC files."""
    from_pages: bool = False
    """Decide again from the pages of an earlier build in `work`; no WARC is read."""
    verify_digests: bool = False
    """A WARC record that is not what its digests say is dead."""
    resolve_revisits: bool = False
    """Revisit records may point into any of the WARCs; then each is read again when their set changes."""
    fetch: FetchConfig
    lists: tuple[str, ...] = ()
    """Lists of image URLs and texts, in place of WARCs."""
    columns: ListConfig = dataclasses.field(default_factory=ListConfig)
    from_img2dataset: tuple[str, ...] = ()
    """Folders that img2dataset wrote, in place of WARCs."""
    shards: int | None = None
    workers: int = 2
    lanes: int = 1
    """Loops that fetch images, each over registered domains of its own."""
    blocklists: tuple[str, ...] = ()
    """KIND=PATH of what must never be stored."""
    fetcher: Literal["own", "img2dataset"] = "own"
    memory: int | None = None
    """Bytes that deciding over the corpus may take on this machine; what it has when None."""
    passes: int = 1
    """Passes over the keys in which it is decided on this machine: each takes its share of disk and memory."""
    limit: int | None = None
    profile: Profile = dataclasses.field(default_factory=Profile)

    @property
    def image_fetch(self) -> FetchConfig:
        """Return how images are fetched: by the opt-outs and agents that the recipe honours."""
        honour = self.recipe.honour
        return dataclasses.replace(self.fetch, honour=honour.signals, agents=(*self.fetch.agents, *honour.agents))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build did."""

    manifest: Manifest | None
    """None when the build was asked to stop before its shards."""
    reused: tuple[str, ...]
    """Stages that were finished before."""
    seconds: dict[str, float]
    counts: tuple[StageCounts, ...] = ()
    """Of the stages up to where it stopped, when there is no manifest to tell."""
    measures: Measures = dataclasses.field(default_factory=Measures)
    """What its pipelines counted and timed: of what ran now, not of what was reused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """A build in one table."""

    stages: tuple[StageCounts, ...]
    stage_seconds: dict[str, float]
    """By stage; those that were reused have none."""
    seconds: float
    samples: int
    shards: int
    bytes: int
    """Of the tars."""


def summarize(report: BuildReport) -> BuildSummary:
    """Return what a build did, as `--json` and the table that ends it say it."""
    manifest = report.manifest
    return BuildSummary(
        stages=manifest.counts if manifest else report.counts,
        stage_seconds={stage: round(seconds, 3) for stage, seconds in report.seconds.items()},
        seconds=round(sum(report.seconds.values()), 3),
        samples=manifest.samples if manifest else 0,
        shards=len(manifest.shards) if manifest else 0,
        bytes=sum(shard.tar.bytes for shard in manifest.shards) if manifest else 0,
    )
