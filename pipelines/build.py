"""The stages of one recipe, in order: what is finished is reused, what is missing runs, the manifest comes last."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pipelines.decisions import count_decisions, decision_ledger, frequent_urls, image_ledger, wanted_urls
from pipelines.evaluation_sets import set_digests
from pipelines.filters.decision import pair_rules, select_rules
from pipelines.inputs import check_read, inputs_of
from pipelines.memory import check_select
from pipelines.net.config import FetchConfig
from pipelines.progress import Reporter
from pipelines.purge import purge_work
from pipelines.recipes.recipe import Recipe, config_json
from pipelines.reuse import extracted_pages, measured_by
from pipelines.runners import Profile, run
from pipelines.store import dataset as store_dataset
from pipelines.store import tombstones
from pipelines.store.card import document
from pipelines.store.images import ImageStore
from pipelines.store.ledger import Ledger
from pipelines.store.lists import ListConfig
from pipelines.store.stages import (
    Stage,
    StageReport,
    add_counts,
    check_conservation,
    commit,
    plan_stage,
    read_report,
    stem_of,
)
from schemas import arrow, identity, layout, storage
from schemas.errors import ConfigError, InputError, LoomError
from schemas.images import MAX_PIXELS
from schemas.layout import MANIFEST
from schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from schemas.records import FileEntry, LedgerRow, Page, Pair, ProvenanceRow, ScoreRow, StageCounts

EXTRACT_VERSION = 4
SELECT_VERSION = 2
SHARDS_VERSION = 2


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
    limit: int | None = None
    profile: Profile = dataclasses.field(default_factory=Profile)


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


@dataclass(frozen=True, slots=True)
class RecordKind:
    """How one kind of record is made from a web page and decided on."""

    record: type
    parse: Callable[..., Any]
    make: Callable[..., Any]
    build_select: Callable[..., Any]


def kind_of(recipe: Recipe) -> RecordKind:
    """Return how a recipe's records are made. Imports Beam, which a build that reuses everything does without."""
    from pipelines import pages, pairs
    from pipelines.extract.alt_texts import page_images
    from pipelines.extract.extractor import extract

    if recipe.kind == "interleaved":
        return RecordKind(Page, extract, pages.make_page, pages.build_select)
    return RecordKind(Pair, page_images, pairs.make_pairs, pairs.build_select)


