"""Each row of a TSV has one outcome: kept, or a reason."""

from pathlib import Path

import pytest

from corpusloom.pipelines.stages.regions.tsv import row_ledger
from corpusloom.pipelines.stages.regions.tsv.index_files import write_index
from corpusloom.pipelines.stages.regions.tsv.row_ledger import check_names, fragments_of, outcomes, write_row_ledger
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.schemas import tables
from corpusloom.schemas.records import FileEntry, LedgerRow
from corpusloom.schemas.verdicts import Kept, Rejected
from tests.pipelines.stages.regions.tsv.tsv_maker import BOTTOM_UP, cells, write


def test_a_row_is_kept_if_one_of_its_pairs_is(tmp_path: Path) -> None:
    for shard, verdicts in enumerate(
        ([("1", Kept()), ("2", Rejected("bad"))], [("1", Rejected("bad")), ("3", Kept())])
    ):
        ledger = Ledger("regions")
        for place, verdict in verdicts:
            ledger.record(verdict, unit="pair", key=f"{shard}{place}", parent=place, scores={})
        ledger.record(Kept(), unit="pair", key="x", scores={})
        ledger.write(str(tmp_path), str(shard))
    assert outcomes(fragments_of(str(tmp_path), ["0", "1"])) == {"1": "", "2": "bad", "3": ""}


def test_every_row_is_accounted_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_ledger, "_ROWS", 2)
    rows = [cells("1"), cells("2"), cells("3") | {"num_boxes": "9"}, cells("1"), cells("4")]
    path = write(tmp_path / "a.tsv", BOTTOM_UP, *rows)
    file = FileEntry(name=str(path), sha256="0" * 64, bytes=1)
    write_index(file, str(tmp_path), ())
    used = {"a.tsv:1": "", "a.tsv:5": "box_inverted"}
    names, counts = write_row_ledger("regions", str(tmp_path), (file,), str(tmp_path), used)
    found = [
        (row.key, row.url, row.reason)
        for name in names
        for row in tables.read_records(str(tmp_path / "ledger" / f"{name}.parquet"), LedgerRow)
    ]
    assert sorted(found) == [
        ("1", "a.tsv:4", "tsv_duplicate_image"), ("2", "a.tsv:2", "no_such_pair"), ("4", "a.tsv:5", "box_inverted"),
        ("a.tsv:3", "a.tsv:3", "tsv_wrong_boxes_length"),
    ]  # fmt: skip
    assert (sum(row.records_in for row in counts), sum(row.kept for row in counts)) == (5, 1)


def test_two_files_of_one_name_are_found() -> None:
    files = [FileEntry(name=name, sha256=name, bytes=1) for name in ("x/a.tsv", "x/b.tsv", "y/a.tsv")]
    assert check_names(files) == ("x/a.tsv", "y/a.tsv")
    assert check_names(files[:2]) is None
