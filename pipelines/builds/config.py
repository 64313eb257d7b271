"""The configuration of a build, and its result."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from corpusloom.pipelines.engine.metrics import Measures
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.models.clip_encoder import LoadEncoder
from corpusloom.pipelines.models.embedding_head import digest_with_head
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.layout import check_shards
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import StageCounts


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of a build that are also flags of the command line: a new option is a field here and its use.

    A field's docstring is the text of its flag in `--help`.
    """

    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the dataset (local path, s3://, gs://)."""
    warcs: Annotated[tuple[str, ...], tyro.conf.arg(name="warc", metavar="PATH")] = ()
    """WARC files, folders or quoted globs."""
    verify_digests: bool = False
    """Check the digests of WARC records; a record with a wrong digest becomes a dead row of the ledger."""
    resolve_revisits: bool = False
    """Resolve revisit records that refer to other WARCs of this build; if the set changes, all WARCs are read again."""
    lists: Annotated[tuple[str, ...], tyro.conf.arg(name="list", metavar="PATH")] = ()
    """Lists of image URLs (.parquet, .csv, .tsv, .json, .jsonl, .txt), folders or quoted globs, in place of WARCs."""
    columns: PairListConfig = dataclasses.field(default_factory=PairListConfig)
    """Columns of the lists."""
    from_img2dataset: Annotated[tuple[str, ...], tyro.conf.arg(metavar="FOLDER")] = ()
    """Folders that img2dataset wrote (files, webdataset or parquet); their images are used instead of fetching."""
    videos: Annotated[tuple[str, ...], tyro.conf.arg(name="video", metavar="PATH")] = ()
    """Video files, folders or quoted globs, for `vtp`; subtitles beside a video are read too."""
    blocklists: Annotated[tuple[str, ...], tyro.conf.arg(name="blocklist", metavar="KIND=PATH")] = ()
    """KIND=PATH of a list of what is never stored, one entry per line: sha256, md5, phash:DISTANCE, url, domain."""
    fetcher: Literal["own", "img2dataset"] = "own"
    """Program that fetches images. img2dataset has no address policy and no caps: use it only for trusted lists."""
    shards: int | None = None
    """Number of shards, a power of two; by default the smallest with at most 10,000 records per shard."""
    workers: int = 2
    """Processes that parse pages."""
    limit: int | None = None
    """Pages read per WARC, at most."""
    passes: int = 1
    """Passes over the keys for the decisions over the corpus; N passes need 1/N of the scratch disk."""
    profile: Profile = dataclasses.field(default_factory=Profile)
    """Runner of the pipelines."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a number out of range."""
        for name, least in (("limit", 1), ("workers", 0), ("passes", 1)):
            value = vars(self)[name]
            if value is not None and value < least:
                raise ConfigError(f"--{name} is {value}", remedy=f"give {least} or more")
        if self.shards is not None:
            check_shards(self.shards)


@dataclass(frozen=True, kw_only=True)
class BuildConfig(BuildOptions):
    """One build: the recipe, the inputs, the folders and the fetcher."""

    recipe: Recipe
    work: str
    """Folder of the stages, shared by builds."""
    store: str
    """Folder of the image store, shared by builds."""
    fetch: FetchConfig
    """Configuration of the fetcher of images."""
    from_pages: bool = False
    """Whether to decide again from the records of an earlier build in `work`, without WARCs."""
    lanes: int = 1
    """Number of event loops that fetch images; each has registered domains of its own."""
    memory: int | None = None
    """Bytes of memory that the select stage may take on this machine; by default the available memory."""

    load_clip: LoadEncoder | None = None
    """Function that reads the CLIP of a path, which the command line gives; None if no image can be scored."""
    score_models: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Score of the recipe -> digest of the weights of its model; the build fills it in before its first stage."""

    def identified(self) -> "BuildConfig":
        """Return the configuration with the digest of the weights of each model that the recipe names.

        A configuration that a dataset recorded has them already. InputError or ConfigError for a model that cannot be
        read.
        """
        scores = self.recipe.filters.scores
        if scores is None or not scores.models or self.score_models:
            return self
        if self.load_clip is None:
            raise ConfigError("nothing here reads the CLIP", where="filters.scores.clip", remedy="use loom build")
        found = {}
        for name, path in scores.models.items():
            model = self.load_clip(path).identity
            found[name] = model.digest
            head = scores.head_of(name)
            if head is not None:
                found[name] = digest_with_head(model, head)
        return dataclasses.replace(self, score_models=found)

    @property
    def read_columns(self) -> PairListConfig:
        """Return the columns of the lists, with those that the recipe needs of each image."""
        kept = dict.fromkeys((*self.columns.keep_columns, *self.recipe.images.columns))
        return dataclasses.replace(self.columns, keep_columns=tuple(kept))

    @property
    def image_fetch(self) -> FetchConfig:
        """Return the configuration of the image fetcher, with the opt-outs and agents that the recipe honours."""
        honour = self.recipe.honour
        return dataclasses.replace(self.fetch, honour=honour.signals, agents=(*self.fetch.agents, *honour.agents))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """The result of a build."""

    manifest: Manifest | None
    """Manifest of the dataset; None if the build ended before its shards."""
    reused: tuple[str, ...]
    """Names of the stages that an earlier run finished."""
    seconds: dict[str, float]
    """Seconds by stage, of the stages that ran."""
    counts: tuple[StageCounts, ...] = ()
    """Counts of all stages up to the last one, if there is no manifest."""
    measures: Measures = dataclasses.field(default_factory=Measures)
    """Counters and latencies of the pipelines that ran; reused stages have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """The figures of a build for `--json` and the closing table."""

    stages: tuple[StageCounts, ...]
    stage_seconds: dict[str, float]
    """Seconds by stage; reused stages have none."""
    seconds: float
    """Seconds of all stages together."""
    samples: int
    """Samples in the dataset."""
    shards: int
    """Shards of the dataset."""
    bytes: int
    """Bytes of the tars."""


def summarize(report: BuildReport) -> BuildSummary:
    """Return the result of a build as shown by `--json` and the closing table."""
    manifest = report.manifest
    return BuildSummary(
        stages=manifest.counts if manifest else report.counts,
        stage_seconds={stage: round(seconds, 3) for stage, seconds in report.seconds.items()},
        seconds=round(sum(report.seconds.values()), 3),
        samples=manifest.samples if manifest else 0,
        shards=len(manifest.shards) if manifest else 0,
        bytes=sum(shard.tar.bytes for shard in manifest.shards) if manifest else 0,
    )
