"""Stages are addressed by what shapes them and committed only when nothing is lost."""

import dataclasses
from pathlib import Path

import pytest

from corpusloom.pipelines.store import stages
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import tables
from corpusloom.schemas.records import LedgerRow, ScoreRow, StageCounts
from corpusloom.schemas.verdicts import Dead, Kept, Rejected


def plan(work: Path, **inputs: object) -> stages.Stage:
    """Return a stage of these inputs."""
    return stages.plan_stage(str(work), "extract", stage_version=1, inputs=inputs)


def test_another_input_is_another_folder(tmp_path: Path) -> None:
    one, two = plan(tmp_path, warcs=["a"]), plan(tmp_path, warcs=["b"])
    assert one.folder != two.folder
    assert plan(tmp_path, warcs=["a"]) == one
    assert not one.done


def test_a_committed_stage_says_what_it_did(tmp_path: Path) -> None:
    stage = plan(tmp_path, a=1)
    counts = (StageCounts(stage="extract", unit="page", records_in=3, kept=1, rejected={"x": 1}, dead={"y": 1}),)
    stages.commit(stage, counts, digest="d")
    assert stage.done
    assert stages.read_report(stage) == stages.StageReport(name="extract", counts=counts, facts={"digest": "d"})


def test_a_loss_fails_the_stage(tmp_path: Path) -> None:
    counts = (StageCounts(stage="extract", unit="page", records_in=3, kept=1, rejected={"x": 1}),)
    with pytest.raises(stages.ConservationError, match="1 of 3 records of unit page"):
        stages.commit(plan(tmp_path, a=1), counts)
    assert not plan(tmp_path, a=1).done


def test_counts_add_up_by_stage_and_unit() -> None:
    row = StageCounts(stage="a", unit="u", records_in=2, kept=1, rejected={"x": 1})
    other = dataclasses.replace(row, rejected={"y": 1})
    total = StageCounts(stage="a", unit="u", records_in=4, kept=2, rejected={"x": 1, "y": 1})
    assert stages.add_counts([row, other]) == (total,)


def test_the_ledger_counts_what_it_writes(tmp_path: Path) -> None:
    ledger = Ledger("select")
    assert ledger.record(Kept(), unit="page", key="1", scores={"words": 5.0})
    assert not ledger.record(Rejected("too_few_words", 5, 50), unit="page", key="2", url="u", scores={"words": 5.0})
    assert not ledger.record(Dead("worker_died", "exit 9", "trace"), unit="page", key="3")
    assert ledger.counts() == [
        StageCounts(
            stage="select", unit="page", records_in=3, kept=1, rejected={"too_few_words": 1}, dead={"worker_died": 1}
        )
    ]
    ledger.write(str(tmp_path), "part")
    rows = list(tables.read_records(str(tmp_path / "ledger" / "part.parquet"), LedgerRow))
    assert [(row.key, row.outcome, row.reason, row.measured) for row in rows] == [
        ("2", "rejected", "too_few_words", 5.0),
        ("3", "dead", "worker_died", None),
    ]
    assert [row.key for row in tables.read_records(str(tmp_path / "scores" / "part.parquet"), ScoreRow)] == ["1", "2"]