@dataclass
class Builder:
    """One build under way: the stages as methods, in the order in which they run."""

    config: BuildConfig
    reporter: Reporter
    reused: list[str] = dataclasses.field(default_factory=list)

    @property
    def recipe(self) -> Recipe:
        """Return the recipe."""
        return self.config.recipe

    @property
    def spill(self) -> bool:
        """Say whether regrouping goes over local Parquet."""
        return self.config.profile.local

    def plan_extract(self, inputs: list[FileEntry]) -> Stage:
        """Return the extract stage: it depends on the WARCs and on what is measured, not on thresholds."""
        return plan_stage(
            self.config.work,
            "extract",
            stage_version=EXTRACT_VERSION,
            inputs={
                "warcs": [entry.sha256 for entry in inputs],
                "limit": self.config.limit,
                "measured": self.measured(),
            },
        )

    @cached_property
    def warc_folder(self) -> Stage:
        """Return where WARCs are extracted to: shared by all builds that measure alike, whatever their other WARCs."""
        return plan_stage(
            self.config.work,
            "warcs",
            stage_version=EXTRACT_VERSION,
            inputs={"limit": self.config.limit, "measured": self.measured()},
        )

    def measured(self) -> dict[str, Any]:
        """Return what shapes a WARC's or list's fragments; img2dataset's images go into one store alone."""
        config, measured = self.config, measured_by(self.recipe)
        measured |= {"columns": dataclasses.asdict(config.columns)} if config.lists else {}
        measured |= {"digests": "checked"} if config.verify_digests else {}
        measured |= {"revisits": "across WARCs"} if config.resolve_revisits else {}
        return measured | ({"store": config.store} if config.from_img2dataset else {})

    def unit_hash(self, entry: FileEntry, inputs: list[FileEntry]) -> str:
        """Return a hash of all that a WARC's fragments come from: where revisits lead across, of every WARC."""
        if not self.config.resolve_revisits:
            return entry.sha256
        return hashlib.sha256("".join([entry.sha256, *sorted(item.sha256 for item in inputs)]).encode()).hexdigest()

    def fragments(self, inputs: list[FileEntry], kind: str) -> list[str]:
        """Return the fragments of one kind that these WARCs were extracted to."""
        folder, stems = self.warc_folder, {stem_of(self.unit_hash(entry, inputs)) for entry in inputs}
        names = storage.listing(folder.path(kind))
        return [folder.path(kind, name) for name in names if name.split(".")[0].split("-")[0] in stems]

    def plan_select(self, extract: Stage) -> Stage:
        """Return the select stage: it depends on the extract stage, the rules and the deduplication."""
        rules = select_rules(self.recipe) if self.recipe.kind == "interleaved" else pair_rules(self.recipe)
        return plan_stage(
            self.config.work,
            "select",
            stage_version=SELECT_VERSION,
            inputs={
                "extract": extract.fingerprint,
                "rules": [dataclasses.asdict(rule) for rule in rules],
                "dedup": dataclasses.asdict(self.recipe.dedup),
            },
        )

    def extract(self, stage: Stage, inputs: list[FileEntry]) -> StageReport:
        """Run the extract stage, a WARC or list at a time; finished ones are left alone."""
        from pipelines import warcs

        todo = tuple(warcs.WarcInput(path=entry.name, sha256=self.unit_hash(entry, inputs)) for entry in inputs)

        def finished() -> int:
            return len(self.fragments(inputs, "done"))

        with self.reporter.stage("extract", len(todo), finished):
            run(lambda pipeline: self._build_extract(pipeline, todo), self.config.profile)
        rows = [row for warc in todo for row in warcs.read_counts(self.warc_folder.folder, warc)]
        return commit(stage, add_counts(rows), warcs=arrow.to_plain(inputs))

    def pages(self, stage: Stage, inputs: list[FileEntry], until: str) -> None:
        """Run the extract stage over the WARCs or lists that it reads, unless it was finished before."""
        config = self.config
        if config.from_pages:
            self.reused.append("extract")
            return
        if not stage.done:
            storage.check_writable(config.work)
        if until == "shards" and not storage.exists(storage.join(config.out, MANIFEST)):
            storage.check_writable(config.out)
        if not _reuse(self, stage):
            self.extract(stage, inputs)
        check_read(read_report(stage), (*config.warcs, *config.lists, *config.from_img2dataset))

    def planned_pages(self) -> tuple[Stage, list[FileEntry]]:
        """Return the extract stage and the WARCs or lists that it reads; nothing runs."""
        if self.config.from_pages:
            return self.finished_pages()
        config = self.config
        inputs = inputs_of(
            self.recipe,
            warcs=config.warcs,
            lists=config.lists,
            img2dataset=config.from_img2dataset,
            columns=config.columns,
        )
        return self.plan_extract(inputs), inputs

    def finished_pages(self) -> tuple[Stage, list[FileEntry]]:
        """Return the finished extract stage in the work folder that this recipe can be decided from again."""
        config = self.config
        if config.warcs or config.lists or config.from_img2dataset:
            raise ConfigError("names inputs and --from pages", where="loom build", remedy="give one of them")
        return extracted_pages(config.work, EXTRACT_VERSION, self.measured(), config.limit)

    def _build_extract(self, pipeline: Any, todo: tuple[Any, ...]) -> Any:
        """Build the pipeline that reads the inputs."""
        from pipelines import lists, warcs

        config, folder = self.config, self.warc_folder.folder
        stones = tombstones.read(config.store)
        if config.lists or config.from_img2dataset:
            rows = lists.RowsConfig(
                folder=folder,
                kind="list" if config.lists else "img2dataset",
                recipe=self.recipe,
                columns=config.columns,
                images=self.images_config(),
                limit=config.limit,
                tombstones=stones,
            )
            return lists.build(pipeline, rows, todo)
        kind = kind_of(self.recipe)
        pages = warcs.ExtractConfig(
            folder=folder,
            record=kind.record,
            parse=kind.parse,
            make=kind.make,
            recipe=self.recipe,
            workers=config.workers,
            limit=config.limit,
            tombstones=stones,
            verify_digests=config.verify_digests,
            across=tuple(item.path for item in todo) if config.resolve_revisits else (),
        )
        return warcs.build(pipeline, pages, todo)

    def select(self, stage: Stage, inputs: list[FileEntry]) -> StageReport:
        """Run the select stage: rules, counts and duplicates over the candidates."""
        build_select = kind_of(self.recipe).build_select
        fragments = self.fragments(inputs, "candidates")
        if self.spill:
            check_select(fragments, self.config.memory)
        spill = stage.path("spill") if self.spill else None
        with self.reporter.stage("select"):
            if fragments:
                run(
                    lambda pipeline: build_select(pipeline, self.recipe, fragments, stage.path("decisions"), spill),
                    self.config.profile,
                )
            counts = count_decisions(stage)
            storage.remove(stage.path("spill"), recursive=True)
            storage.remove(stage.path("decisions", "spill"), recursive=True)
        return commit(stage, counts)

    def images(self, inputs: list[FileEntry], select: Stage) -> list[str]:
        """Take or fetch what the kept candidates want and the store lacks, make missing facts; return the URLs."""
        from pipelines.store.frontier import FILE_ROWS, Wanted, missing_facts, write_frontier
        from pipelines.store.warc_images import take_images

        urls = wanted_urls(select, self.recipe)
        store = ImageStore(self.config.store)
        wanted = [Wanted(identity.image_key(url), url) for url in urls]
        fetch = self.config.fetch
        take_images(self.fragments(inputs, "images"), wanted, store, fetch.honour, fetch.max_image_bytes, MAX_PIXELS)
        folder, files = select.path("frontier"), 1 + len(wanted) // FILE_ROWS
        lanes = write_frontier(wanted, store, folder, self.config.lanes, files=files)
        missing = sum(lane.rows for lane in lanes)
        if missing:
            from pipelines import images

            self.config.fetch.require_contact()
            with self.reporter.stage(f"fetch {missing} images"):
                run(lambda pipeline: images.build_fetch(pipeline, self.images_config(), lanes), self.config.profile)
            storage.remove(folder, recursive=True)
        else:
            self.reused.append("images")
        batches = missing_facts(store, [item.key for item in wanted])
        if batches:
            from pipelines import images

            with self.reporter.stage(f"facts of {sum(map(len, batches))} images"):
                run(lambda pipeline: images.build_facts(pipeline, self.images_config(), batches), self.config.profile)
        self.score_images(store, [item.key for item in wanted])
        return urls

    def score_images(self, store: ImageStore, keys: list[str]) -> None:
        """Score what the recipe's NSFW model has not seen yet."""
        model = self.recipe.filters.images.nsfw_model
        if model is None:
            return
        from pipelines import image_scores

        batches = image_scores.missing_scores(store, keys, model)
        if batches:
            image_scores.load_scorer(model)  # a scorer that is not installed is found before anything runs
            with self.reporter.stage(f"{model} scores of {sum(map(len, batches))} images"):
                run(lambda pipeline: image_scores.build(pipeline, store.folder, model, batches), self.config.profile)

    def shard_count(self, selected: StageReport) -> int:
        """Return the number of shards: the one asked for, else by the number of candidates."""
        candidates = sum(row.kept for row in selected.counts)
        return layout.check_shards(self.config.shards or layout.default_shards(candidates))

    def report(self, manifest: Manifest | None, counts: tuple[StageCounts, ...] = ()) -> BuildReport:
        """Return what this build did."""
        return BuildReport(manifest=manifest, reused=tuple(self.reused), seconds=self.reporter.seconds, counts=counts)

    def images_config(self) -> Any:
        """Return how images get into the store."""
        from pipelines.image_lanes import ImagesConfig

        return ImagesConfig(
            store=self.config.store,
            fetch=self.config.fetch,
            lanes=self.config.lanes,
            local=self.config.profile.local,
            workers=self.config.workers,
            blocklists=self.config.blocklists,
            fetcher=self.config.fetcher,
        )

    def plan_shards(self, select: Stage, urls: list[str], shards: int) -> Stage:
        """Return the shards stage: it depends on the decisions and on the outcomes that the store holds."""
        keys = [identity.image_key(url) for url in urls]
        return plan_stage(
            self.config.work,
            "shards",
            stage_version=SHARDS_VERSION,
            inputs={
                "select": select.fingerprint,
                "images": ImageStore(self.config.store).index().digest(keys),
                "config": config_json(self.recipe),
                "evaluation_sets": set_digests(self.recipe.dedup.decontaminate),
                "shards": shards,
                "tombstones": tombstones.read(self.config.store).digest(),
                "out": hashlib.sha256(self.config.out.encode()).hexdigest(),
            },
        )

    def write_shards(self, stage: Stage, inputs: list[FileEntry], select: Stage, shards: int) -> list[Any]:
        """Run the shards stage; return the shards' reports."""
        from pipelines import shards as shards_file

        config = shards_file.ShardsConfig(
            recipe=self.recipe,
            dataset=self.config.out,
            folder=stage.folder,
            records=tuple(self.fragments(inputs, "records")),
            decisions=tuple(select.path("decisions", name) for name in storage.listing(select.path("decisions"))),
            store=self.config.store,
            shards=shards,
            frequent=tuple(frequent_urls(select, self.recipe)),
        )

        def finished() -> int:
            return len(storage.listing(stage.path("done")))

        with self.reporter.stage("shards", shards, finished):
            run(lambda pipeline: shards_file.build(pipeline, config), self.config.profile)
        return [shards_file.read_shard_report(stage.folder, index) for index in range(shards)]


