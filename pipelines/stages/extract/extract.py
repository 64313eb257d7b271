"""WARC -> fragments of records. One WARC is one unit of work, which is finished when its report is written.

Each record of a WARC gets one verdict. HTML is parsed in worker processes, which are killed after a timeout.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

import apache_beam as beam

from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.engine.worker_pool import WorkerPool
from corpusloom.pipelines.extract.page_task import HtmlPage
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.extract.input_fragments import (
    IMAGE_NOTES,
    STAGE,
    FragmentWriter,
    InputFile,
    is_extracted,
    write_counts,
)
from corpusloom.pipelines.stages.extract.page_pool import page_pool
from corpusloom.pipelines.stages.extract.remeasure import Remeasure
from corpusloom.pipelines.stages.kinds.record_kind import RecordKind, record_key
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store.dataset.origins import WARCINFO
from corpusloom.pipelines.store.images.from_warcs import WarcImage, write_notes
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down
from corpusloom.pipelines.store.warc.arc import is_arc, read_arc
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import MAX_BODY, HtmlResponse, SkippedRecord
from corpusloom.pipelines.store.warc.revisits import CollectionRevisitIndex
from corpusloom.pipelines.store.warc.warcinfo import read_warcinfo
from corpusloom.schemas import identity, storage
from corpusloom.schemas.records import ProvenanceRow, Signal, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractStageConfig:
    """Configuration of the extract stage for one kind of record."""

    folder: str
    """Folder of the stage."""
    kind: RecordKind[Any, Any]
    recipe: Recipe
    workers: int = 2
    """Processes of the parsing pool; 0 parses in this process."""
    limit: int | None = None
    """Maximum number of pages per WARC."""
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Take-downs; records that they name are not written."""
    verify_digests: bool = False
    """Whether a record that does not match its digests is dead."""
    across: tuple[str, ...] = ()
    """WARCs to which revisits may refer, besides their own."""
    earlier: tuple[str, ...] = ()
    """Folders of the stage for other measure settings, whose records are measured again instead of reading the WARC."""


def parse_pages(
    pages: Iterator[HtmlResponse | SkippedRecord],
    pool: WorkerPool[HtmlPage, Any],
    ledger: Ledger,
    limit: int | None,
    on_image: Callable[[SkippedRecord], None],
) -> Iterator[tuple[HtmlResponse, Any]]:
    """Yield each HTML page with its parse result, in order.

    Other records are entered into the ledger; images are passed to `on_image` too.
    """
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
    if is_arc(warc.path):
        return read_arc(warc.path)
    return read_warc(warc.path, revisits=across, verify=config.verify_digests)


def watched(records: Iterator[HtmlResponse | SkippedRecord], path: str) -> Iterator[HtmlResponse | SkippedRecord]:
    """Yield the records of a WARC, and note the place that is reached in it."""
    for record in records:
        pace.reach(STAGE, path, record.offset)
        yield record


def extract_warc(
    warc: InputFile,
    config: ExtractStageConfig,
    pool: WorkerPool[HtmlPage, Any],
    across: CollectionRevisitIndex | None = None,
) -> tuple[StageCounts, ...]:
    """Write the fragments, ledger and provenance of one WARC; return its counts."""
    kind, ledger = config.kind, Ledger(STAGE)
    writer = FragmentWriter(config.folder, kind.record, warc.stem, config.tombstones)
    images: list[WarcImage] = []

    def note(image: SkippedRecord) -> None:
        key = identity.image_key(image.url)
        found = WarcImage(key=key, url=image.url, warc=warc.path, offset=image.offset)
        if not is_taken_down(found, config.tombstones):
            images.append(found)

    records = watched(open_warc(warc, config, across), warc.path)
    for page, parsed in parse_pages(records, pool, ledger, config.limit, note):
        made = parsed if isinstance(parsed, Rejected | Dead) else kind.make(page, parsed, config.recipe, ledger)
        verdict = made if isinstance(made, Rejected | Dead) else Kept()
        ledger.record(verdict, unit="record", key=record_key(page), url=page.url)
        ledger.provenance.append(_provenance(warc, page))
        if not isinstance(made, Rejected | Dead):
            writer.add(made)
    ledger.provenance += _crawler(warc)
    writer.flush()
    if images:
        write_notes(storage.join(config.folder, IMAGE_NOTES, f"{warc.stem}.parquet"), images)
    ledger.redact(config.tombstones)
    ledger.write(config.folder, warc.stem)
    return (*ledger.counts(), writer.counts(kind.unit))


def _crawler(warc: InputFile) -> list[ProvenanceRow]:
    """Return the row of what a WARC states about its crawler; none if it states nothing."""
    stated = {} if is_arc(warc.path) else read_warcinfo(warc.path)
    signals = tuple(
        Signal(name=name, value=stated[name], where=WARCINFO, seen_at="")
        for name in ("software", "robots")
        if name in stated
    )
    key, name = identity.make_key("warcinfo", warc.sha256), warc.path.rsplit("/", 1)[-1]
    return [ProvenanceRow(stage=STAGE, key=key, warc=name, signals=signals)] if signals else []


def _provenance(warc: InputFile, page: HtmlResponse) -> ProvenanceRow:
    return ProvenanceRow(
        stage=STAGE,
        key=record_key(page),
        url=page.url,
        warc=warc.path.rsplit("/", 1)[-1],
        offset=page.offset,
        record_id=page.record_id,
        fetched_at=page.fetched_at,
    )


@dataclass(frozen=True, slots=True)
class ExtractWarcs:
    """The work of the extract stage: turns each WARC into fragments on disk."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "input"
    config: ExtractStageConfig

    def is_finished(self, warc: InputFile) -> bool:
        """Return whether an earlier run extracted this WARC."""
        return is_extracted(self.config.folder, warc)

    @contextmanager
    def open(self) -> Iterator[FinishUnit[InputFile]]:
        """Start the parsing pool, once for all WARCs of a Beam worker."""
        config = self.config
        across = CollectionRevisitIndex(config.across, MAX_BODY) if config.across else None
        with page_pool(config.kind.parser(config.recipe), config.workers) as pool:
            remeasure = Remeasure(
                folder=config.folder,
                earlier=config.earlier,
                kind=config.kind,
                recipe=config.recipe,
                tombstones=config.tombstones,
            )
            yield lambda warc: write_counts(
                config.folder, warc, remeasure(warc) or extract_warc(warc, config, pool, across)
            )


def build(
    pipeline: beam.Pipeline, config: ExtractStageConfig, warcs: tuple[InputFile, ...]
) -> beam.PCollection[InputFile]:
    """Build the pipeline that extracts WARCs."""
    work = ExtractWarcs(config)
    return pipeline | "WARCs" >> beam.Create(warcs) | "ExtractWarcs" >> FinishUnits(work=work, step="Extract a WARC")
