"""WARC -> fragments of pages or pairs: one WARC is one unit of work, finished when its report is written.

Each record of a WARC gets one verdict. Parsing happens in the killable worker pool. Fragments are sorted by key and
cut at a fixed number of rows, so memory does not grow with the WARC; beside each lies a fragment of heads,
the small heads that corpus-wide rules are decided on.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

import apache_beam as beam

from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.engine.worker_pool import WorkerPool
from corpusloom.pipelines.extract.page_task import HtmlPage, PageTask
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.page_pool import page_pool
from corpusloom.pipelines.store.fragments import FRAGMENT_ROWS, fragment_name
from corpusloom.pipelines.store.images.from_warcs import WarcImage, write_notes
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import stem_of
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down, redact, redact_head
from corpusloom.pipelines.store.warc.arc import read_arc
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import MAX_BODY, HtmlResponse, SkippedRecord
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.schemas import arrow, identity, storage, tables
from corpusloom.schemas.records import Head, Page, Pair, ProvenanceRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected

STAGE = "extract"
IMAGES = "images"
"""Folder of a stage that says which images its WARCs hold."""
ARC = (".arc", ".arc.gz")
ROW_GROUP_ROWS = 512

RecordAndHead: TypeAlias = tuple[Page | Pair, Head]
"""A record that a web page became, and the head that it is decided on by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One WARC: where it is, and the hash of its bytes, which names its fragments."""

    path: str
    sha256: str

    @property
    def stem(self) -> str:
        """Return the first part of its fragments' names."""
        return stem_of(self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractStageConfig:
    """How WARCs become fragments of one kind of record."""

    folder: str
    """Folder of the stage."""
    record: type
    """Class of the rows: Page or Pair."""
    parse: PageTask[Any]
    """Task of the worker pool: a page -> something parsed, a Rejected or a Dead."""
    make: Callable[[HtmlResponse, Any, Recipe], "list[RecordAndHead] | Rejected"]
    """What was parsed -> records with their heads, or why there are none."""
    recipe: Recipe
    workers: int = 2
    """Processes of the parsing pool; 0 parses in this process."""
    limit: int | None = None
    """At most so many pages a WARC are read."""
    tombstones: Tombstones = field(default_factory=Tombstones)
    """What was taken down: it is not written."""
    verify_digests: bool = False
    """A record that is not what its digests say is dead."""
    across: tuple[str, ...] = ()
    """WARCs that revisits may point into besides their own."""


@dataclass
class FragmentWriter:
    """Cuts an input's records into fragments of a bounded number of rows."""

    folder: str
    record: type
    stem: str
    tombstones: Tombstones = field(default_factory=Tombstones)
    """What was taken down: it is not written."""
    _rows: list[RecordAndHead] = field(default_factory=list)
    _part: int = 0
    rows: int = 0

    def add(self, made: list[RecordAndHead]) -> None:
        """Take the records of one page; of what was taken down the head alone, emptied."""
        for row, head in made:
            left = redact(row, self.tombstones)
            self._rows.append((left, redact_head(head) if left is None else redact(head, self.tombstones)))
        self.rows += len(made)
        while len(self._rows) >= FRAGMENT_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one fragment, at most `FRAGMENT_ROWS` of it."""
        if not self._rows:
            return
        held, self._rows = self._rows[:FRAGMENT_ROWS], self._rows[FRAGMENT_ROWS:]
        name = fragment_name(self.stem, self._part)
        for folder, cls, rows in (
            ("records", self.record, [row for row, _ in held if row is not None]),
            ("candidates", Head, [head for _, head in held]),
        ):
            tables.write_table(
                storage.join(self.folder, folder, name),
                arrow.to_table(cls, rows),
                sort_by=("key", "parent"),
                row_group_rows=ROW_GROUP_ROWS,
            )
        self._part += 1


def unit_of(recipe: Recipe) -> str:
    """Return what a recipe makes of a web page: page or pair."""
    return "page" if recipe.kind == "interleaved" else "pair"


def record_key(page: HtmlResponse | SkippedRecord) -> str:
    """Return the key of a WARC record: over its record id, else over URL and date."""
    return identity.make_key("record", page.record_id or f"{page.url} {page.fetched_at}")


def parse_pages(
    pages: Iterator[HtmlResponse | SkippedRecord],
    pool: WorkerPool[HtmlPage, Any],
    ledger: Ledger,
    limit: int | None,
    on_image: Callable[[SkippedRecord], None],
) -> Iterator[tuple[HtmlResponse, Any]]:
    """Yield each HTML page with what its parse gave, in order; other records go to the ledger, images are noted."""
    waiting: deque[HtmlResponse] = deque()

    def work() -> Iterator[HtmlPage]:
        for page in pages:
            if isinstance(page, SkippedRecord):
                ledger.record(page.verdict, unit="record", key=record_key(page), url=page.url)
                if page.image:
                    on_image(page)
                continue
            waiting.append(page)
            yield HtmlPage(page.body, page.url, page.content_type)

    for parsed in pool.map(islice(work(), limit)):
        yield waiting.popleft(), parsed


def open_warc(
    warc: InputFile, config: ExtractStageConfig, across: CollectionRevisitIndex | None
) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield the records of a WARC or an ARC."""
    if warc.path.endswith(ARC):
        return read_arc(warc.path)
    return read_warc(warc.path, revisits=across, verify=config.verify_digests)


def extract_warc(
    warc: InputFile,
    config: ExtractStageConfig,
    pool: WorkerPool[HtmlPage, Any],
    across: CollectionRevisitIndex | None = None,
) -> tuple[StageCounts, ...]:
    """Turn one WARC into fragments, ledger and provenance; return its counts."""
    ledger, writer = Ledger(STAGE), FragmentWriter(config.folder, config.record, warc.stem, config.tombstones)
    images: list[WarcImage] = []

    def note(image: SkippedRecord) -> None:
        key = identity.image_key(image.url)
        found = WarcImage(key=key, url=image.url, warc=warc.path, offset=image.offset)
        if not is_taken_down(found, config.tombstones):
            images.append(found)

    for page, parsed in parse_pages(open_warc(warc, config, across), pool, ledger, config.limit, note):
        made = parsed if isinstance(parsed, Rejected | Dead) else config.make(page, parsed, config.recipe)
        key = record_key(page)
        verdict = made if isinstance(made, Rejected | Dead) else Kept()
        ledger.record(verdict, unit="record", key=key, url=page.url)
        ledger.provenance.append(
            ProvenanceRow(
                stage=STAGE,
                key=key,
                url=page.url,
                warc=warc.path.rsplit("/", 1)[-1],
                offset=page.offset,
                record_id=page.record_id,
                fetched_at=page.fetched_at,
            )
        )
        if not isinstance(made, Rejected | Dead):
            writer.add(made)
    writer.flush()
    if images and not warc.path.endswith(ARC):
        write_notes(storage.join(config.folder, IMAGES, f"{warc.stem}.parquet"), images)
    ledger.redact(config.tombstones)
    ledger.write(config.folder, warc.stem)
    return (
        *ledger.counts(),
        StageCounts(stage=STAGE, unit=unit_of(config.recipe), records_in=writer.rows, kept=writer.rows),
    )


def report_path(folder: str, warc: InputFile) -> str:
    """Return where a finished WARC's report lies: what makes it finished."""
    return storage.join(folder, "done", f"{warc.stem}.json")


def extract_once(folder: str, item: InputFile, extract: Callable[[], tuple[StageCounts, ...]]) -> None:
    """Extract a WARC or list and write its report, unless that was done before."""
    path = report_path(folder, item)
    if storage.exists(path):
        return
    with metrics.timed(STAGE, "input"):
        counts = extract()
    storage.write_bytes(path, json.dumps(arrow.to_plain(counts)).encode())
    metrics.add_counts(counts)


def read_counts(folder: str, warc: InputFile) -> list[StageCounts]:
    """Read a finished WARC's counts."""
    return [arrow.from_plain(StageCounts, row) for row in json.loads(storage.read_bytes(report_path(folder, warc)))]


class _ExtractWarc(beam.DoFn):
    def __init__(self, config: ExtractStageConfig) -> None:
        self._config = config

    def setup(self) -> None:
        self._pool = page_pool(self._config.parse, self._config.workers)
        self._across = CollectionRevisitIndex(self._config.across, MAX_BODY) if self._config.across else None

    def teardown(self) -> None:
        self._pool.close()

    def process(self, warc: InputFile) -> Iterator[InputFile]:
        extract_once(self._config.folder, warc, lambda: extract_warc(warc, self._config, self._pool, self._across))
        yield warc


@dataclass(kw_only=True, eq=False)
class ExtractWarcs(beam.PTransform):
    """WARCs -> fragments on disk; a WARC that was finished before is left alone.

    Args:
      config: What to make of a page, and where.
    """

    config: ExtractStageConfig

    def expand(self, warcs: beam.PCollection[InputFile]) -> beam.PCollection[InputFile]:
        """Spread the WARCs over workers and extract each."""
        return warcs | "Spread WARCs" >> beam.Reshuffle() | "Extract a WARC" >> beam.ParDo(_ExtractWarc(self.config))


def build(
    pipeline: beam.Pipeline, config: ExtractStageConfig, warcs: tuple[InputFile, ...]
) -> beam.PCollection[InputFile]:
    """Build the pipeline that extracts WARCs."""
    return pipeline | "WARCs" >> beam.Create(warcs) | "ExtractWarcs" >> ExtractWarcs(config=config)