def _reuse(builder: Builder, stage: Stage) -> StageReport | None:
    """Return the report of a stage that was finished before."""
    if not stage.done:
        return None
    builder.reused.append(stage.name)
    return read_report(stage)


def _is_whole(dataset: str, digest: str) -> bool:
    """Say whether the dataset that a finished stage wrote is still there."""
    try:
        return read_manifest(dataset).digest == digest
    except LoomError:
        return False


def _refuse_other(dataset: str) -> None:
    """Refuse to write over a finished dataset of another configuration or other inputs."""
    if storage.exists(storage.join(dataset, MANIFEST)):
        raise ConfigError(
            "holds a finished dataset of another configuration or input",
            where=dataset,
            remedy="name another --out, or delete the folder",
        )


def _fragments(stage: Stage, kind: str) -> list[str]:
    return [stage.path(kind, name) for name in storage.listing(stage.path(kind))]


def write_tables(
    builder: Builder, inputs: list[FileEntry], select: Stage, shards: Stage, imaged: Ledger
) -> list[FileEntry]:
    """Write the dataset's ledger, scores and provenance, a file a stage; return their entries."""
    entries, config, decided = [], builder.config, decision_ledger(select)
    for kind, cls, column in (
        ("ledger", LedgerRow, "rows"),
        ("scores", ScoreRow, "scores"),
        ("provenance", ProvenanceRow, "provenance"),
    ):
        made = {
            "extract": store_dataset.merge_fragments(kind, builder.fragments(inputs, kind)),
            "select": arrow.to_table(cls, getattr(decided, column)),
            "images": arrow.to_table(cls, getattr(imaged, column)),
            "shards": store_dataset.merge_fragments(kind, _fragments(shards, kind)),
        }
        entries += [store_dataset.write_table(config.out, kind, name, made[name]) for name in sorted(made)]
    return entries


