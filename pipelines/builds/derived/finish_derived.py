"""Ends the build of a derived dataset: its tables, its checked counts and its manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corpusloom.pipelines.store.dataset import folder as store_dataset
from corpusloom.pipelines.store.dataset.shard_files import ShardReport
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import Stage, add_counts, check_conservation, commit
from corpusloom.schemas.manifest import Manifest, make_digest
from corpusloom.schemas.records import FileEntry, StageCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedDataset:
    """A dataset whose shards are written, and what its manifest says of its making."""

    folder: str
    recipe: str
    kind: str
    config: str
    """All that shapes it, as canonical JSON."""
    inputs: tuple[FileEntry, ...] = ()
    image_generation: int | None = None
    shard_count: int


def finish(
    made: DerivedDataset,
    stage: Stage,
    reports: Sequence[ShardReport],
    counted: list[StageCounts],
    fragments_of: Callable[[str], list[str]],
) -> Manifest:
    """Write the tables, check that no record was lost and return the manifest, which is not written yet.

    Args:
      made: The dataset.
      stage: Its last stage, which is committed.
      reports: Reports of its shards.
      counted: Rows of counts, to be added.
      fragments_of: Function from a kind of table to the paths of its fragments.
    """
    counts = add_counts(counted)
    check_conservation(counts)
    entries = tuple(report.entry for report in reports if report.entry is not None)
    files = []
    for kind in store_dataset.TABLES:
        with scratch_folder(stage.folder) as scratch:
            rows = store_dataset.read_fragments(kind, fragments_of(kind))
            files.append(store_dataset.write_rows(made.folder, kind, stage.name, rows, scratch))
    store_dataset.write_sizes(made.folder, entries)
    manifest = Manifest(
        recipe=made.recipe,
        kind=made.kind,
        config=made.config,
        inputs=made.inputs,
        image_generation=made.image_generation,
        shard_count=made.shard_count,
        samples=sum(entry.samples for entry in entries),
        counts=counts,
        shards=entries,
        tables=tuple(files),
        digest=make_digest(made.config, entries, tuple(files)),
    )
    commit(stage, counts, digest=manifest.digest)
    return manifest
