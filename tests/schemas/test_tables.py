"""The same rows give the same file and the same digest, whatever their order and chunks."""

import io
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas import arrow, storage, tables
from corpusloom.schemas.errors import DamageError, InputError
from corpusloom.schemas.guards import parquet_checksums
from corpusloom.schemas.records import ScoreRow

rows = st.lists(
    st.builds(
        ScoreRow,
        stage=st.sampled_from(("a", "b")),
        unit=st.just("page"),
        key=st.text("0123456789abcdef", min_size=4, max_size=4),
        parent=st.none() | st.text("xyz", max_size=2),
        outcome=st.just("kept"),
        scores=st.dictionaries(st.sampled_from(("p", "q")), st.floats(allow_nan=False), max_size=2),
    ),
    unique_by=lambda row: (row.stage, row.key, row.parent),
    min_size=1,
    max_size=12,
)
ORDER = ("stage", "key", "parent")
GROUP = tables.ROW_GROUP_ROWS


@given(rows, st.randoms())
def test_order_and_chunks_do_not_matter(made: list[ScoreRow], random: object) -> None:
    table = arrow.to_table(ScoreRow, made)
    mixed = list(made)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    other = pa.concat_tables([arrow.to_table(ScoreRow, mixed[:1]), arrow.to_table(ScoreRow, mixed[1:])])
    assert tables.rows_digest(table, sort_by=ORDER) == tables.rows_digest(other, sort_by=ORDER)
    assert tables.encode_table(table, sort_by=ORDER) == tables.encode_table(other, sort_by=ORDER)


@given(rows)
def test_any_changed_value_changes_the_digest(made: list[ScoreRow]) -> None:
    before = tables.rows_digest(arrow.to_table(ScoreRow, made), sort_by=ORDER)
    changed = [*made[:-1], arrow.dataclasses.replace(made[-1], scores={**made[-1].scores, "p": 12345.5})]
    assert tables.rows_digest(arrow.to_table(ScoreRow, changed), sort_by=ORDER) != before


def test_null_is_not_zero_and_not_empty() -> None:
    def digest(values: list[object], kind: pa.DataType) -> str:
        return tables.rows_digest(pa.table({"a": pa.array(values, kind)}), sort_by=())

    assert digest([None], pa.int64()) != digest([0], pa.int64())
    assert digest([None], pa.string()) != digest([""], pa.string())
    assert digest([["a"], ["b"]], pa.list_(pa.string())) != digest([["a", "b"], []], pa.list_(pa.string()))


def test_a_slice_has_the_digest_of_its_own_rows() -> None:
    table = pa.table({"a": ["x", "y", "z"], "b": [[1], [2, 3], []]})
    again = pa.table({"a": ["y", "z"], "b": [[2, 3], []]}, schema=table.schema)
    assert tables.rows_digest(table.slice(1), sort_by=["a"]) == tables.rows_digest(again, sort_by=["a"])


def test_written_rows_come_back(tmp_path: Path) -> None:
    made = [ScoreRow(stage="s", unit="u", key=str(i), outcome="kept", scores={"p": i / 3}) for i in range(25)]
    tables.write_records(str(tmp_path / "a" / "b.parquet"), ScoreRow, made)
    assert list(tables.read_records(str(tmp_path / "a" / "b.parquet"), ScoreRow)) == made


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DamageError, match=r"broken\.parquet"):
        tables.read_table(str(path))


class _Watched(io.BytesIO):
    """A file that records the threads that read it and release its buffers."""

    def __init__(self, data: bytes, threads: set[int]) -> None:
        super().__init__(data)
        self.threads = threads

    def read(self, size: int | None = -1) -> bytes:
        self.threads.add(threading.get_ident())
        threads = self.threads

        class Buffer(bytes):
            def __del__(self) -> None:
                threads.add(threading.get_ident())

        return Buffer(super().read(size))