def finish(
    builder: Builder,
    stages: tuple[Stage, Stage, Stage],
    reports: list[Any],
    inputs: list[FileEntry],
    urls: list[str],
) -> Manifest:
    """Write the tables, check that nothing was lost and return the manifest, not yet written."""
    config, (extract, select, shards) = builder.config, stages
    shard_counts = add_counts([row for report in reports for row in report.counts])
    imaged = image_ledger(config.store, urls)
    counts = (
        *read_report(extract).counts,
        *read_report(select).counts,
        *imaged.counts(),
        *shard_counts,
    )
    check_conservation(counts)
    entries = tuple(report.entry for report in reports if report.entry is not None)
    files = tuple(write_tables(builder, inputs, select, shards, imaged))
    store_dataset.write_sizes(config.out, entries)
    config_text = config_json(config.recipe)
    manifest = Manifest(
        recipe=config.recipe.name,
        kind=config.recipe.kind,
        config=config_text,
        inputs=tuple(dataclasses.replace(entry, name=entry.name.rsplit("/", 1)[-1]) for entry in inputs),
        image_generation=ImageStore(config.store).generations()[-1],
        shard_count=len(reports),
        samples=sum(entry.samples for entry in entries),
        counts=counts,
        shards=entries,
        tables=files,
        digest=make_digest(config_text, entries, files),
    )
    commit(shards, shard_counts, digest=manifest.digest)
    return manifest


