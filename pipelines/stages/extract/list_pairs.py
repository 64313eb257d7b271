"""URL lists and img2dataset's folders -> fragments of pairs, in place of WARCs.

A list or a shard of img2dataset is one unit of work; each row gets one verdict. The images of img2dataset are put into
the image store, so that the images stage does not fetch them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal

import apache_beam as beam

from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.extract.caption_cleaning import clean_caption
from corpusloom.pipelines.net.permissions.licenses import license_refusal
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.extract.input_fragments import (
    STAGE,
    FragmentWriter,
    InputFile,
    is_extracted,
    write_counts,
)
from corpusloom.pipelines.stages.extract.remeasure import Remeasure
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, open_blocklist, policy_of
from corpusloom.pipelines.stages.image_columns import refuse_row
from corpusloom.pipelines.stages.kinds import pairs
from corpusloom.pipelines.stages.units import FinishUnit, FinishUnits
from corpusloom.pipelines.store import img2dataset
from corpusloom.pipelines.store.images.blocklists import Blocklist
from corpusloom.pipelines.store.images.index import ImageIndex
from corpusloom.pipelines.store.images.outcomes import FetchedImage, ImageUrl
from corpusloom.pipelines.store.images.packs import PackWriter
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.lists.list_config import PairListConfig
from corpusloom.pipelines.store.lists.list_rows import BadRow, read_list
from corpusloom.pipelines.store.tombstones import Tombstones, is_taken_down
from corpusloom.schemas import identity
from corpusloom.schemas.records import Pair, ProvenanceRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected

Kind = Literal["list", "img2dataset"]
TEXT_SOURCE = "caption"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsConfig:
    """Configuration of the extract stage over lists."""

    folder: str
    """Folder of the stage."""
    kind: Kind
    recipe: Recipe
    columns: PairListConfig
    images: ImagesConfig
    """Configuration of the image store that img2dataset's images are put into."""
    limit: int | None = None
    """Maximum number of rows per input."""
    tombstones: Tombstones = field(default_factory=Tombstones)
    """Take-downs; records that they name are not written."""
    earlier: tuple[str, ...] = ()
    """Folders of the stage for other measure settings, whose records are measured again instead of reading the list."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input."""

    name: str
    """Number of the row in a list, or key in a shard of img2dataset."""
    url: str
    caption: str | None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Further column -> its value as text."""
    image: bytes | None = None
    """Image that img2dataset fetched."""
    verdict: Rejected | Dead | None = None
    """Why the row cannot be used; None if it can."""
    place: str = ""
    """Place of a row of a list in its file."""
    message: str = ""
    """How an image's text differs from its row in the Parquet."""
    remarks: tuple[str, ...] = ()
    """Names of the values in the Parquet that differ from those beside the image."""


def read_rows(path: str, config: RowsConfig) -> Iterator[Row]:
    """Yield every row of an input."""
    if config.kind == "img2dataset":
        for sample in img2dataset.read_shard(path, config.columns.kept):
            yield Row(
                sample.key, sample.url, sample.caption, sample.columns, sample.image, sample.verdict,
                message="; ".join(f"{name}: the Parquet has {value!r}" for name, value in sample.differences.items()),
                remarks=tuple(sample.differences),
            )  # fmt: skip
        return
    for row in read_list(path, config.columns):
        if isinstance(row, BadRow):
            yield Row(str(row.number), row.text, None, place=row.place, verdict=row.verdict)
        else:
            yield Row(str(row.number), row.url, row.caption, row.columns, place=row.place)


def extract_rows(item: InputFile, config: RowsConfig, blocklist: Blocklist | None) -> tuple[StageCounts, ...]:
    """Write the fragments, ledger and provenance of one list or shard; return its counts."""
    ledger, fragments = Ledger(STAGE), FragmentWriter(config.folder, Pair, item.stem, config.tombstones)
    index = ImageStore(config.images.store).index().under(policy_of(config.images))
    packs: PackWriter | None = None
    unlicensed = license_refusal(None, config.recipe.honour.licenses)  # a list names no page, so no licence is known
    for number, row in enumerate(islice(read_rows(item.path, config), config.limit), 1):
        pace.reach(STAGE, item.path, number)
        key = identity.make_key("row", item.sha256, row.name)
        caption = clean_caption(row.caption)
        if caption.reason is not None and not config.recipe.candidates.need_text:
            caption = pairs.NO_TEXT
        refused = row.verdict or unlicensed or (Rejected(caption.reason) if caption.reason else None)
        refused = refused or refuse_row(row.columns, config.recipe.images)
        ledger.record(refused or Kept(), unit="record", key=key, url=row.url or None)
        ledger.provenance.append(_provenance(item, row, key, row.place if refused else ""))
        if refused is None:
            ledger.remark("record", row.remarks)
            source = TEXT_SOURCE if caption.text else ""
            pair, head = pairs.make_pair(row.url, caption, source, key, "", config.recipe, columns=row.columns)
            fragments.add([(pair, head)])
            if row.image is not None and not is_taken_down(pair, config.tombstones):
                packs = packs or _pack_writer(item, index, config.images, blocklist)
                _store_image(packs, index, row, row.image)
    if packs is not None:
        packs.commit()
    fragments.flush()
    ledger.redact(config.tombstones)
    ledger.write(config.folder, item.stem)
    return (*ledger.counts(), fragments.counts(pairs.PAIRS.unit))


def _pack_writer(item: InputFile, index: ImageIndex, images: ImagesConfig, blocklist: Blocklist | None) -> PackWriter:
    store = ImageStore(images.store)
    name, policy = f"rows-{item.stem}", policy_of(images)
    return PackWriter(store, name, index.generation, images.max_pixels, blocklist=blocklist, policy=policy)


def _store_image(packs: PackWriter, index: ImageIndex, row: Row, image: bytes) -> None:
    """Put an image into the store unless its URL has an outcome there: the first outcome of a URL stays."""
    wanted = ImageUrl(identity.image_key(row.url), row.url)
    if wanted.key not in index:
        blocked = packs.blocklist.of_url(row.url) if packs.blocklist else None
        packs.add(wanted, blocked or FetchedImage(body=image, fetched_at=""))


def _provenance(item: InputFile, row: Row, key: str, place: str) -> ProvenanceRow:
    dead = row.verdict if isinstance(row.verdict, Dead) else None
    return ProvenanceRow(
        stage=STAGE,
        key=key,
        url=row.url or None,
        warc=item.path.rsplit("/", 1)[-1],
        record_id=row.name,
        error=dead.error if dead else None,
        message=(dead.message if dead else row.message or place) or None,
    )


@dataclass(frozen=True, slots=True)
class ExtractLists:
    """The work of the extract stage over lists: turns each list or shard of img2dataset into fragments on disk."""

    stage: ClassVar[str] = STAGE
    unit: ClassVar[str] = "input"
    config: RowsConfig

    def is_finished(self, item: InputFile) -> bool:
        """Return whether an earlier run extracted this input."""
        return is_extracted(self.config.folder, item)

    @contextmanager
    def open(self) -> Iterator[FinishUnit[InputFile]]:
        """Open the blocklist if images are stored, which lists do not hold."""
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
