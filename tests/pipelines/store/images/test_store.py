"""The image store: one outcome a URL, the same bytes once, later generations over earlier ones."""

import hashlib
from pathlib import Path

import pytest

from corpusloom.pipelines.store.images.store import ContentTable, ImageStore
from corpusloom.schemas import arrow
from corpusloom.schemas.errors import DamageError
from corpusloom.schemas.records import ImageRecord
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.store.store_maker import answer, fill, outcomes, png, wanted


def test_every_outcome_is_found_again(tmp_path: Path) -> None:
    index = fill(tmp_path, outcomes()).index()
    found = {name: index.find(wanted(name).key) for name, _ in outcomes()}
    assert {name: (row.outcome, row.reason, row.final) for name, row in found.items() if row} == {
        "a": ("kept", None, True),
        "b": ("kept", None, True),
        "again": ("kept", None, True),
        "gone": ("rejected", "http_410", True),
        "slow": ("dead", "timeout_total", False),
        "html": ("rejected", "not_an_image", True),
        "c": ("kept", None, True),
    }
    assert index.find(wanted("never").key) is None
    assert wanted("never").key not in index


def test_bytes_come_back_and_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    index = store.index()
    rows = [index.find(wanted(name).key) for name in ("a", "again", "c")]
    assert [store.read(row) for row in rows if row] == [png(1), png(1), png(3)]
    places = [(row.pack, row.offset) for row in rows if row]
    assert places[0] == places[1] != places[2]
    assert (
        sum((tmp_path / "packs" / name).read_bytes().count(png(1)) for name in {row.pack for row in rows if row}) == 1
    )


def test_a_later_generation_wins_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, outcomes())
    store = fill(tmp_path, [("slow", answer(7)), ("a", Dead("dns_failed"))], generation=2)
    index = store.index()
    slow, a, b = (index.find(wanted(name).key) for name in ("slow", "a", "b"))
    assert (index.generation, slow and slow.outcome, a and a.reason, b and b.outcome) == (
        2,
        "kept",
        "dns_failed",
        "kept",
    )
    assert [index.generation_of(wanted(name).key) for name in ("slow", "b", "never")] == [2, 1, 0]
    assert [url for _, url in index.transient()] == [wanted("a").url]


def test_within_a_generation_final_wins_then_the_smallest_hash(tmp_path: Path) -> None:
    first, second = answer(1), answer(2)
    store = fill(
        tmp_path, [("x", Dead("dns_failed")), ("x", second), ("x", first), ("y", Rejected("http_404"))], each=1
    )
    row = store.index().find(wanted("x").key)
    import hashlib

    assert row is not None
    assert row.sha256 == min(hashlib.sha256(item.body).hexdigest() for item in (first, second))


def test_a_damaged_part_names_the_way_out(tmp_path: Path) -> None:
    store = fill(tmp_path, outcomes())
    part = Path(store.parts(1)[0])
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DamageError, match="--reindex"):
        store.index()


def test_content_is_found_before_and_after_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ContentTable, "MERGE", 4)
    table = ContentTable.of(ImageStore(str(tmp_path)).index().stored())
    names = [f"{number:064x}" for number in range(30)]
    for number, name in enumerate(names):
        assert table.find(name) is None
        table.add(name, f"pack-{number % 3}", number, 2 * number)
    assert [table.find(name) for name in names] == [(f"pack-{n % 3}", n, 2 * n) for n in range(30)]
    assert table.find("f" * 64) is None


def test_rows_and_digest_of_many_keys_are_those_of_one_by_one(tmp_path: Path) -> None:
    store = ImageStore(str(tmp_path))
    records = [
        ImageRecord(key=f"{n:032x}", url=f"u{n}", outcome="rejected", reason="r" if n % 2 else None, final=True)
        for n in range(0, 40, 2)
    ]
    store.commit_part(1, "a", records)
    index, keys = store.index(), [f"{n:032x}" for n in (39, 4, 4, 0, 38, 7)]
    found = [index.find(key) for key in sorted(set(keys))]
    assert list(arrow.from_table(ImageRecord, index.rows_of(keys))) == [record for record in found if record]
    lines = [
        f"{key} " + (f"{record.outcome} {record.reason} {record.sha256}" if record else "-") + "\n"
        for key, record in zip(sorted(set(keys)), found, strict=True)
    ]
    assert index.digest(keys) == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert index.rows_of([]).num_rows == 0
    assert ImageStore(str(tmp_path / "none")).index().rows_of(keys).num_rows == 0
