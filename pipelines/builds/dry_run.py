"""Builds and validates the Beam graphs of a recipe without running them, for `--dry-run`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.builds.stage_pipelines import StagePipelines
from corpusloom.pipelines.engine import extras
from corpusloom.pipelines.engine.runners import BuildPipeline, Profile, make_pipeline
from corpusloom.pipelines.models.clip_encoder import ClipEncoder
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.pipelines.recipes.region_settings import RegionSettings
from corpusloom.pipelines.stages.extract.input_fragments import InputFile
from corpusloom.pipelines.stages.kinds.registry import CLIPS, is_derived
from corpusloom.pipelines.stages.regions import make_regions
from corpusloom.pipelines.stages.regions.sources import SourceIdentity
from corpusloom.pipelines.stages.selected_records import SelectedRecords
from corpusloom.pipelines.store.images.frontier import FrontierLane
from corpusloom.pipelines.store.tombstones import Tombstones
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import FileEntry, ImageRecord, ShardEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The graph of one stage."""

    stage: str
    transforms: tuple[str, ...]
    """Full labels of all transforms, in the order in which they were applied."""
    bytes: int
    """Size of the pipeline's proto."""


def placeholder_pipelines(recipe: Recipe, folder: str) -> Iterator[tuple[str, BuildPipeline]]:
    """Yield each stage's name with the function that builds its pipeline, over placeholders for its inputs."""
    if is_derived(recipe):
        yield from _clips(recipe, folder) if recipe.kind == CLIPS else _regions(folder)
        return
    config = BuildConfig(
        recipe=recipe,
        out=folder,
        work=folder,
        store=folder,
        warcs=(),
        fetch=FetchConfig(contact="dry-run@example.org"),
        load_clip=read_nothing,
        score_models=dict.fromkeys(recipe.filters.scores.models if recipe.filters.scores else (), "0" * 64),
    )
    pipelines = StagePipelines(config)
    part, decisions = storage.join(folder, "part.parquet"), storage.join(folder, "decisions")
    image = ImageRecord(key="0" * 32, url="http://example.org/a.jpg", outcome="kept", sha256="0" * 64)
    warc = InputFile(path=storage.join(folder, "a.warc.gz"), sha256="0" * 64)
    yield "extract", pipelines.extract(folder, (warc,), Tombstones())
    yield from pipelines.select([part], decisions, storage.join(folder, "between")).pipelines().items()
    yield "images", pipelines.fetch([FrontierLane(0, (part,), 1)], 1)
    yield "facts", pipelines.facts([[image]])
    records = SelectedRecords(recipe=recipe, folder=folder, records=(part,), decisions=(part,))
    for name in config.score_models:
        yield f"{name} scores", pipelines.model_scores(name, records, 4, range(4))
    yield "shards", pipelines.shards(folder, records, number=4)


def read_nothing(path: str) -> ClipEncoder:
    """Stand for the function that reads a CLIP, in graphs that are not run: a call is a mistake in the dry run."""
    raise AssertionError(f"a dry run reads {path}")


def _regions(folder: str) -> Iterator[tuple[str, BuildPipeline]]:
    finder = SourceIdentity(settings=RegionSettings(), label="dry-run")
    config = make_regions.RegionsConfig(source=folder, dataset=folder, folder=folder, store=folder, finder=finder)
    file = FileEntry(name="00000.tar", sha256="0" * 64, bytes=0)
    shards = (ShardEntry(index=0, tar=file, sidecar=file, stats=file, samples=0),)
    for stage, work in (("detect", make_regions.Detect(config)), ("regions", make_regions.WriteRegions(config))):
        yield stage, partial(make_regions.build, work=work, units=shards, step=stage.capitalize())


def _clips(recipe: Recipe, folder: str) -> Iterator[tuple[str, BuildPipeline]]:
    extras.require("video", extras.VIDEO, "loom build --dry-run")
    from corpusloom.pipelines.builds.derived.clips import cut_config
    from corpusloom.pipelines.stages.clips import make_clips

    config = make_clips.ClipsConfig(folder=folder, dataset=folder, cut=cut_config(recipe, folder, None))
    batch, shard = make_clips.VideoBatch(()), make_clips.ShardOfClips(0, 1, ())
    yield "clips", partial(make_clips.build, work=make_clips.CutVideos(config), units=(batch,))
    yield "shards", partial(make_clips.build, work=make_clips.WriteClips(config), units=(shard,))


def dry_run(recipe: Recipe, folder: str, profile: Profile) -> list[Graph]:
    """Build and validate the graph of every stage of a recipe, without reading, writing or sending anything.

    On Dataflow its own dry run validates the graph too, which needs Beam's extra for Google Cloud.
    """
    return [_graph(stage, build, profile) for stage, build in placeholder_pipelines(recipe, folder)]


def _graph(stage: str, build: BuildPipeline, profile: Profile) -> Graph:
    pipeline = make_pipeline(build, profile, dry_run=True)
    proto = pipeline.to_runner_api()
    if profile.runner == "dataflow":
        _run_dry(pipeline)
    return Graph(stage=stage, transforms=tuple(_labels(proto)), bytes=proto.ByteSize())


def _labels(proto: Any) -> Iterator[str]:
    """Yield the labels of a pipeline's transforms below its root, depth first."""
    nodes = proto.components.transforms
    waiting = [part for root in proto.root_transform_ids for part in reversed(nodes[root].subtransforms)]
    while waiting:
        node = nodes[waiting.pop()]
        yield node.unique_name
        waiting += reversed(node.subtransforms)


def _run_dry(pipeline: Any) -> None:
    import importlib.util

    if importlib.util.find_spec("apitools") is None:
        raise ConfigError(
            "Beam's extra for Google Cloud is not installed",
            where="--runner dataflow",
            remedy="pip install 'corpusloom[dataflow]'",
        )
    pipeline.run()


def describe(graphs: list[Graph]) -> str:
    """Return graphs as text: one tree of labels per stage."""
    lines = []
    for graph in graphs:
        lines.append(f"{graph.stage}: {len(graph.transforms)} transforms, {graph.bytes:,} bytes")
        for name in graph.transforms:
            depth = name.count("/")
            lines.append("  " * (depth + 1) + name.rsplit("/", 1)[-1])
    return "\n".join(lines)
