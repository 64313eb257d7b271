"""After truncation, loss or flipped bytes in a store, all undamaged records are recovered."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from corpusloom.pipelines.store.images.recovery import read_pack, reindex, sweep
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import storage
from corpusloom.schemas.verdicts import Dead
from tests.pipelines.store.store_maker import answer, fill, outcomes, wanted


def rows(store: ImageStore) -> dict[str, object]:
    index = store.index()
    return {name: index.find(wanted(name).key) for name, _ in outcomes()}


def test_a_lost_index_comes_back_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    store = fill(tmp_path, [("slow", answer(7))], generation=2)
    before = rows(store)
    shutil.rmtree(tmp_path / "index")
    report = reindex(store)
    assert rows(store) == before
    assert (report.outcomes, report.images, report.damaged, report.lost) == (8, 4, 0, 0)


def test_outcomes_come_back_in_their_own_generation(tmp_path: Path) -> None:
    fill(tmp_path, [("a", answer(1))], generation=1)
    store = fill(tmp_path, [("a", answer(2)), ("b", answer(3))], generation=7)
    shutil.rmtree(tmp_path / "index")
    reindex(store)
    assert store.generations() == [1, 7]
    assert [bool(store.parts(number)) for number in (1, 7)] == [True, True]


def test_a_cut_part_comes_back_and_a_part_without_a_pack_goes(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    before = rows(store)
    part = Path(store.parts(1)[0])
    part.write_bytes(part.read_bytes()[:100])
    (part.parent / "part-stranger.parquet").write_bytes(b"PAR1")
    reindex(store)
    assert rows(store) == before
    assert not (part.parent / "part-stranger.parquet").exists()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_pack_cut_at_any_byte_loses_its_last_record_alone(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = fill(Path(folder), outcomes(), each=100)
        before = rows(store)
        (pack,) = (Path(folder) / "packs").iterdir()
        whole = pack.read_bytes()
        records = list(read_pack(whole))
        assert all(records)
        cut = data.draw(st.integers(0, len(whole) - 1))
        pack.write_bytes(whole[:cut])
        reindex(store)
        after = rows(store)
        ends = [record.offset + record.length for record in records if record]
        named = [name for name, _ in outcomes()]
        outcome_ends = [end for end, record in zip(ends, records, strict=True) if record and record.kind == "metadata"]
        whole_names = {name for name, end in zip(named, outcome_ends, strict=True) if end <= cut}
        assert {name for name, row in after.items() if row is not None} == whole_names
        assert all(after[name] == before[name] for name in whole_names)
        for name in whole_names:
            row = store.index().find(wanted(name).key)
            assert row is not None
            assert row.outcome != "kept" or store.read(row)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_a_flipped_byte_costs_one_record(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = fill(Path(folder), outcomes(), each=100)
        (pack,) = (Path(folder) / "packs").iterdir()
        damaged = bytearray(pack.read_bytes())
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 0x55
        pack.write_bytes(bytes(damaged))
        reindex(store)
        lost = [name for name, row in rows(store).items() if row is None]
        assert len(lost) <= 2  # one image may stand behind two URLs


def test_orphans_are_swept_and_what_is_used_stays(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    orphan = fill(tmp_path / "other", [("z", Dead("dns_failed"))])
    (pack,) = (Path(orphan.folder) / "packs").iterdir()
    shutil.copy(pack, tmp_path / "packs")
    (tmp_path / "packs" / ".tmp-killed").write_bytes(b"half")
    before = rows(store)
    assert sorted(sweep(store)) == sorted([pack.name, ".tmp-killed"])
    assert rows(store) == before


def test_a_store_on_object_storage_recovers_too() -> None:
    store = fill("memory://recovery/store", outcomes())
    before = rows(store)
    for path in store.parts(1):
        storage.remove(path)
    assert reindex(store).outcomes == len(outcomes())
    assert rows(store) == before
    assert sweep(store) == []
    row = store.index().find(wanted("a").key)
    assert row is not None
    assert store.read(row)
