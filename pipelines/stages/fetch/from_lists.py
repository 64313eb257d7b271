"""Work on an image store without a recipe: fetches the images of URL lists, retries errors, re-fetches images."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.rows_written import RowsWritten
from corpusloom.pipelines.engine.runners import Profile, run
from corpusloom.pipelines.stages.fetch import images
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, policy_of
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.frontier import FrontierLane, read_keys, write_lanes
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.lists.checks import check_lists
from corpusloom.pipelines.store.lists.formats import find_lists
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.pipelines.store.lists.list_rows import BadRow, read_list
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import identity, storage
from corpusloom.schemas.records import StageCounts

FILE_BYTES = 16_000_000
"""Bytes of lists per file of a lane; one such file is held in memory at a time."""
MAX_FILES = 64
"""Files per lane, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """Counts of all rows; rows = bad + known + duplicates + kept + rejected + dead."""

    rows: int = 0
    """Rows of all lists."""
    bad: dict[str, int] = field(default_factory=dict)
    """Rows without a usable URL, by reason; forgotten: the URL was taken down."""
    first_bad: dict[str, str] = field(default_factory=dict)
    """Reason -> list and line of the first row without a usable URL."""
    known: int = 0
    """Rows whose URL already had an outcome in the store."""
    duplicates: int = 0
    """Rows that repeat the URL of another row."""
    kept: int = 0
    """Images that were stored."""
    rejected: dict[str, int] = field(default_factory=dict)
    """URLs that were rejected, by reason."""
    dead: dict[str, int] = field(default_factory=dict)
    """URLs that ended in an error, by class."""
    generation: int = 1
    """Generation of the index that was written."""

    def counts(self) -> StageCounts:
        """Return the rows as counts of one stage: a URL with an outcome in the store, and a repeated one, is kept."""
        kept = self.known + self.duplicates + self.kept
        return StageCounts(
            stage="images", unit="row", records_in=self.rows, kept=kept,
            rejected={**self.bad, **self.rejected}, dead=self.dead,
        )  # fmt: skip


@dataclass
class _Rows:
    """Counts the rows of lists while they are written into a frontier."""

    index: ImageIndex
    current: ImageIndex
    """The index without refusals that other settings decided."""
    config: ListConfig
    stones: Tombstones
    rows: int = 0
    known: int = 0
    replaced: bool = False
    """Whether a URL is asked again."""
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: dict[str, str] = field(default_factory=dict)

    def wanted(self, paths: tuple[str, ...]) -> Iterator[ImageUrl]:
        for path in paths:
            for row in read_list(path, self.config):
                self.rows += 1
                if isinstance(row, BadRow):
                    self.bad[row.verdict.reason] += 1
                    self.first_bad.setdefault(row.verdict.reason, f"{path}, {row.place}")
                elif self.stones.has_image(row.url):
                    self.bad["forgotten"] += 1
                elif (key := identity.image_key(row.url)) in self.current:
                    self.known += 1
                else:
                    self.replaced = self.replaced or key in self.index
                    yield ImageUrl(key, row.url)


def fetch_lists(
    patterns: tuple[str, ...], columns: ListConfig, config: ImagesConfig, reporter: Reporter, profile: Profile
) -> FetchReport:
    """Fetch every listed image that has no outcome in the store under this policy, in bounded memory."""
    config.fetch.require_contact()
    paths = tuple(find_lists(patterns))
    for warning in check_lists(paths, columns):
        reporter.warn(warning)
    store = ImageStore(config.store)
    index = store.index()
    rows = _Rows(index, index.under(policy_of(config)), columns, tombstones.read(config.store))
    files = min(MAX_FILES, 1 + sum(storage.size(path) for path in paths) // (FILE_BYTES * config.lanes))
    with reporter.stage("read lists", None, lambda: rows.rows, unit="rows"):
        lanes = write_lanes(rows.wanted(paths), store.path("frontier"), config.lanes, files=files)
    report = FetchReport(rows=rows.rows, bad=dict(rows.bad), first_bad=rows.first_bad, known=rows.known)
    config = replace(config, generation=index.generation + 1) if rows.replaced else config
    return _fetch(lanes, config, report, reporter, profile)


def retry_dead(config: ImagesConfig, reporter: Reporter, profile: Profile) -> FetchReport:
    """Fetch URLs with a transient error again, into a new generation of the index; other outcomes stay unchanged."""
    return _fetch_again(ImageStore(config.store).index().transient(), config, reporter, profile)


def refetch(config: ImagesConfig, reporter: Reporter, profile: Profile) -> FetchReport:
    """Request every stored image again with its ETag and Last-Modified, into a new generation of the index.

    A server does not send an unchanged image again. If a host fails, its stored images are kept.
    """
    return _fetch_again(ImageStore(config.store).index().kept(), config, reporter, profile)


def _fetch_again(
    urls: Iterator[tuple[str, str]], config: ImagesConfig, reporter: Reporter, profile: Profile
) -> FetchReport:
    config.fetch.require_contact()
    store = ImageStore(config.store)
    config = replace(config, generation=store.generations()[-1] + 1)
    lanes = write_lanes((ImageUrl(key, url) for key, url in urls), store.path("frontier"), config.lanes)
    return _fetch(lanes, config, FetchReport(rows=sum(lane.rows for lane in lanes)), reporter, profile)


def _fetch(
    lanes: list[FrontierLane], config: ImagesConfig, report: FetchReport, reporter: Reporter, profile: Profile
) -> FetchReport:
    """Fetch the URLs of lanes, then count their outcomes in the store."""
    store, rows = ImageStore(config.store), sum(lane.rows for lane in lanes)
    if lanes:
        done = RowsWritten(store.index_folder(config.generation or store.generations()[-1]))
        with reporter.stage(f"fetch {rows} images", rows, done, unit="images"):
            reporter.add_measures(run(lambda pipeline: images.build(pipeline, config, lanes), profile))
    index = store.index()
    counts = sum((index.count_outcomes(keys) for lane in lanes for keys in read_keys(lane)), Counter[tuple[str, str]]())
    storage.remove(store.path("frontier"), recursive=True)
    not_fetched = counts.pop(("", ""), 0)
    return replace(
        report,
        duplicates=rows - counts.total() - not_fetched,
        kept=sum(count for (outcome, _), count in counts.items() if outcome == "kept"),
        rejected=_reasons(counts, "rejected"),
        dead=_reasons(counts + Counter({("dead", "not_fetched"): not_fetched}), "dead"),
        generation=index.generation,
    )


def _reasons(counts: Counter[tuple[str, str]], outcome: str) -> dict[str, int]:
    """Return the counts of one outcome by reason."""
    return {reason or "unknown": count for (kind, reason), count in sorted(counts.items()) if kind == outcome}
