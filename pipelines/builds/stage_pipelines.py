"""The Beam pipeline of each stage of a build.

Importing this module imports Beam, which takes seconds, so it is imported only to run a stage.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.engine.runners import BuildPipeline
from corpusloom.pipelines.stages import shards
from corpusloom.pipelines.stages.extract import extract, list_pairs
from corpusloom.pipelines.stages.extract.input_fragments import InputFile
from corpusloom.pipelines.stages.fetch import facts, images, scores
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
from corpusloom.pipelines.stages.kinds.registry import kind_of
from corpusloom.pipelines.stages.scores import clip_scores, count_scores
from corpusloom.pipelines.stages.select.on_engine import EngineSelect, RunPipeline, run_select, select_of
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store.images.frontier import FrontierLane
from corpusloom.pipelines.store.model_scores import scores_folder
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import ImageRecord

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class StagePipelines:
    """The pipelines of one build, one method per stage."""

    config: BuildConfig

    def extract(
        self, folder: str, inputs: tuple[InputFile, ...], stones: Tombstones, earlier: tuple[str, ...] = ()
    ) -> BuildPipeline:
        """Return the pipeline that turns WARCs or lists into fragments of records in the stage's folder.

        Records that the tombstones take down are not written. If a folder of `earlier` holds an input's records, they
        are measured again and the input is not read.
        """
        if self.config.lists or self.config.from_img2dataset:
            rows = list_pairs.RowsConfig(
                folder=folder,
                kind="list" if self.config.lists else "img2dataset",
                recipe=self.config.recipe,
                columns=self.config.read_columns,
                images=self.images_config,
                limit=self.config.limit,
                tombstones=stones,
                earlier=earlier,
            )
            return lambda pipeline: list_pairs.build(pipeline, rows, inputs)
        warcs = extract.ExtractStageConfig(
            folder=folder,
            kind=kind_of(self.config.recipe),
            recipe=self.config.recipe,
            workers=self.config.workers,
            limit=self.config.limit,
            tombstones=stones,
            verify_digests=self.config.verify_digests,
            across=tuple(item.path for item in inputs) if self.config.resolve_revisits else (),
            earlier=earlier,
        )
        return lambda pipeline: extract.build(pipeline, warcs, inputs)

    def select(self, fragments: Sequence[str], folder: str, scratch: str) -> EngineSelect:
        """Return the pipelines that decide on the heads in these fragments and write the decisions into a folder.

        `scratch` is the folder of what one pipeline leaves to the next.
        """
        return select_of(kind_of(self.config.recipe).steps(self.config.recipe), fragments, folder, scratch)

    def run_select(self, run: RunPipeline, fragments: Sequence[str], folder: str, scratch: str) -> None:
        """Run the pipelines of `select` with `run`, one after the other."""
        run_select(run, self.select(fragments, folder, scratch))

    @property
    def images_config(self) -> ImagesConfig:
        """Return the configuration of the images stage."""
        return ImagesConfig(
            store=self.config.store,
            fetch=self.config.image_fetch,
            lanes=self.config.lanes,
            local=self.config.profile.local,
            workers=self.config.workers,
            blocklists=self.config.blocklists,
            fetcher=self.config.fetcher,
        )

    def fetch(self, lanes: list[FrontierLane], generation: int) -> BuildPipeline:
        """Return the pipeline that fetches images into a generation of the store."""
        config = dataclasses.replace(self.images_config, generation=generation)
        return lambda pipeline: images.build(pipeline, config, lanes)

    def facts(self, batches: list[list[ImageRecord]]) -> BuildPipeline:
        """Return the pipeline that computes facts of stored images."""
        return lambda pipeline: facts.build(pipeline, self.config.store, self.config.workers, batches)

    def scores(self, model: str, batches: list[list[ImageRecord]]) -> BuildPipeline:
        """Return the pipeline that scores stored images with an NSFW model."""
        return lambda pipeline: scores.build(pipeline, self.config.store, model, batches)

    def scores_folder(self, name: str) -> str:
        """Return the folder of one of the recipe's scores."""
        return scores_folder(self.config.store, name, self.config.score_models[name])

    def model_scores(self, name: str, records: SelectedRecords, parts: int, chosen: Sequence[int]) -> BuildPipeline:
        """Return the pipeline of one of the recipe's scores, for the chosen ones of `parts` key ranges."""
        scores, load = self.config.recipe.filters.scores, self.config.load_clip
        if scores is None or load is None:
            raise ConfigError("nothing here reads the CLIP", where="filters.scores.clip", remedy="use loom build")
        scoring = clip_scores.ClipScoring(
            records=records,
            store=self.config.store,
            folder=self.scores_folder(name),
            model=scores.models[name],
            head=scores.head_of(name),
            digest=self.config.score_models[name],
            load=load,
            parts=parts,
            threads=max(self.config.workers, 1),
        )
        return lambda pipeline: clip_scores.build(pipeline, scoring, chosen)

    def count_scores(self, name: str, records: SelectedRecords, parts: int, path: str) -> BuildPipeline:
        """Return the pipeline that counts one of the recipe's scores per value, in a file."""
        scores = self.config.recipe.filters.scores
        counted = count_scores.CountedScores(
            records=records,
            store=self.config.store,
            folder=self.scores_folder(name),
            parts=parts,
            out=path,
            alone=scores is not None and scores.head_of(name) is not None,
        )
        return lambda pipeline: count_scores.build(pipeline, counted)

    def shards(
        self,
        folder: str,
        records: SelectedRecords,
        *,
        number: int,
        least: Mapping[str, float] | None = None,
        frequent: Sequence[str] = (),
    ) -> BuildPipeline:
        """Return the pipeline that writes the dataset's shards.

        Args:
          folder: Folder of the shards stage.
          records: The selected records.
          number: Number of shards.
          least: Score -> threshold of its top fraction.
          frequent: Image URLs on more pages than the recipe allows.
        """
        made = shards.ShardsConfig(
            dataset=self.config.out,
            folder=folder,
            selected=records,
            store=self.config.store,
            score_models=dict(self.config.score_models),
            least=least or {},
            shards=number,
            frequent=tuple(frequent),
        )
        return lambda pipeline: shards.build(pipeline, made)
