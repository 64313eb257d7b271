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


def flow(extracted: int, selected: tuple[int, int], written: int, unit: str = "page") -> tuple[StageCounts, ...]:
    """Return the counts of three stages: kept by extract, taken and kept by select, taken by shards."""
    taken, kept = selected
    values = (("extract", extracted, extracted), ("select", taken, kept), ("shards", written, written))
    return tuple(
        StageCounts(stage=name, unit=unit, records_in=of, kept=left, rejected={"x": of - left})
        for name, of, left in values
    )


@pytest.mark.parametrize("unit", ["page", "pair"])
@pytest.mark.parametrize(
    ("counts", "gap"),
    [
        ((9, (8, 5), 5), "stage extract kept 9 of unit {}, stage select took in 8"),
        ((9, (10, 5), 5), "stage extract kept 9 of unit {}, stage select took in 10"),
        ((9, (9, 5), 4), "stage select kept 5 of unit {}, stage shards took in 4"),
        ((9, (9, 5), 6), "stage select kept 5 of unit {}, stage shards took in 6"),
        ((9, (9, 5), 0), "stage select kept 5 of unit {}, stage shards took in 0"),
    ],
)
def test_a_stage_that_takes_in_other_records_than_the_one_before_kept_is_an_error(
    counts: tuple[int, tuple[int, int], int], gap: str, unit: str
) -> None:
    rows = flow(*counts, unit=unit)
    assert [gap.describe() for gap in stages.count_gaps(rows)] == [gap.format(unit)]
    with pytest.raises(stages.ConservationError, match=gap.format(unit)):
        stages.check_flow(rows)


def test_a_stage_that_is_missing_took_in_nothing() -> None:
    rows = flow(9, (9, 5), 5)
    assert [gap.describe() for gap in stages.count_gaps(rows)] == []
    assert [gap.describe() for gap in stages.count_gaps(rows[:2])] == [
        "stage select kept 5 of unit page, stage shards took in 0"
    ]
    assert [gap.describe() for gap in stages.count_gaps(flow(9, (9, 0), 0)[:2])] == []
    assert [gap.describe() for gap in stages.count_gaps((*rows, *flow(3, (3, 2), 1, "pair")))] == [
        "stage select kept 2 of unit pair, stage shards took in 1"
    ]


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
