"""Stages are named by fingerprint and committed only if no record is lost."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from corpusloom.pipelines.store import stages
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.guards import json_files
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


def test_a_fingerprint_covers_name_version_inputs_and_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = stages.plan_stage(str(tmp_path), "extract", stage_version=1, inputs={"a": 1, "b": 2})
    assert base == stages.plan_stage(str(tmp_path), "extract", stage_version=1, inputs={"b": 2, "a": 1})
    assert base.folder == f"{tmp_path}/stages/extract-{base.fingerprint[:16]}"
    assert json.loads(base.depends_on) == {
        "version": 1, "libraries": stages.library_versions(), "inputs": {"a": 1, "b": 2},
    }  # fmt: skip
    others = [
        stages.plan_stage(str(tmp_path), "select", stage_version=1, inputs={"a": 1, "b": 2}),
        stages.plan_stage(str(tmp_path), "extract", stage_version=2, inputs={"a": 1, "b": 2}),
        stages.plan_stage(str(tmp_path), "extract", stage_version=1, inputs={"a": 1}),
    ]
    monkeypatch.setattr(stages, "library_versions", lambda: {"pyarrow": "0"})
    others.append(stages.plan_stage(str(tmp_path), "extract", stage_version=1, inputs={"a": 1, "b": 2}))
    assert len({stage.fingerprint for stage in (base, *others)}) == 5


def test_a_fingerprint_never_changes_while_its_inputs_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "library_versions", lambda: {"pyarrow": "1"})
    stage = stages.plan_stage("/work", "extract", stage_version=3, inputs={"warcs": ["a"]})
    text = '{"inputs":{"warcs":["a"]},"libraries":{"pyarrow":"1"},"version":3}'
    assert stage.depends_on == text
    assert stage.fingerprint == hashlib.sha256(f"extract\n{text}".encode()).hexdigest()


@pytest.mark.parametrize("change", [b"{", b"[" * 99_999, b"[]", b'{"name": 1}', b"\xff"])
def test_a_damaged_commit_is_named_with_its_remedy(tmp_path: Path, change: bytes) -> None:
    stage = plan(tmp_path, a=1)
    stages.commit(stage, (), warcs=2)
    Path(stage.path("stage.json")).write_bytes(change)
    with pytest.raises(DamageError, match=r"stage\.json: .*\(delete the stage's folder and run"):
        stages.read_report(stage)


def test_what_is_committed_is_readable_json(tmp_path: Path) -> None:
    stage = plan(tmp_path, a=1)
    stages.commit(stage, (), warcs=2)
    text = Path(stage.path("stage.json")).read_text()
    assert text.endswith("}\n")
    assert json_files.read(stage.path("stage.json"), "") == {
        "name": "extract", "fingerprint": stage.fingerprint, "depends_on": json.loads(stage.depends_on), "counts": [],
        "facts": {"warcs": 2},
    }  # fmt: skip


def test_a_finished_shard_is_carried_over_with_its_report_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = plan(tmp_path, a=1), plan(tmp_path, a=2)
    names = [f"{kind}/00003.{suffix}" for kind, suffix in (
        ("ledger", "parquet"), ("scores", "parquet"), ("provenance", "parquet"), ("done", "json"))]  # fmt: skip
    for name in (*names, "done/00004.json"):
        storage.write_bytes(old.path(name), name.encode())
    written: list[str] = []
    write = storage.write_bytes
    monkeypatch.setattr(storage, "write_bytes", lambda path, data: (written.append(path), write(path, data)))
    stages.carry_over(old, new, 3)
    assert written == [new.path(name) for name in names]
    assert [storage.read_bytes(new.path(name)) for name in names] == [name.encode() for name in names]
    stages.carry_over(old, new, 5)  # a shard without files
    assert len(written) == 4


def test_a_local_folder_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages.time, "sleep", lambda seconds: pytest.fail("waited"))
    assert stages.wait_until_listed(lambda: 5, lambda found: found == 5, "/local") == 5
    with pytest.raises(stages.StoreLagError, match="/local: not all written files are listed"):
        stages.wait_until_listed(lambda: 4, lambda found: found == 5, "/local")


@pytest.mark.parametrize("late", [0, 1, 9])
def test_an_object_store_is_given_a_minute(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(stages.time, "sleep", waited.append)
    reads = iter([False] * late + [True])
    assert stages.wait_until_listed(lambda: next(reads), bool, "s3://bucket")
    assert waited == list(stages.PAUSES[:late])


def test_a_store_that_never_lists_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(stages.time, "sleep", waited.append)
    with pytest.raises(stages.StoreLagError, match="run the same command again"):
        stages.wait_until_listed(lambda: 0, bool, "s3://bucket")
    assert waited == list(stages.PAUSES)
    assert 60 < sum(waited) < 70


def test_counts_of_other_stages_and_units_stay_apart() -> None:
    row = StageCounts(stage="b", unit="u", records_in=2, kept=1, dead={"x": 1})
    others = [dataclasses.replace(row, stage="a"), dataclasses.replace(row, unit="t")]
    assert stages.add_counts([row, *others]) == (others[0], others[1], row)
    (total,) = stages.add_counts([row, row, row])
    assert (total.records_in, total.kept, total.dead, total.rejected) == (6, 3, {"x": 3}, {})


def test_stems_are_the_beginning_of_a_hash() -> None:
    assert stages.stem_of("0123456789abcdef0123") == "0123456789abcdef"


def test_folders_of_stages_are_found_by_the_name_of_the_stage(tmp_path: Path) -> None:
    for name in ("extract-0a", "extract-0b", "extract-more-0c", "select-0d"):
        (tmp_path / "stages" / name).mkdir(parents=True)
    (tmp_path / "stages" / "extract-file").write_bytes(b"")
    everything = ["extract-0a", "extract-0b", "extract-more-0c", "select-0d"]
    assert stages.stage_folders(str(tmp_path)) == [f"{tmp_path}/stages/{name}" for name in everything]
    assert stages.stage_folders(str(tmp_path), "extract") == [f"{tmp_path}/stages/{name}" for name in everything[:2]]
    assert stages.stage_folders(str(tmp_path / "gone")) == []
