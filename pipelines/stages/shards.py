"""Selected records + image store -> shards: tars, sidecars, and the verdict on every image occurrence.

A shard is a range of keys. Its worker reads that range of the decisions and of the records' fragments (sorted by
key, so other row groups are never read), looks its images up in the store and writes one tar: nothing is shuffled.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import apache_beam as beam

from corpusloom.pipelines.dedup.decontamination import Benchmarks, Match, cut_blocks, reason_of
from corpusloom.pipelines.dedup.evaluation_sets import load_benchmarks
from corpusloom.pipelines.dedup.frequency import drop_paragraphs
from corpusloom.pipelines.dedup.image_hashes import ImageHashes
from corpusloom.pipelines.engine import metrics
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.rules import edit_blocks, image_count_rules, image_rules, measure_image
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset import tars
from corpusloom.pipelines.store.dataset.samples import (
    StoredImage,
    UnwrittenSample,
    interleaved_sample,
    members_of,
    pair_sample,
    store_form,
)
from corpusloom.pipelines.store.images.resize import Resize, resize
from corpusloom.pipelines.store.images.store import ImageIndex, ImageStore
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.tombstones import HIDDEN, Tombstones, is_taken_down
from corpusloom.schemas import arrow, identity, layout, storage, tables
from corpusloom.schemas import config as configs
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.images.errors import ImageError
from corpusloom.schemas.records import (
    FileEntry,
    Head,
    ImageFacts,
    ImageRef,
    Member,
    Page,
    Pair,
    ProvenanceRow,
    ShardEntry,
    SidecarRow,
    StageCounts,
)
from corpusloom.schemas.verdicts import Dead, Kept, Rejected, Scores, Verdict, decide

T = TypeVar("T")
STAGE = "shards"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsConfig:
    """What the shards of one dataset are made of."""

    recipe: Recipe
    dataset: str
    """Folder of the dataset."""
    folder: str
    """Folder of the stage: finished shards' reports, ledger fragments."""
    records: tuple[str, ...]
    """Fragments of Page or Pair rows, each sorted by key."""
    decisions: tuple[str, ...]
    """Parts of Head rows, each sorted by key."""
    store: str
    shards: int
    frequent: tuple[str, ...] = ()
    """Image URLs on more pages than the recipe allows: never fetched."""


def key_range(shard: int, shards: int) -> tuple[str, str]:
    """Return the first key of a shard and the first key after it."""
    step = (1 << 32) // shards
    low, high = shard * step, (shard + 1) * step
    after = "g" if shard + 1 == shards else f"{high:08x}" + "0" * 24
    return f"{low:08x}" + "0" * 24, after


def read_range(path: str, cls: type[T], low: str, high: str) -> Iterator[T]:
    """Yield the rows of a table sorted by key whose key is in [low, high); other row groups are not read."""
    import pyarrow.compute as pc

    with tables.open_parquet(path) as file:
        column = file.schema_arrow.get_field_index("key")
        for group in range(file.num_row_groups):
            statistics = file.metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max and (statistics.max < low or statistics.min >= high):
                continue
            table = file.read_row_group(group)
            keys = table["key"]
            yield from arrow.from_table(
                cls, table.filter(pc.and_(pc.greater_equal(keys, low), pc.less(keys, high))), where=path
            )


@dataclass(frozen=True, slots=True)
class ImageJudge:
    """What images are judged with: the store as of one generation, the rules, the too frequent URLs."""

    recipe: Recipe
    store: ImageStore
    index: ImageIndex
    frequent: frozenset[str]
    benchmarks: Benchmarks | None = None
    """Evaluation sets that must stay out."""
    nsfw: Mapping[str, float | None] = field(default_factory=dict)
    """Scores of the recipe's NSFW model by sha256."""
    tombstones: Tombstones = field(default_factory=Tombstones)

    def _is_forgotten(self, ref: ImageRef) -> bool:
        """Say whether an image was taken down by what the store knows of it: it is known only here and now."""
        if not self.tombstones:
            return False
        record = self.index.find(identity.image_key(ref.url))
        return record is not None and is_taken_down(record, self.tombstones)

    def __call__(self, ref: ImageRef) -> tuple[Verdict, Scores, StoredImage | None]:
        """Return the verdict on one image as one page shows it, its scores, and the image when it is kept."""
        if ref.url.startswith(HIDDEN) or self._is_forgotten(ref):
            return Rejected("forgotten"), {}, None
        if ref.url in self.frequent:
            return Rejected("url_too_frequent"), {}, None
        verdict, scores, image = judge_image(ref, self.index, self.store, self.recipe, self.nsfw)
        match = self._match(image.facts) if image is not None else None
        if match is not None:
            return Rejected(reason_of(match), match.distance), scores, None
        return verdict, scores, image

    def _match(self, facts: ImageFacts) -> Match | None:
        if self.benchmarks is None:
            return None
        hashes = ImageHashes(facts.dhash, facts.phash, facts.grid, facts.gray_std, facts.colour_range)
        return self.benchmarks.match_image(facts.sha256, hashes)


