"""The stages of a build, run: each over Beam, resumable, committed when it is done."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.inputs import check_read
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.engine.metrics import Measures, counter_name, counters_of
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import run
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.select import local
from corpusloom.pipelines.stages.select.decisions import count_decisions, decision_files, frequent_urls, wanted_urls
from corpusloom.pipelines.stages.select.memory_estimate import check_select
from corpusloom.pipelines.stages.select.steps import steps_of
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import Stage, StageReport, add_counts, commit, read_report, wait_until_listed
from corpusloom.schemas import arrow, identity, storage
from corpusloom.schemas.images.decoding import MAX_PIXELS
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, Page, Pair, StageCounts


@dataclass(frozen=True, slots=True)
class RecordKind:
    """How one kind of record is made from a web page and decided on."""

    record: type
    parse: Callable[..., Any]
    make: Callable[..., Any]


def kind_of(recipe: Recipe) -> RecordKind:
    """Return how a recipe's records are made. Imports Beam, which a build that reuses everything does without."""
    from corpusloom.pipelines.extract.page_task import extract_page, extract_page_images
    from corpusloom.pipelines.stages import pages, pairs

    if recipe.kind == "interleaved":
        return RecordKind(Page, extract_page, pages.make_page)
    return RecordKind(Pair, extract_page_images, pairs.make_pairs)