def origin(config: BuildConfig) -> dict[str, Any]:
    """Return where a dataset came from, for run.json: what builds it again."""
    names = ("work", "store", "from_pages", "shards", "limit", "lanes", "verify_digests", "resolve_revisits")
    inputs = ("warcs", "lists", "from_img2dataset", "blocklists")
    return {
        "recipe": json.loads(config_json(config.recipe)),
        "columns": dataclasses.asdict(config.columns),
        **{name: list(getattr(config, name)) for name in inputs},
        **{name: getattr(config, name) for name in names},
    }


def plan(config: BuildConfig) -> list[tuple[str, str]]:
    """Return each stage with what would become of it: reused, or why it runs."""
    builder = Builder(config, Reporter(quiet=True))
    return _plan(builder, *builder.planned_pages())


def _plan(builder: Builder, extract: Stage, inputs: list[FileEntry]) -> list[tuple[str, str]]:
    config, select = builder.config, builder.plan_select(extract)
    new = len(inputs) - len(builder.fragments(inputs, "done"))
    again = "duplicates and counts are decided over the whole corpus"
    rows = [
        ("extract", "reused" if extract.done else f"runs: {new} of {len(inputs)} WARCs are new"),
        ("select", "reused" if select.done else f"runs: no decisions on these inputs and rules; {again}"),
    ]
    if not select.done:
        return [*rows, ("images", "known once select has run"), ("shards", "known once images has run")]
    urls = wanted_urls(select, config.recipe)
    index = ImageStore(config.store).index()
    missing = sum(key not in index for key in {identity.image_key(url) for url in urls})
    rows.append(("images", f"fetches {missing} of {len(urls)} URLs" if missing else "reused"))
    if missing:
        return [*rows, ("shards", "known once images has run")]
    shards = builder.plan_shards(select, urls, builder.shard_count(read_report(select)))
    whole = shards.done and _is_whole(config.out, read_report(shards).facts["digest"])
    return [*rows, ("shards", "reused" if whole else "runs: no finished dataset of these inputs")]


def _check_finished(builder: Builder, extract: Stage, inputs: list[FileEntry]) -> None:
    """Raise InputError unless every stage before the shards is finished: then a build fetches nothing."""
    for name, status in _plan(builder, extract, inputs)[:-1]:
        if status != "reused":
            raise InputError(
                f"stage {name} is not finished: {status}",
                where=builder.config.work,
                remedy="run loom images first, or loom build",
            )


def build(config: BuildConfig, reporter: Reporter, *, until: str = "shards", alone: bool = False) -> BuildReport:
    """Run a recipe from WARCs to a dataset, or up to its `pages`, `pairs` or `images`; what is finished is reused.

    `alone`: only the last stage; InputError where one before it is not finished.
    """
    started = time.time()
    builder = Builder(config, reporter)
    purge_work(config.work, tombstones.read(config.store))
    extract, inputs = builder.planned_pages()
    if alone:
        _check_finished(builder, extract, inputs)
    builder.pages(extract, inputs, until)
    select = builder.plan_select(extract)
    selected = _reuse(builder, select) or builder.select(select, inputs)
    number = builder.shard_count(selected)
    counts = (*read_report(extract).counts, *selected.counts)
    if until in ("pages", "pairs"):
        return builder.report(None, counts)
    urls = builder.images(inputs, select)
    if until == "images":
        return builder.report(None, (*counts, *image_ledger(config.store, urls).counts()))
    shards = builder.plan_shards(select, urls, number)
    if shards.done and _is_whole(config.out, read_report(shards).facts["digest"]):
        builder.reused.append("shards")
        return builder.report(read_manifest(config.out))
    _refuse_other(config.out)
    store_dataset.claim(config.out, shards.fingerprint)
    try:
        reports = builder.write_shards(shards, inputs, select, number)
        with reporter.stage("ledger and manifest"):
            manifest = finish(builder, (extract, select, shards), reports, inputs, urls)
            run_facts = {
                "started": started,
                "finished": time.time(),
                "seconds": reporter.seconds,
                "build": origin(config),
            }
            store_dataset.write_run(config.out, run_facts)
            manifest = document(config.out, manifest)
            write_manifest(config.out, manifest)
    finally:
        store_dataset.release(config.out)
    return builder.report(manifest)
