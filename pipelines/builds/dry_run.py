"""The Beam graphs of a recipe, built and validated without running them: what a dry run shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from corpusloom.pipelines.engine.runners import Profile, make_pipeline
from corpusloom.pipelines.recipes.recipe import Recipe
from corpusloom.schemas import storage
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.records import FileEntry, ImageRecord, ShardEntry

if TYPE_CHECKING:
    import apache_beam as beam

Build = Callable[["beam.Pipeline"], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The graph of one stage."""

    stage: str
    transforms: tuple[str, ...]
    """The full labels of every transform, in the order in which they were applied."""
    bytes: int
    """Size of the pipeline's proto."""


def stage_builders(recipe: Recipe, folder: str) -> Iterator[tuple[str, Build]]:
    """Yield each stage of a recipe with the function that builds its pipeline, over placeholders for its input."""
    if recipe.kind == "regions":
        yield "regions", _regions(folder)
        return
    yield "extract", _extract(recipe, folder)
    yield "select", _select(recipe, folder)
    yield "images", _images(folder)
    yield "facts", _facts(folder)
    yield "shards", _shards(recipe, folder)


def _extract(recipe: Recipe, folder: str) -> Build:
    from corpusloom.pipelines.builds.run_stages import kind_of
    from corpusloom.pipelines.stages import extract

    kind = kind_of(recipe)
    config = extract.ExtractStageConfig(
        folder=folder, record=kind.record, parse=kind.parse, make=kind.make, recipe=recipe
    )
    todo = (extract.InputFile(path=storage.join(folder, "a.warc.gz"), sha256="0" * 64),)
    return lambda pipeline: extract.build(pipeline, config, todo)


def _select(recipe: Recipe, folder: str) -> Build:
    from corpusloom.pipelines.stages.select import distributed
    from corpusloom.pipelines.stages.select.steps import steps_of

    fragments = [storage.join(folder, "candidates", "0.parquet")]
    return lambda pipeline: distributed.build(pipeline, steps_of(recipe), fragments, storage.join(folder, "decisions"))


def _images(folder: str) -> Build:
    from corpusloom.pipelines.net.config import FetchConfig
    from corpusloom.pipelines.stages.fetch import images
    from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
    from corpusloom.pipelines.store.images.frontier import Lane

    config = ImagesConfig(store=folder, fetch=FetchConfig(contact="dry-run@example.org"))
    return lambda pipeline: images.build(pipeline, config, [Lane(0, (storage.join(folder, "lane.parquet"),), 1)])


def _facts(folder: str) -> Build:
    from corpusloom.pipelines.stages.fetch import facts

    record = ImageRecord(key="0" * 32, url="http://example.org/a.jpg", outcome="kept", sha256="0" * 64)
    return lambda pipeline: facts.build(pipeline, folder, 1, [[record]])


def _shards(recipe: Recipe, folder: str) -> Build:
    from corpusloom.pipelines.stages import shards

    parts = (storage.join(folder, "part.parquet"),)
    config = shards.ShardsConfig(
        recipe=recipe, dataset=folder, folder=folder, records=parts, decisions=parts, store=folder, shards=4
    )
    return lambda pipeline: shards.build(pipeline, config)


def _regions(folder: str) -> Build:
    from corpusloom.pipelines.stages.regions import regions

    config = regions.RegionsConfig(source=folder, dataset=folder, folder=folder, detector="dry-run")
    file = FileEntry(name="00000.tar", sha256="0" * 64, bytes=0)
    shard = ShardEntry(index=0, tar=file, sidecar=file, stats=file, samples=0)
    return lambda pipeline: regions.build(pipeline, config, (shard,))


def dry_run(recipe: Recipe, folder: str, profile: Profile) -> list[Graph]:
    """Build and validate the graph of every stage of a recipe; nothing is read, written or sent anywhere.

    Dataflow's own dry run is used where Beam's part for Google Cloud is installed: it refuses what the service would.
    """
    return [_graph(stage, build, profile) for stage, build in stage_builders(recipe, folder)]


def _graph(stage: str, build: Build, profile: Profile) -> Graph:
    pipeline = make_pipeline(build, profile, dry_run=True)
    proto = pipeline.to_runner_api()
    if profile.runner == "dataflow":
        _run_dry(pipeline)
    return Graph(stage=stage, transforms=tuple(_labels(proto)), bytes=proto.ByteSize())


def _labels(proto: Any) -> Iterator[str]:
    """Yield the labels of a pipeline's transforms, from those below its root down."""
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
            "Beam's part for Google Cloud is not installed",
            where="--runner dataflow",
            remedy="pip install 'corpusloom[dataflow]'",
        )
    pipeline.run()


def show(graphs: list[Graph]) -> str:
    """Return graphs as text: a tree of labels a stage."""
    lines = []
    for graph in graphs:
        lines.append(f"{graph.stage}: {len(graph.transforms)} transforms, {graph.bytes:,} bytes")
        for name in graph.transforms:
            depth = name.count("/")
            lines.append("  " * (depth + 1) + name.rsplit("/", 1)[-1])
    return "\n".join(lines)
