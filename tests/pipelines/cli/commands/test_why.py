"""`loom why` prints one line per event of a record, or the events as JSON."""

import json

import pytest

from corpusloom.pipelines.cli import main
from corpusloom.pipelines.datasets import why
from corpusloom.pipelines.datasets.explain.event import Event
from corpusloom.schemas import storage, tables
from corpusloom.schemas.errors import InputError
from corpusloom.schemas.manifest import read_manifest
from corpusloom.schemas.records import LedgerRow, SidecarRow
from tests.pipelines.small_web import SmallWeb


def test_a_kept_pair_ends_in_a_shard(web: SmallWeb, capsys: pytest.CaptureFixture[str]) -> None:
    align = str(web.folder / "align")
    shard = read_manifest(align).shards[0]
    row = next(tables.read_records(storage.join(align, shard.sidecar.name), SidecarRow))
    assert main.run(["why", align, row.key]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split()[0] == "shards"
    assert shard.tar.name.removesuffix(".tar") in lines[-1]


def test_a_rejected_record_shows_its_reason_and_what_was_measured(
    web: SmallWeb, capsys: pytest.CaptureFixture[str]
) -> None:
    align = str(web.folder / "align")
    ledgers = [table.name for table in read_manifest(align).tables if table.name.startswith("ledger/")]
    rows = [row for name in ledgers for row in tables.read_records(storage.join(align, name), LedgerRow)]
    row = next(row for row in rows if row.measured is not None and row.threshold is not None)
    assert main.run(["why", align, row.key, "--json"]) == 0
    events = json.loads(capsys.readouterr().out)
    assert row.reason in {event["reason"] for event in events}
    assert main.run(["why", align, row.key]) == 0
    assert f"{row.reason} (measured {row.measured:.4g}, threshold {row.threshold})" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_secrets_of_a_work_folder_are_not_shown(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://me:SECRET@a.example/?token=SECRET"
    event = Event(stage="extract", unit="page", key="0", parent=None, url=url, outcome="kept", note=f"{url}: seen")
    monkeypatch.setattr(why, "why", lambda folder, name: [event])
    assert main.run(["why", "folder", url, *flags]) == 0
    shown = capsys.readouterr().out
    assert "http://a.example/?token=..." in shown
    assert "SECRET" not in shown


def test_an_unknown_record_is_an_error(web: SmallWeb) -> None:
    with pytest.raises(InputError, match=r"no record of http://nobody\.example/"):
        main.run(["why", str(web.folder / "align"), "http://nobody.example/"])