def judge_image(
    ref: ImageRef,
    index: ImageIndex,
    store: ImageStore,
    recipe: Recipe,
    nsfw: Mapping[str, float | None] = MappingProxyType({}),
) -> tuple[Verdict, Scores, StoredImage | None]:
    """Return the verdict on an image by what the store holds of it."""
    record = index.find(identity.image_key(ref.url))
    if record is None:
        return Dead("not_fetched"), {}, None
    if record.outcome == "dead":
        return Dead(record.reason or "unknown"), {}, None
    if record.outcome == "rejected":
        return Rejected(record.reason or "unknown"), {}, None
    facts = store.facts().get(record.sha256 or "")
    if facts is None:
        return Dead("no_facts"), {}, None
    if facts.error is not None:
        return Rejected(facts.error), {}, None
    if facts.opt_out is not None:
        return Rejected(f"opt_out_{facts.opt_out}"), {}, None
    scores = measure_image(ref, record, facts)
    score = nsfw.get(facts.sha256)
    if score is not None:
        scores["model_nsfw"] = score
    verdict = decide(scores, image_rules(recipe))
    if not isinstance(verdict, Kept):
        return verdict, scores, None
    try:
        stored = StoredImage(ref, record, facts, *member_form(store.read(record), facts.format, recipe))
    except ImageError as error:
        return Rejected(error.reason), scores, None
    return verdict, scores, stored


def member_form(data: bytes, image_format: str, recipe: Recipe) -> tuple[bytes, str, tuple[int, int] | None]:
    """Return an image's bytes as a member, its extension, and its size where the recipe resizes or re-encodes."""
    config = resize_of(recipe)
    if config is None:
        return *store_form(data, image_format), None
    resized, width, height = resize(data, config)
    return resized, config.format, (width, height)


def resize_of(recipe: Recipe) -> Resize | None:
    """Return how a recipe resizes its images; None stores them as fetched."""
    images = recipe.images
    if images.resize is None and images.format is None:
        return None
    values = {"mode": images.resize_mode if images.resize else "no", "size": images.resize or 1}
    values |= {"only_if_bigger": images.resize_only_if_bigger, "format": images.format or "jpg"}
    return configs.build(Resize, values | {"quality": images.quality}, where="images")


def edited(page: Page, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger) -> Page | Rejected:
    """Return a page as it is written: without frequent paragraphs, bad lines and evaluation texts; or why it is not."""
    blocks, _ = drop_paragraphs(page, frequent) if frequent else (page.blocks, 0)
    page = dataclasses.replace(page, blocks=edit_blocks(blocks, judge.recipe))
    if judge.benchmarks is not None:
        texts, matches = cut_blocks([block.text for block in page.blocks], judge.benchmarks)
        ledger.provenance += [_provenance(page, match) for match in matches]
        if texts is None:
            return Rejected(reason_of(matches[0]), float(len(matches)))
        pairs = zip(page.blocks, texts, strict=True)
        kept = (dataclasses.replace(block, text=text) for block, text in pairs if text or block.image is not None)
        page = dataclasses.replace(page, blocks=tuple(kept))
    return page if any(block.text for block in page.blocks) else Rejected("no_text")


def _provenance(page: Page, match: Match) -> ProvenanceRow:
    message = f"{match.benchmark} {match.item}: {match.kind} of {match.distance:.0f} words"
    return ProvenanceRow(stage=STAGE, key=page.key, url=page.url, message=message)


def page_sample(page: Page, frequent: frozenset[str], judge: ImageJudge, ledger: Ledger) -> UnwrittenSample | None:
    """Edit a page, judge its images, then the page; return its sample if it is kept."""
    found = edited(page, frequent, judge, ledger)
    if isinstance(found, Rejected):
        ledger.record(found, unit="page", key=page.key, parent=page.parent, url=page.url)
        return None
    kept, unsafe = judge_occurrences(found, judge, ledger)
    verdict: Verdict = decide({"images": float(len(kept))}, image_count_rules(judge.recipe))
    if unsafe and judge.recipe.images.drop_page_on_nsfw:
        verdict = Rejected("nsfw_image", float(unsafe), 0.0)
    ledger.record(
        verdict, unit="page", key=page.key, parent=page.parent, url=page.url, scores={"images": float(len(kept))}
    )
    if not isinstance(verdict, Kept):
        return None
    return interleaved_sample(found, kept, validation=judge.recipe.split.val)