@dataclass
class Stages:
    """One build under way: its stages as methods, in the order in which they run."""

    planner: Planner
    reporter: Reporter
    reused: list[str] = dataclasses.field(default_factory=list)

    def reuse(self, stage: Stage) -> StageReport | None:
        """Return the report of a stage that was finished before."""
        if not stage.done:
            return None
        self.reused.append(stage.name)
        return read_report(stage)

    @property
    def config(self) -> BuildConfig:
        """Return what was asked for."""
        return self.planner.config

    @property
    def recipe(self) -> Recipe:
        """Return the recipe."""
        return self.config.recipe

    def _run(self, build: Callable[[Any], object]) -> None:
        """Run a pipeline; what it measured goes to the reporter."""
        self.reporter.add_measures(run(build, self.config.profile))

    def pages(self, stage: Stage, inputs: list[FileEntry]) -> None:
        """Run the extract stage over the WARCs or lists that it reads, unless it was finished before."""
        config = self.config
        if config.from_pages:
            self.reused.append("extract")
            return
        if not stage.done:
            storage.check_writable(config.work)
        if not self.reuse(stage):
            self.extract(stage, inputs)
        check_read(read_report(stage), (*config.warcs, *config.lists, *config.from_img2dataset))

    def extract(self, stage: Stage, inputs: list[FileEntry]) -> StageReport:
        """Run the extract stage, a WARC or list at a time; finished ones are left alone."""
        from corpusloom.pipelines.stages import extract as warcs

        hashes = self.planner.unit_hashes(inputs)
        todo = tuple(
            warcs.InputFile(path=entry.name, sha256=sha256) for entry, sha256 in zip(inputs, hashes, strict=True)
        )

        with self.reporter.stage("extract", len(todo), lambda: self.planner.finished(inputs)):
            self._run(lambda pipeline: self._build_extract(pipeline, todo))
        rows = [row for warc in todo for row in warcs.read_counts(self.planner.warc_folder.folder, warc)]
        return commit(stage, add_counts(rows), warcs=arrow.to_plain(inputs))

    def _build_extract(self, pipeline: Any, todo: tuple[Any, ...]) -> Any:
        """Build the pipeline that reads the inputs."""
        from corpusloom.pipelines.stages import extract as warcs
        from corpusloom.pipelines.stages import list_pairs

        config, folder = self.config, self.planner.warc_folder.folder
        stones = tombstones.read(config.store)
        if config.lists or config.from_img2dataset:
            rows = list_pairs.RowsConfig(
                folder=folder,
                kind="list" if config.lists else "img2dataset",
                recipe=self.recipe,
                columns=config.columns,
                images=self.images_config(),
                limit=config.limit,
                tombstones=stones,
            )
            return list_pairs.build(pipeline, rows, todo)
        kind = kind_of(self.recipe)
        pages = warcs.ExtractStageConfig(
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

    def select(self, stage: Stage, inputs: list[FileEntry], extracted: StageReport) -> StageReport:
        """Run the select stage: rules, counts and duplicates over the heads."""
        fragments = self.planner.fragments(inputs, "candidates")
        storage.remove(stage.path("decisions"), recursive=True)  # what a killed run left
        with self.reporter.stage("select"):
            if fragments:
                self.decide(fragments, stage.path("decisions"))
            taken = sum(row.kept for row in extracted.counts if row.unit in ("page", "pair"))
            counts = wait_until_listed(
                lambda: count_decisions(stage), lambda rows: sum(row.records_in for row in rows) == taken, stage.folder
            )
            if self.config.profile.local:  # an engine counts as it goes
                self.reporter.add_measures(Measures(counters=counters_of(counts)))
        return commit(stage, counts)

    def decide(self, fragments: list[str], folder: str) -> None:
        """Decide on heads: over Arrow on this machine, or on an engine."""
        steps, config = steps_of(self.recipe), self.config
        if config.profile.local:
            with scratch_folder(config.work) as scratch:
                check_select(fragments, scratch, memory=config.memory, passes=config.passes)
                local.select(fragments, steps, folder, scratch=scratch, passes=config.passes)
            return
        from corpusloom.pipelines.stages.select import distributed

        self._run(lambda pipeline: distributed.build(pipeline, steps, fragments, folder))
        storage.remove(storage.join(folder, "spill"), recursive=True)

    def images(self, inputs: list[FileEntry], select: Stage) -> list[str]:
        """Take or fetch what the kept heads want and the store lacks, make missing facts; return the URLs."""
        from corpusloom.pipelines.store.images.from_warcs import take_images
        from corpusloom.pipelines.store.images.frontier import FILE_ROWS, missing_facts, write_frontier
        from corpusloom.pipelines.store.images.outcomes import ImageUrl

        urls = wanted_urls(select, self.recipe)
        store = ImageStore(self.config.store)
        wanted = [ImageUrl(identity.image_key(url), url) for url in urls]
        keys = [item.key for item in wanted]
        fetch = self.config.fetch
        taken = take_images(
            self.planner.fragments(inputs, "images"), wanted, store, fetch.honour, fetch.max_image_bytes, MAX_PIXELS
        )
        counters = {f"images/{counter_name('image', *ended)}": number for ended, number in taken.items()}
        self.reporter.add_measures(Measures(counters=counters))
        folder, files = select.path("frontier"), 1 + len(wanted) // FILE_ROWS
        lanes = write_frontier(wanted, store, folder, self.config.lanes, files=files)
        missing = sum(lane.rows for lane in lanes)
        if missing:
            from corpusloom.pipelines.stages.fetch import images

            self.config.fetch.require_contact()
            with self.reporter.stage(f"fetch {missing} images"):
                self._run(lambda pipeline: images.build_fetch(pipeline, self.images_config(), lanes))
            wait_until_listed(
                lambda: store.index().rows_of(keys).num_rows, lambda found: found == len(set(keys)), store.folder
            )
            storage.remove(folder, recursive=True)
        else:
            self.reused.append("images")
        batches = missing_facts(store, keys)
        if batches:
            from corpusloom.pipelines.stages.fetch import images

            with self.reporter.stage(f"facts of {sum(map(len, batches))} images"):
                self._run(lambda pipeline: images.build_facts(pipeline, self.images_config(), batches))
            wait_until_listed(
                lambda: missing_facts(ImageStore(store.folder), keys), lambda left: not left, store.folder
            )
        self.score_images(store, keys)
        return urls

    def score_images(self, store: ImageStore, keys: list[str]) -> None:
        """Score what the recipe's NSFW model has not seen yet."""
        model = self.recipe.filters.images.nsfw_model
        if model is None:
            return
        from corpusloom.pipelines.stages.fetch import scores

        batches = scores.missing_scores(store, keys, model)
        if batches:
            scores.check_scorer(store, model)
            with self.reporter.stage(f"{model} scores of {sum(map(len, batches))} images"):
                self._run(lambda pipeline: scores.build(pipeline, store.folder, model, batches))

    def images_config(self) -> Any:
        """Return how images get into the store."""
        from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig

        return ImagesConfig(
            store=self.config.store,
            fetch=self.config.fetch,
            lanes=self.config.lanes,
            local=self.config.profile.local,
            workers=self.config.workers,
            blocklists=self.config.blocklists,
            fetcher=self.config.fetcher,
        )

    def write_shards(self, stage: Stage, inputs: list[FileEntry], select: Stage, shards: int) -> list[Any]:
        """Run the shards stage; return the shards' reports."""
        from corpusloom.pipelines.stages import shards as shards_file

        config = shards_file.ShardsConfig(
            recipe=self.recipe,
            dataset=self.config.out,
            folder=stage.folder,
            records=tuple(self.planner.fragments(inputs, "records")),
            decisions=tuple(decision_files(select)),
            store=self.config.store,
            shards=shards,
            frequent=tuple(frequent_urls(select, self.recipe)),
        )

        def finished() -> int:
            return len(storage.listing(stage.path("done")))

        with self.reporter.stage("shards", shards, finished):
            self._run(lambda pipeline: shards_file.build(pipeline, config))
        return [shards_file.read_shard_report(stage.folder, index) for index in range(shards)]

    def report(self, manifest: Manifest | None, counts: tuple[StageCounts, ...] = ()) -> BuildReport:
        """Return what this build did."""
        return BuildReport(
            manifest=manifest,
            reused=tuple(self.reused),
            seconds=self.reporter.seconds,
            counts=counts,
            measures=self.reporter.measures,
        )
