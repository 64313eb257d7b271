"""The extract stage for URL lists and folders of img2dataset: writes their rows as fragments of pairs.

A unit of work is a list or a shard of img2dataset; each row gets one verdict. Images of img2dataset are written into
the image store, so that the images stage need not fetch them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal

import apache_beam as beam

from corpusloom.pipelines.net.permissions.licenses import license_refusal
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, open_blocklist
from corpusloom.pipelines.stages.input_fragments import STAGE, FragmentWriter, InputFile, is_extracted, write_counts
from corpusloom.pipelines.stages.kinds import pairs
from corpusloom.pipelines.stages.remeasure import Remeasure
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store import img2dataset
from corpusloom.pipelines.store.images.blocklists import Blocklist
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageUrl
from corpusloom.pipelines.store.images.packs import PackWriter
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.list_rows import BadRow, ListConfig, read_list
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down
from corpusloom.schemas import identity
from corpusloom.schemas.records import Pair, ProvenanceRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected

Kind = Literal["list", "img2dataset"]
TEXT_SOURCE = "caption"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsConfig:
    """Configuration of the extract stage for lists."""

    folder: str
    """Folder of the stage."""
    kind: Kind
    recipe: Recipe
    columns: ListConfig
    images: ImagesConfig
    """Configuration of the image store that receives img2dataset's images."""
    limit: int | None = None
    """Rows read per input, at most."""
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Records that were taken down and are not written."""
    earlier: tuple[str, ...] = ()
    """Folders of the same records with other scores; they are measured again instead of reading the list."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input: its number or key, its URL, text and image, and the verdict on an unusable row."""

    name: str
    url: str
    caption: str | None
    image: bytes | None = None
    verdict: Rejected | Dead | None = None


def read_rows(path: str, config: RowsConfig) -> Iterator[Row]:
    """Yield every row of an input."""
    if config.kind == "img2dataset":
        for sample in img2dataset.read_shard(path):
            verdict = sample.verdict
            if verdict is None and not (sample.caption or "").strip():
                verdict = Rejected("no_caption")
            yield Row(sample.key, sample.url, sample.caption, sample.image, verdict)
        return
    for row in read_list(path, config.columns):
        if isinstance(row, BadRow):
            yield Row(str(row.number), row.text, None, None, row.verdict)
        else:
            yield Row(str(row.number), row.url, row.caption)


def extract_rows(item: InputFile, config: RowsConfig, blocklist: Blocklist | None) -> tuple[StageCounts, ...]:
    """Write the fragments, ledger and provenance of one list or shard; return its counts."""
    ledger, fragments = Ledger(STAGE), FragmentWriter(config.folder, Pair, item.stem, config.tombstones)
    index = ImageStore(config.images.store).index()
    packs: PackWriter | None = None
    unlicensed = license_refusal(None, config.recipe.honour.licenses)  # rows of a list have no page, hence no licence
    for row in islice(read_rows(item.path, config), config.limit):
        key = identity.make_key("row", item.sha256, row.name)
        refused = row.verdict or unlicensed
        ledger.record(refused or Kept(), unit="record", key=key, url=row.url or None)
        ledger.provenance.append(_provenance(item, row, key))
        if refused is None:
            text = " ".join((row.caption or "").split())
            pair, head = pairs.make_pair(row.url, text, TEXT_SOURCE, key, "", config.recipe)
            fragments.add([(pair, head)])
            if row.image is not None and not is_taken_down(pair, config.tombstones):
                packs = packs or _pack_writer(item, index, config.images, blocklist)
                _store_image(packs, index, row, row.image)
    if packs is not None:
        packs.commit()
    fragments.flush()
    ledger.redact(config.tombstones)
    ledger.write(config.folder, item.stem)
    pair_counts = StageCounts(stage=STAGE, unit=pairs.PAIRS.unit, records_in=fragments.rows, kept=fragments.rows)
    return (*ledger.counts(), pair_counts)


def _pack_writer(item: InputFile, index: ImageIndex, images: ImagesConfig, blocklist: Blocklist | None) -> PackWriter:
    store = ImageStore(images.store)
    return PackWriter(store, f"rows-{item.stem}", index.generation, images.max_pixels, blocklist=blocklist)


def _store_image(packs: PackWriter, index: ImageIndex, row: Row, image: bytes) -> None:
    """Write an image into the store unless its URL has an outcome there."""
    wanted = ImageUrl(identity.image_key(row.url), row.url)
    if wanted.key not in index:
        blocked = packs.blocklist.of_url(row.url) if packs.blocklist else None
        packs.add(wanted, blocked or FetchedImage(body=image, fetched_at=""))


def _provenance(item: InputFile, row: Row, key: str) -> ProvenanceRow:
    dead = row.verdict if isinstance(row.verdict, Dead) else None
    return ProvenanceRow(
        stage=STAGE,
        key=key,
        url=row.url or None,
        warc=item.path.rsplit("/", 1)[-1],
        record_id=row.name,
        error=dead.error if dead else None,
        message=dead.message if dead else None,
    )


@dataclass(frozen=True, slots=True)
class ExtractLists:
    """The work of the extract stage over lists; a unit is one list or one shard of img2dataset."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "input"
    config: RowsConfig

    def is_finished(self, item: InputFile) -> bool:
        """Return whether an earlier run extracted this input."""
        return is_extracted(self.config.folder, item)

    @contextmanager
    def open(self) -> Iterator[FinishUnit[InputFile]]:
        """Open the blocklist if the inputs have images, which lists do not."""
        config = self.config
        blocklists = open_blocklist(config.images) if config.kind == "img2dataset" else nullcontext()
        with blocklists as blocklist:
            remeasure = Remeasure(
                folder=config.folder,
                earlier=config.earlier,
                kind=pairs.PAIRS,
                recipe=config.recipe,
                tombstones=config.tombstones,
            )
            yield lambda item: write_counts(
                config.folder, item, remeasure(item) or extract_rows(item, config, blocklist)
            )


def build(pipeline: beam.Pipeline, config: RowsConfig, items: tuple[InputFile, ...]) -> beam.PCollection[InputFile]:
    """Build the pipeline that extracts lists."""
    work = ExtractLists(config)
    return pipeline | "Lists" >> beam.Create(items) | "ExtractLists" >> FinishUnits(work=work, step="Extract a list")
