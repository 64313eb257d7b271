"""Sorting by parts on disk gives the same bytes and row hash as sorting in memory."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from corpusloom.pipelines.store import external_sort
from corpusloom.pipelines.store.dataset.folder import TABLES, TableRows, write_rows
from corpusloom.schemas import arrow, identity, tables
from corpusloom.schemas.records import LedgerRow, ProvenanceRow, ScoreRow


def rows_of(kind: str, count: int) -> list[LedgerRow] | list[ScoreRow] | list[ProvenanceRow]:
    rng = random.Random(kind)
    keys = [identity.make_key("page", str(rng.randrange(count))) for _ in range(count)]
    units = [rng.choice(("record", "page", "image")) for _ in keys]
    if kind == "ledger":
        return [
            LedgerRow(stage="s", unit=unit, key=key, url=rng.choice((None, "u")), outcome="dead", reason=str(number))
            for number, (key, unit) in enumerate(zip(keys, units, strict=True))
        ]
    if kind == "scores":
        return [
            ScoreRow(stage="s", unit=unit, key=key, parent=str(number), outcome="kept", scores={"é": 1.0, "w": number})
            for number, (key, unit) in enumerate(zip(keys, units, strict=True))
        ]
    return [ProvenanceRow(stage="s", key=key, offset=rng.choice((None, number))) for number, key in enumerate(keys)]


@pytest.mark.parametrize("kind", list(TABLES))
@pytest.mark.parametrize("count", [0, 3, 25_003])
def test_sorting_by_parts_equals_sorting_in_memory(
    kind: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_sort, "PARTITION_ROWS", 2_000)
    cls, order = TABLES[kind]
    whole = arrow.to_table(cls, rows_of(kind, count))
    parts = [whole.slice(start, 700) for start in range(0, count, 700)]
    entry = write_rows(str(tmp_path), kind, "s", TableRows(count, parts), str(tmp_path / "scratch"))
    assert (tmp_path / entry.name).read_bytes() == tables.encode_table(whole, sort_by=order)
    assert entry.rows == count
    assert (
        entry.rows_digest == tables.rows_digest(whole, sort_by=order) == tables.file_digest(str(tmp_path / entry.name))
    )


def test_the_hash_does_not_depend_on_chunks() -> None:
    schema = pa.schema([("n", pa.int64()), ("l", pa.list_(pa.string())), ("b", pa.bool_())])
    rows = [{"n": n if n % 3 else None, "l": ["x"] * (n % 4) if n % 5 else None, "b": n % 2 == 0} for n in range(61)]
    whole = pa.Table.from_pylist(rows, schema=schema)
    cut = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 30), whole.slice(33)])
    assert tables.rows_digest(cut, sort_by=()) == tables.rows_digest(whole, sort_by=())