def judge_occurrences(page: Page, judge: ImageJudge, ledger: Ledger) -> tuple[dict[int, StoredImage], int]:
    """Judge each image of a page; return those kept, by their ordinal, and how many were not safe for work."""
    kept: dict[int, StoredImage] = {}
    seen: set[str] = set()
    unsafe = 0
    for ordinal, block in enumerate(block for block in page.blocks if block.image is not None):
        ref = block.image
        if ref is None:
            continue
        verdict, scores, image = judge(ref)
        if image is not None and judge.recipe.images.once_per_page and image.facts.sha256 in seen:
            verdict, image = Rejected("repeated_in_page"), None
        key = identity.make_key("occurrence", page.key, str(ordinal))
        ledger.record(verdict, unit="image_occurrence", key=key, parent=page.key, url=_shown(ref.url), scores=scores)
        if image is not None:
            kept[ordinal] = image
            seen.add(image.facts.sha256)
        unsafe += isinstance(verdict, Rejected) and verdict.reason == "nsfw"
    return kept, unsafe


def _shown(url: str) -> str | None:
    return None if url.startswith(HIDDEN) else url


def pair_to_sample(pair: Pair, judge: ImageJudge, ledger: Ledger) -> UnwrittenSample | None:
    """Judge a pair's image; return its sample if it is kept."""
    verdict, scores, image = judge(ImageRef(url=pair.image_url, alt_text=pair.text))
    texts = judge.benchmarks.match_text(pair.text) if judge.benchmarks is not None and image is not None else ()
    if texts:
        verdict, image = Rejected(reason_of(texts[0]), texts[0].distance), None
    ledger.record(verdict, unit="pair", key=pair.key, parent=pair.parent, url=pair.image_url, scores=scores)
    if image is None:
        return None
    return pair_sample(pair, image, validation=judge.recipe.split.val)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What a finished shard says of itself; entry is None when no sample was left for it."""

    index: int
    entry: ShardEntry | None
    counts: tuple[StageCounts, ...]


def file_entry(name: str, data: bytes, **rows: Any) -> FileEntry:
    """Return the manifest's entry of a file whose bytes are at hand."""
    return FileEntry(name=name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), **rows)


def write_shard_files(dataset: str, index: int, samples: Iterable[UnwrittenSample]) -> ShardEntry | None:
    """Write a shard's tar, sidecar and statistics; return None, and write nothing, without samples."""
    current: list[UnwrittenSample] = []
    sidecar: list[SidecarRow] = []

    def members() -> Iterator[tuple[str, dict[str, bytes]]]:
        for sample in samples:
            current[:] = [sample]
            yield sample.key, sample.fields

    def written(_: str, places: tuple[tars.MemberPlace, ...]) -> None:
        (sample,) = current
        sidecar.append(_sidecar_row(sample, members_of(sample, places)))

    stem = layout.shard_stem(index)
    tar = tars.write_shard(storage.join(dataset, f"{stem}.tar"), members(), written)
    if not sidecar:
        return None
    table = arrow.to_table(SidecarRow, sidecar)
    data = tables.write_table(storage.join(dataset, f"{stem}.parquet"), table, sort_by=("key",))
    stats = json.dumps(
        {
            "count": len(sidecar),
            "successes": len(sidecar),
            "failed_to_download": 0,
            "failed_to_resize": 0,
            "status_dict": {"success": len(sidecar)},
        },
        indent=4,
    ).encode()
    storage.write_bytes(storage.join(dataset, f"{stem}_stats.json"), stats)
    return ShardEntry(
        index=index,
        tar=FileEntry(name=f"{stem}.tar", sha256=tar.sha256, bytes=tar.bytes),
        sidecar=file_entry(
            f"{stem}.parquet", data, rows=len(sidecar), rows_digest=tables.rows_digest(table, sort_by=("key",))
        ),
        stats=file_entry(f"{stem}_stats.json", stats),
        samples=len(sidecar),
    )


def _sidecar_row(sample: UnwrittenSample, members: tuple[Member, ...]) -> SidecarRow:
    """Return a sample's row with its members, and its first image's stored hash."""
    stored = next((member.stored_sha256 for member in members if member.sha256 is not None), None)
    return dataclasses.replace(sample.row, stored_sha256=stored, members=members)