@pytest.mark.parametrize("how", ["read", "read_row_group", "iter_batches"])
def test_no_thread_of_arrow_ever_holds_a_python_object(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A thread that releases a buffer while the interpreter ends would abort the process after its work is done."""
    table = pa.table({f"c{number}": list(range(2_000)) for number in range(8)})
    threads: set[int] = set()
    data = tables.encode_table(table, row_group_rows=500)
    monkeypatch.setattr(storage, "open_input", lambda path: _Watched(data, threads))
    for _ in range(20):
        with tables.open_parquet("memory://watched.parquet") as file:
            got = file.read_row_group(1) if how == "read_row_group" else None
            got = file.read() if how == "read" else got
            got = pa.Table.from_batches(file.iter_batches(700)) if how == "iter_batches" else got
            assert got is not None
            assert got.num_rows == (500 if how == "read_row_group" else 2_000)
            del got
    assert threads == {threading.get_ident()}


def test_a_local_table_is_opened_by_arrow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "a.parquet")
    tables.write_table(path, pa.table({"a": [1]}))
    monkeypatch.setattr(storage, "open_input", lambda path: pytest.fail("a Python file was opened"))
    assert tables.read_table(path).num_rows == 1


@pytest.mark.parametrize(
    "rows", [0, 1, tables.ROW_GROUP_ROWS, tables.ROW_GROUP_ROWS + 1, 3 * tables.ROW_GROUP_ROWS + 7]
)
@pytest.mark.parametrize("part", [700, tables.ROW_GROUP_ROWS, 25_000])
def test_a_stream_of_parts_has_the_bytes_of_one_table(tmp_path: Path, rows: int, part: int) -> None:
    whole = pa.table({"n": pa.array(range(rows), pa.int64()), "s": [str(n) for n in range(rows)]},
                     schema=pa.schema([("n", pa.int64()), ("s", pa.string())]))  # fmt: skip
    path = str(tmp_path / "x.parquet")
    assert tables.write_stream(path, whole.schema, (whole.slice(n, part) for n in range(0, rows, part))) == rows
    assert Path(path).read_bytes() == tables.encode_table(whole)
    assert tables.count_rows(path) == rows
    assert tables.file_digest(path) == tables.rows_digest(whole, sort_by=())
    with tables.open_parquet(path) as file:
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    assert all(size == tables.ROW_GROUP_ROWS for size in sizes[:-1])


def test_rows_are_sorted_by_all_columns_with_nulls_last() -> None:
    table = pa.table({"a": [2, None, 1, 1], "b": ["x", "y", "z", "a"]})
    assert tables.sort_rows(table, ("a", "b"))["b"].to_pylist() == ["a", "z", "x", "y"]
    assert tables.sort_rows(table, ())["b"].to_pylist() == ["x", "y", "z", "a"]
    assert tables.sort_rows(table.slice(0, 0), ("a",)).num_rows == 0


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "x.parquet")
    written = tables.write_table(path, pa.table({"a": [2, 1], "b": [3, 4], "c": [5, 6]}), sort_by=("a",))
    assert written == Path(path).read_bytes()
    assert tables.read_table(path, ["b"]).to_pydict() == {"b": [4, 3]}
    assert tables.read_table(path, []).column_names == []
    assert tables.read_table(path).column_names == ["a", "b", "c"]


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.parquet: No such file"):
        tables.read_table(str(tmp_path / "gone.parquet"))


def test_a_damaged_row_group_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    tables.write_records(str(path), ScoreRow, [
        ScoreRow(stage="s", unit="u", key=str(n), outcome="kept") for n in range(1_000)])  # fmt: skip
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    for read in (tables.read_table, lambda path: list(tables.read_records(path, ScoreRow)), tables.file_digest):
        with pytest.raises(DamageError, match=r"x\.parquet: has changed since it was written.*delete it"):
            read(str(path))


def test_every_flip_and_every_cut_of_a_table_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    rows = [ScoreRow(stage="s", unit="u", key=str(n), outcome="kept") for n in range(9)]
    data = tables.write_records(str(path), ScoreRow, rows)
    silent = 0
    for at in range(0, len(data), 3):
        for damaged in (data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :], data[:at]):
            path.write_bytes(damaged)
            parquet_checksums._check.cache_clear()  # within a tick of the clock the file may look unchanged
            try:
                assert list(tables.read_records(str(path), ScoreRow)) == rows  # the name of the checksum is gone
                silent += 1
            except DamageError as error:
                assert error.where.endswith("x.parquet")  # noqa: PT017
    assert silent < 9


def test_a_table_of_others_has_no_checksum_and_a_table_that_is_written_again_gets_a_new_one(tmp_path: Path) -> None:
    table, path = pa.table({"a": [1, 2]}), str(tmp_path / "x.parquet")
    pq.write_table(table, path)
    assert tables.read_table(path).equals(table)
    tables.write_table(path, table)
    again = tables.read_table(path)
    tables.write_table(path, again.slice(1))
    assert tables.read_table(path)["a"].to_pylist() == [2]


EVERY_TYPE = pa.table(
    {
        "i": pa.array([1, None, 3], pa.int64()),
        "f": pa.array([0.5, None, -1.0], pa.float64()),
        "b": pa.array([True, False, None], pa.bool_()),
        "s": pa.array(["a", "", None], pa.string()),
        "y": pa.array([b"a", None, b"\x00"], pa.binary()),
        "l": pa.array([["a", "b"], [], None], pa.list_(pa.string())),
        "t": pa.array(
            [{"x": 1, "y": "a"}, {"x": None, "y": "b"}, None], pa.struct([("x", pa.int64()), ("y", pa.string())])
        ),
        "m": pa.array([[("k", 1.0)], [], None], pa.map_(pa.string(), pa.float64())),
        "n": pa.nulls(3),
    }
)


def test_the_digest_of_given_rows_never_changes() -> None:
    assert (
        tables.rows_digest(EVERY_TYPE, sort_by=()) == "003b47d5e334b6d3382f96677bde357e47459cfa2fbdd81d06c290b9d849e919"
    )


@pytest.mark.parametrize("name", EVERY_TYPE.column_names[:-1])
def test_every_type_has_a_part_in_the_digest(name: str) -> None:
    reordered = EVERY_TYPE.set_column(
        EVERY_TYPE.column_names.index(name), name, EVERY_TYPE[name].take(pa.array([1, 0, 2]))
    )
    assert tables.rows_digest(reordered, sort_by=()) != tables.rows_digest(EVERY_TYPE, sort_by=())


def test_names_have_a_part_in_the_digest_and_their_order_has_none() -> None:
    digest = tables.rows_digest(EVERY_TYPE, sort_by=())
    assert tables.rows_digest(EVERY_TYPE.select(EVERY_TYPE.column_names[::-1]), sort_by=()) == digest
    assert tables.rows_digest(EVERY_TYPE.rename_columns([*EVERY_TYPE.column_names[:-1], "z"]), sort_by=()) != digest
    assert tables.rows_digest(EVERY_TYPE.slice(0, 2), sort_by=()) != digest


def test_a_type_without_a_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no canonical form for date32"):
        tables.rows_digest(pa.table({"d": pa.array([1], pa.date32())}), sort_by=())
