"""Runs the stages of a build: each stage runs as a Beam pipeline, can be resumed, and is committed at its end."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from corpusloom.pipelines.builds.check_scores import check_scores
from corpusloom.pipelines.builds.config import BuildConfig, BuildReport
from corpusloom.pipelines.builds.inputs import check_read
from corpusloom.pipelines.builds.plan import Planner
from corpusloom.pipelines.engine import pace
from corpusloom.pipelines.engine.metrics import Measures, counter_name, counters_of
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.rows_written import RowsWritten
from corpusloom.pipelines.engine.runners import BuildPipeline, run
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.stages.extract.input_fragments import InputFile, read_counts
from corpusloom.pipelines.stages.kinds.record_kind import RecordKind
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.scores.top_fraction import read_score_counts, top_threshold
from corpusloom.pipelines.stages.scores.unscored import key_ranges
from corpusloom.pipelines.stages.select import local
from corpusloom.pipelines.stages.select.decisions import count_decisions, decision_files, frequent_urls, wanted_urls
from corpusloom.pipelines.stages.select.memory_estimate import check_select
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store import tombstones
from corpusloom.pipelines.store.dataset.shard_files import ShardReport, read_shard_report
from corpusloom.pipelines.store.images.from_warcs import take_images
from corpusloom.pipelines.store.images.frontier import FILE_ROWS, missing_facts, write_frontier
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import Stage, StageReport, add_counts, commit, read_report, wait_until_listed
from corpusloom.schemas import arrow, identity, layout, storage
from corpusloom.schemas.images.decoding import MAX_PIXELS
from corpusloom.schemas.manifest import Manifest
from corpusloom.schemas.records import FileEntry, StageCounts

if TYPE_CHECKING:
    from corpusloom.pipelines.builds.stage_pipelines import StagePipelines


@dataclass
class Stages:
    """A running build; its methods are the stages, in the order in which they run."""

    planner: Planner
    reporter: Reporter
    reused: list[str] = dataclasses.field(default_factory=list)

    def reuse(self, stage: Stage) -> StageReport | None:
        """Return the report of a stage and note its reuse if an earlier run finished it; else None."""
        if not stage.done:
            return None
        self.reused.append(stage.name)
        return read_report(stage)

    @property
    def config(self) -> BuildConfig:
        """Return the configuration of the build."""
        return self.planner.config

    @property
    def recipe(self) -> Recipe:
        """Return the recipe."""
        return self.config.recipe

    @property
    def kind(self) -> RecordKind[Any, Any]:
        """Return the kind of record that the recipe makes."""
        return kind_of(self.recipe)

    @cached_property
    def pipelines(self) -> "StagePipelines":
        """Return the pipelines of this build's stages. Imports Beam, which reusing all stages does not need."""
        from corpusloom.pipelines.builds.stage_pipelines import StagePipelines

        return StagePipelines(self.config)

    def _run(self, pipeline: BuildPipeline) -> Measures:
        """Run a stage's pipeline, pass its counters and latencies to the reporter, and return them."""
        measures = run(pipeline, self.config.profile)
        self.reporter.add_measures(measures)
        return measures

    def pages(self, stage: Stage, inputs: list[FileEntry]) -> None:
        """Run the extract stage, unless an earlier run finished it and all its fragments are still there.

        InputError if no record can be read.
        """
        config = self.config
        if not self.planner.is_extracted(stage, inputs):
            storage.check_writable(config.work)
            self.extract(stage, inputs)
        else:
            self.reuse(stage)
        if not config.from_pages:
            patterns = (*config.warcs, *config.lists, *config.from_img2dataset)
            check_read(read_report(stage), patterns, warcs=bool(config.warcs))

    def extract(self, stage: Stage, inputs: list[FileEntry]) -> StageReport:
        """Run the extract stage; an input that an earlier run extracted is not read again."""
        hashes, folder = self.planner.unit_hashes(inputs), self.planner.warc_folder.folder
        todo = tuple(InputFile(path=entry.name, sha256=sha256) for entry, sha256 in zip(inputs, hashes, strict=True))
        with self.reporter.stage("extract", *self._progress(inputs)):
            stones = tombstones.read(self.config.store)
            self._run(self.pipelines.extract(folder, todo, stones, self.planner.earlier_folders()))
        rows = [row for item in todo for row in read_counts(folder, item)]
        return commit(stage, add_counts(rows), warcs=arrow.to_plain(inputs))

    def _progress(self, inputs: list[FileEntry]) -> tuple[int | None, Callable[[], int], str]:
        """Return the total of the extract stage, a function that returns how much is done, and the unit.

        WARCs are counted in bytes, with the place reached in those that this process reads; lists in rows.
        """
        pace.forget("extract")
        if not self.config.warcs and not self.config.from_pages:
            return None, lambda: sum(pace.reached("extract").values()), "rows"
        names = dict(zip(self.planner.report_names(inputs), inputs, strict=True))

        def done() -> int:
            finished = {names[name].name: names[name].bytes for name in self.planner.reports(inputs)[0]}
            return sum((pace.reached("extract") | finished).values())

        return sum(entry.bytes for entry in inputs), done, pace.BYTES

    def select(self, stage: Stage, inputs: list[FileEntry], extracted: StageReport) -> StageReport:
        """Run the select stage: rules, counts and deduplication over the heads."""
        fragments = self.planner.fragments(inputs, "candidates")
        storage.remove(stage.path("decisions"), recursive=True)  # left by a run that was killed
        check_scores(fragments, self.kind.rules(self.recipe), self.recipe, self.planner.warc_folder.folder)
        steps = len(self.kind.steps(self.recipe)) + 1 if self.config.profile.local else None
        pace.forget("select")
        done = None if steps is None else lambda: sum(pace.reached("select").values())
        with self.reporter.stage("select", steps, done, unit="steps"):
            if fragments:
                self.decide(fragments, stage)
            taken = sum(row.kept for row in extracted.counts if row.unit == self.kind.unit)
            counts = wait_until_listed(
                lambda: count_decisions(stage), lambda rows: sum(row.records_in for row in rows) == taken, stage.folder
            )
            if self.config.profile.local:  # an engine counts in its workers
                self.reporter.add_measures(Measures(counters=counters_of(counts)))
        return commit(stage, counts)

    def decide(self, fragments: list[str], stage: Stage) -> None:
        """Decide on heads: with Arrow on this machine, or with Beam on a distributed runner."""
        config, folder = self.config, stage.path("decisions")
        if config.profile.local:
            with scratch_folder(config.work) as scratch:
                check_select(fragments, scratch, memory=config.memory, passes=config.passes)
                local.select(fragments, self.kind.steps(self.recipe), folder, scratch=scratch, passes=config.passes)
            return
        self.pipelines.run_select(self._run, fragments, folder, stage.path("between"))

    def images(self, inputs: list[FileEntry], select: Stage) -> list[str]:
        """Store every image of the kept records, with its facts and scores; return the image URLs."""
        urls = wanted_urls(select, self.recipe)
        wanted = [ImageUrl(identity.image_key(url), url) for url in urls]
        keys, store = [item.key for item in wanted], ImageStore(self.config.store)
        self.take_images(inputs, wanted, store)
        self.fetch_images(wanted, store, select.path("frontier"))
        self.make_facts(store, keys)
        self.score_images(store, keys)
        return urls

    def take_images(self, inputs: list[FileEntry], wanted: list[ImageUrl], store: ImageStore) -> None:
        """Copy the wanted images that the WARCs hold into the store."""
        notes = self.planner.fragments(inputs, "images")
        across = [entry.name for entry in inputs] if self.config.resolve_revisits else []
        taken = take_images(notes, wanted, store, self.planner.image_policy, MAX_PIXELS, across)
        counters = {f"images/{counter_name('image', *ended)}": number for ended, number in taken.items()}
        self.reporter.add_measures(Measures(counters=counters))

    def fetch_images(self, wanted: list[ImageUrl], store: ImageStore, folder: str) -> None:
        """Fetch the wanted images without an outcome under this policy. `folder` holds the frontier meanwhile."""
        policy, index = self.planner.image_policy, store.index()
        current = index.under(policy)
        lanes = write_frontier(wanted, current, folder, self.config.lanes, files=1 + len(wanted) // FILE_ROWS)
        missing = sum(lane.rows for lane in lanes)
        if not missing:
            self.reused.append("images")
            return
        self.config.fetch.require_contact()
        generation = index.next_generation(current, (item.key for item in wanted))
        done = RowsWritten(store.index_folder(generation))
        with self.reporter.stage("images", missing, done, unit="images", detail=f"fetch {missing} images"):
            self._run(self.pipelines.fetch(lanes, generation))
        keys = {item.key for item in wanted}
        wait_until_listed(
            lambda: store.index().under(policy).rows_of(keys).num_rows, lambda found: found == len(keys), store.folder
        )
        storage.remove(folder, recursive=True)

    def make_facts(self, store: ImageStore, keys: list[str]) -> None:
        """Compute the facts of stored images that have no facts yet."""
        batches = missing_facts(store, keys)
        if not batches:
            return
        total, done = sum(map(len, batches)), RowsWritten(store.path("facts"))
        with self.reporter.stage("images", total, done, unit="images", detail=f"facts of {total} images"):
            self._run(self.pipelines.facts(batches))
        wait_until_listed(lambda: missing_facts(ImageStore(store.folder), keys), lambda left: not left, store.folder)

    def score_images(self, store: ImageStore, keys: list[str]) -> None:
        """Score the stored images that the recipe's NSFW model has not scored yet."""
        model = self.recipe.filters.images.nsfw_model
        if model is None:
            return
        from corpusloom.pipelines.stages.fetch import scores

        batches = scores.missing_scores(store, keys, model)
        if batches:
            scores.check_scorer(store, model)
            total, done = sum(map(len, batches)), RowsWritten(store.path("scores", model))
            detail = f"{model} scores of {total} images"
            with self.reporter.stage("images", total, done, unit="images", detail=detail):
                self._run(self.pipelines.scores(model, batches))

    def score_records(self, inputs: list[FileEntry], select: Stage) -> None:
        """Score the images and texts of the selected records that the recipe's models have not scored yet."""
        config, scores = self.config, self.recipe.filters.scores
        if "clip" not in config.score_models and scores is not None and scores.clip is not None:
            self.reporter.note("filters.scores.clip names no model: images stay where their page has them")
        if not config.score_models:
            return
        parts, records = self.score_parts(select), self.selected_records(select.folder, inputs, select)
        for name in config.score_models:
            done = RowsWritten(self.pipelines.scores_folder(name))
            with self.reporter.stage("scores", None, done, unit="scores", detail=f"{name} scores"):
                for chosen in key_ranges(parts, local=config.profile.local):
                    self._run(self.pipelines.model_scores(name, records, parts, chosen))

    def score_thresholds(self, shards: Stage, records: SelectedRecords, select: Stage) -> dict[str, float]:
        """Return the threshold of each score of which the recipe keeps the best share."""
        scores = self.recipe.filters.scores
        found = {}
        for name, fraction in ({} if scores is None else scores.fractions).items():
            path = shards.path(f"counts-{name}.json")
            if not storage.exists(path):
                self._run(self.pipelines.count_scores(name, records, self.score_parts(select), path))
            found[name] = top_threshold(read_score_counts(path), fraction)
        return found

    @staticmethod
    def score_parts(select: Stage) -> int:
        """Return the number of key ranges in which selected records are scored."""
        return layout.default_shards(sum(row.kept for row in read_report(select).counts))

    def selected_records(self, folder: str, inputs: list[FileEntry], select: Stage) -> SelectedRecords:
        """Return the selected records, as the stage of a folder reads them."""
        fragments = tuple(self.planner.fragments(inputs, "records"))
        decided = tuple(decision_files(select))
        return SelectedRecords(recipe=self.recipe, folder=folder, records=fragments, decisions=decided)

    def write_shards(self, stage: Stage, inputs: list[FileEntry], select: Stage, shards: int) -> list[ShardReport]:
        """Run the shards stage; return the shards' reports."""
        records = self.selected_records(stage.folder, inputs, select)
        pipeline = self.pipelines.shards(
            stage.folder,
            records,
            least=self.score_thresholds(stage, records, select),
            number=shards,
            frequent=frequent_urls(select, self.recipe),
        )
        with self.reporter.stage("shards", shards, lambda: len(storage.listing(stage.path("done"))), unit="shards"):
            self._run(pipeline)
        return [read_shard_report(stage.folder, index) for index in range(shards)]

    def report(self, manifest: Manifest | None, counts: tuple[StageCounts, ...] = ()) -> BuildReport:
        """Return the report of this build."""
        return BuildReport(
            manifest=manifest,
            reused=tuple(self.reused),
            seconds=self.reporter.seconds,
            counts=counts,
            measures=self.reporter.measures,
        )