def selected(config: ShardsConfig, low: str, high: str) -> Iterator[tuple[Page | Pair | Head, frozenset[str]]]:
    """Yield the kept records of a key range with the keys of their frequent paragraphs, in order of their keys.

    Of a record that was taken down its head alone.
    """
    kept = {
        (row.key, row.parent): row
        for path in config.decisions
        for row in read_range(path, Head, low, high)
        if row.outcome == "kept"
    }
    cls: type[Page] | type[Pair] = Page if config.recipe.kind == "interleaved" else Pair
    found: dict[str, Page | Pair | Head] = {row.key: row for row in kept.values() if not row.url}
    for path in config.records:
        for record in read_range(path, cls, low, high):
            if (record.key, record.parent) in kept:
                found.setdefault(record.key, record)
    lost = {key for key, _ in kept} - found.keys()
    if lost:
        raise DamageError(
            f"{len(lost)} records that were kept are gone, {min(lost)} first",
            where=config.folder,
            remedy="delete the folder of the stages (--work) and build again",
        )
    for key in sorted(found):
        yield found[key], frozenset(kept[key, found[key].parent].frequent_paragraphs)


def write_shard(index: int, config: ShardsConfig, judge: ImageJudge) -> ShardReport:
    """Write one shard and its fragments of ledger and scores; return what it says of itself."""
    ledger = Ledger(STAGE)

    def samples() -> Iterator[UnwrittenSample]:
        for record, frequent in selected(config, *key_range(index, config.shards)):
            if isinstance(record, Head):
                ledger.record(Rejected("forgotten"), unit=record.unit, key=record.key, parent=record.parent)
                continue
            if isinstance(record, Page):
                sample = page_sample(record, frequent, judge, ledger)
            else:
                sample = pair_to_sample(record, judge, ledger)
            if sample is not None:
                yield sample

    entry = write_shard_files(config.dataset, index, samples())
    ledger.write(config.folder, layout.shard_stem(index))
    report = ShardReport(index=index, entry=entry, counts=tuple(ledger.counts()))
    storage.write_bytes(report_path(config.folder, index), json.dumps(arrow.to_plain(report)).encode())
    return report


def report_path(folder: str, index: int) -> str:
    """Return where a finished shard's report lies: what makes it finished."""
    return storage.join(folder, "done", f"{layout.shard_stem(index)}.json")


def read_shard_report(folder: str, index: int) -> ShardReport:
    """Read a finished shard's report."""
    return arrow.from_plain(ShardReport, json.loads(storage.read_bytes(report_path(folder, index))))


def is_finished(dataset: str, folder: str, index: int) -> bool:
    """Say whether a shard was written before and still lies there: another build may have claimed the folder since."""
    if not storage.exists(report_path(folder, index)):
        return False
    entry = read_shard_report(folder, index).entry
    files = (entry.tar, entry.sidecar, entry.stats) if entry is not None else ()
    paths = [(storage.join(dataset, file.name), file.bytes) for file in files]
    return all(storage.exists(path) and storage.size(path) == size for path, size in paths)


class _WriteShard(beam.DoFn):
    def __init__(self, config: ShardsConfig) -> None:
        self._config = config

    def setup(self) -> None:
        store = ImageStore(self._config.store)
        recipe, frequent = self._config.recipe, frozenset(self._config.frequent)
        model = recipe.filters.images.nsfw_model
        self._judge = ImageJudge(
            recipe=recipe,
            store=store,
            index=store.index(),
            frequent=frequent,
            benchmarks=load_benchmarks(recipe.dedup.decontaminate),
            nsfw=store.scores(model) if model else {},
            tombstones=tombstones.read(self._config.store),
        )

    def process(self, index: int) -> Iterator[int]:
        if not is_finished(self._config.dataset, self._config.folder, index):
            with metrics.timed(STAGE, "shard"):
                report = write_shard(index, self._config, self._judge)
            metrics.add_counts(report.counts)
        yield index


@dataclass(kw_only=True, eq=False)
class WriteShards(beam.PTransform):
    """Shard numbers -> shards on disk; one that was finished before is left alone.

    Args:
      config: Records, decisions, store and where the dataset goes.
    """

    config: ShardsConfig

    def expand(self, numbers: beam.PCollection[int]) -> beam.PCollection[int]:
        """Spread the shards over workers and write each."""
        return numbers | "Spread shards" >> beam.Reshuffle() | "Write a shard" >> beam.ParDo(_WriteShard(self.config))


def build(pipeline: beam.Pipeline, config: ShardsConfig) -> beam.PCollection[int]:
    """Build the pipeline that writes a dataset's shards."""
    numbers = pipeline | "Shards" >> beam.Create(range(config.shards))
    return numbers | "WriteShards" >> WriteShards(config=config)
