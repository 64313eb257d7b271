"""The end of a derived build: what its manifest counts, and what stops it."""

from pathlib import Path

import pytest

from corpusloom.pipelines.builds.derived.finish_derived import DerivedDataset, finish
from corpusloom.pipelines.store.dataset.shard_files import ShardReport
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.stages import ConservationError, Stage, plan_stage, read_report
from corpusloom.schemas.manifest import Manifest, make_digest
from corpusloom.schemas.records import FileEntry, ShardEntry, StageCounts
from corpusloom.schemas.verdicts import Kept, Rejected

FILE = FileEntry(name="00000.tar", sha256="1" * 64, bytes=1)
ENTRY = ShardEntry(index=0, tar=FILE, sidecar=FILE, stats=FILE, samples=2)


def planned(tmp_path: Path) -> Stage:
    return plan_stage(str(tmp_path / "work"), "clips", stage_version=1, inputs={})


def finished(tmp_path: Path, counted: list[StageCounts]) -> Manifest:
    """Finish a dataset of two shards, of which the second is empty, with a ledger of one row."""
    stage, ledger = planned(tmp_path), Ledger("clips")
    ledger.record(Rejected("no_video"), unit="video", key="0" * 32, scores={})
    ledger.write(stage.folder, "a")
    made = DerivedDataset(
        folder=str(tmp_path / "out"), recipe="vtp", kind="clips", config="{}", inputs=(FILE,), shard_count=2
    )
    reports = [ShardReport(index=0, entry=ENTRY, counts=()), ShardReport(index=1, entry=None, counts=())]
    return finish(made, stage, reports, counted, lambda kind: [stage.path(kind, "a.parquet")])


def test_the_manifest_holds_the_shards_that_were_written_and_the_added_counts(tmp_path: Path) -> None:
    first, second = Ledger("clips"), Ledger("clips")
    first.record(Kept(), unit="video", key="1" * 32, scores={})
    second.record(Rejected("no_video"), unit="video", key="0" * 32, scores={})
    manifest = finished(tmp_path, [*first.counts(), *second.counts()])
    assert (manifest.recipe, manifest.kind, manifest.config, manifest.inputs) == ("vtp", "clips", "{}", (FILE,))
    assert (manifest.shard_count, manifest.samples, manifest.shards) == (2, 2, (ENTRY,))
    assert [(row.unit, row.records_in, row.kept, row.rejected) for row in manifest.counts] == [
        ("video", 2, 1, {"no_video": 1})
    ]
    assert sum(entry.rows or 0 for entry in manifest.tables_of("ledger")) == 1
    assert manifest.digest == make_digest("{}", (ENTRY,), manifest.tables)
    assert read_report(planned(tmp_path)).facts["digest"] == manifest.digest


def test_a_lost_record_stops_the_build_before_its_stage_is_committed(tmp_path: Path) -> None:
    lost = StageCounts(stage="clips", unit="video", records_in=2, kept=1, rejected={}, dead={})
    with pytest.raises(ConservationError):
        finished(tmp_path, [lost])
    assert not planned(tmp_path).done
