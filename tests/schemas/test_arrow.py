"""Records survive Arrow and JSON, newer versions are refused, older ones upgraded."""

import dataclasses
import json
import typing

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusloom.schemas import arrow, records, tables
from corpusloom.schemas.errors import InputError, VersionError
from corpusloom.schemas.records import Block, Head, ImageRef, LedgerRow, Member, Page, Pair, SidecarRow

RECORDS = [cls for cls in vars(records).values() if isinstance(cls, type) and hasattr(cls, "VERSION")]


def value_of(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Return a strategy for the values of an annotation."""
    text = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
    scalars = {str: text, int: st.integers(-(2**63), 2**63 - 1), bool: st.booleans(), bytes: st.binary(max_size=8)}
    scalars[float] = st.floats(allow_nan=False)
    if hint in scalars:
        return scalars[hint]
    if arrow.dataclasses.is_dataclass(hint):
        return record_of(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return st.lists(value_of(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(text, value_of(args[1]), max_size=3)
    inner = next(arg for arg in args if arg is not type(None))
    return st.none() | value_of(inner)


def record_of(cls: type) -> st.SearchStrategy[typing.Any]:
    """Return a strategy for the instances of a record class."""
    return st.builds(cls, **{name: value_of(hint) for name, hint in arrow._hints(cls).items()})


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
def test_every_record_survives_a_table_and_json(cls: type) -> None:
    @given(st.lists(record_of(cls), max_size=3))
    def survives(rows: list[object]) -> None:
        assert list(arrow.from_table(cls, arrow.to_table(cls, rows))) == rows
        if cls.__name__ not in ("DetectorOutput", "ImageFacts"):  # they hold bytes, which JSON does not
            assert [arrow.from_plain(cls, json.loads(json.dumps(arrow.to_plain(row)))) for row in rows] == rows

    survives()


def test_a_schema_names_its_record_and_marks_what_may_be_null() -> None:
    schema = arrow.schema(LedgerRow)
    assert schema.metadata == {b"corpusloom.record": b"LedgerRow", b"corpusloom.version": b"1"}
    assert schema.field("measured").nullable
    assert not schema.field("key").nullable


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    table = arrow.to_table(LedgerRow, [])
    newer = table.replace_schema_metadata({"corpusloom.record": "LedgerRow", "corpusloom.version": "99"})
    with pytest.raises(VersionError, match=r"version 99.*upgrade corpusloom"):
        list(arrow.from_table(LedgerRow, newer, "ledger.parquet"))


def test_an_older_version_is_upgraded(monkeypatch: pytest.MonkeyPatch) -> None:
    old = arrow.to_table(Head, [Head(unit="page", key="k", parent="p", url="u")]).drop_columns(["url"])
    old = old.replace_schema_metadata({"corpusloom.record": "Candidate", "corpusloom.version": "0"})
    monkeypatch.setitem(
        arrow.UPGRADES,
        ("Candidate", 0),
        lambda table: table.append_column("url", pa.array(["was missing"])).select(arrow.schema(Head).names),
    )
    assert [row.url for row in arrow.from_table(Head, old)] == ["was missing"]


def test_another_record_is_refused() -> None:
    with pytest.raises(InputError, match="LedgerRow rows, not SidecarRow"):
        list(arrow.from_table(SidecarRow, arrow.to_table(LedgerRow, []), "x.parquet"))


def test_unknown_names_in_json_are_refused() -> None:
    with pytest.raises(InputError, match="no field 'colour'"):
        arrow.from_plain(LedgerRow, {"colour": 1})


def test_nested_blocks_come_back_as_tuples() -> None:
    blocks = (Block(kind="paragraph", text="a"), Block(kind="image", image=ImageRef(url="http://a/b.png")))
    page = Page(key="k", url="u", canonical_url="c", fetched_at="t", blocks=blocks)
    assert next(arrow.from_table(Page, arrow.to_table(Page, [page]))).blocks == blocks


def test_heads_keep_their_older_name_in_parquet() -> None:
    assert arrow.schema(Head).metadata[b"corpusloom.record"] == b"Candidate"


def test_the_schema_of_a_sidecar_never_changes_without_its_version() -> None:
    names = [
        "key", "status", "url", "page_url", "caption", "text_length", "images", "width", "height", "sha256",
        "stored_sha256", "language", "split", "license", "opt_out_signals", "scores", "members",
    ]  # fmt: skip
    schema = arrow.schema(SidecarRow)
    assert schema.names == names
    assert schema.field("scores").type == pa.map_(pa.string(), pa.field("value", pa.float64(), nullable=False))
    assert schema.field("opt_out_signals").type.value_field.nullable is False
    assert [schema.field(name).nullable for name in ("key", "width", "members")] == [False, True, False]


def test_a_page_of_version_1_gets_images_without_an_image_title() -> None:
    image = ImageRef(url="u", alt_text="a", title="t", image_title="i", link="l")
    blocks = (Block(kind="paragraph", text="p"), Block(kind="image", image=image))
    page = Page(key="k", url="u", canonical_url="c", fetched_at="t", blocks=blocks, meta_images=(image,))
    plain = arrow.to_plain(page)
    for row in (plain["blocks"][1]["image"], *plain["meta_images"]):
        del row["image_title"]
    old_image = pa.struct([item for item in arrow.data_type(ImageRef) if item.name != "image_title"])
    old_block = pa.struct(
        [item.with_type(old_image) if item.name == "image" else item for item in arrow.data_type(Block)]
    )
    old_types = {"blocks": old_block, "meta_images": old_image}
    fields = [
        item.with_type(pa.list_(pa.field("item", old_types[item.name], nullable=False)))
        if item.name in old_types
        else item
        for item in arrow.schema(Page)
    ]
    metadata = {"corpusloom.record": "Page", "corpusloom.version": "1"}
    old = pa.Table.from_pylist([plain], pa.schema(fields, metadata))
    untitled = dataclasses.replace(image, image_title=None)
    expected = dataclasses.replace(
        page, blocks=(blocks[0], dataclasses.replace(blocks[1], image=untitled)), meta_images=(untitled,)
    )
    assert list(arrow.from_table(Page, old)) == [expected]


def test_a_sidecar_of_version_1_gets_members_without_a_crc32c() -> None:
    members = (Member(field="jpg", offset=512, size=3, stored_sha256="s", crc32c=7),)
    rows = [SidecarRow(key="a", url="u", members=members), SidecarRow(key="b", url="u")]
    table = arrow.to_table(SidecarRow, rows)
    kind = table.schema.field("members").type.value_type
    narrow = pa.list_(pa.field("item", pa.struct([field for field in kind if field.name != "crc32c"]), nullable=False))
    plain = [[{name: m[name] for name in narrow.value_type.names} for m in row] for row in table["members"].to_pylist()]
    older = table.drop_columns(["members"]).append_column(
        pa.field("members", narrow, nullable=False), pa.array(plain, narrow)
    )
    older = older.replace_schema_metadata({**table.schema.metadata, b"corpusloom.version": b"1"})
    assert arrow.upgrade(SidecarRow, older).schema == arrow.schema(SidecarRow)
    expected = [dataclasses.replace(rows[0], members=(dataclasses.replace(members[0], crc32c=None),)), rows[1]]
    assert list(arrow.from_table(SidecarRow, older)) == expected
    assert arrow.upgrade(SidecarRow, older.select(["key"])).column_names == ["key"]
    assert tables.rows_digest(older, sort_by=["key"]) == tables.rows_digest(table, sort_by=["key"])


def test_maps_are_written_in_order_of_their_keys() -> None:
    row = SidecarRow(key="k", url="u", scores={"b": 1.0, "a": 2.0})
    assert arrow.to_table(SidecarRow, [row])["scores"].to_pylist() == [[("a", 2.0), ("b", 1.0)]]
    assert list(arrow.to_plain(row)["scores"]) == ["a", "b"]


def test_an_annotation_without_an_arrow_type_is_refused() -> None:
    with pytest.raises(TypeError, match="has no Arrow type here"):
        arrow.data_type(set[int])
    with pytest.raises(TypeError, match="has no Arrow type here"):
        arrow.data_type(dict[int, str])


def test_a_fixed_tuple_comes_back_from_json() -> None:
    @dataclasses.dataclass(frozen=True)
    class Bins:
        bars: tuple[tuple[float, float, int], ...]
        pair: tuple[int, str] | None = None

    globals()["Bins"] = Bins
    made = Bins(bars=((1.0, 2.0, 3),), pair=(1, "a"))
    assert arrow.from_plain(Bins, json.loads(json.dumps(arrow.to_plain(made)))) == made
    assert arrow.from_plain(Bins, {"bars": []}) == Bins(bars=())


def test_rows_without_a_record_are_refused_with_their_file() -> None:
    with pytest.raises(InputError, match=r"x\.parquet: holds no corpusloom rows, not LedgerRow"):
        arrow.upgrade(LedgerRow, pa.table({"a": [1]}), "x.parquet")


def test_a_head_of_version_1_gets_no_tokens_and_entries() -> None:
    head = Head(unit="pair", key="k", parent="p", url="u", paragraphs=("a",), frequent_paragraphs=("a",))
    old = arrow.to_table(Head, [head]).drop_columns(["tokens", "entries"])
    old = old.replace_schema_metadata({"corpusloom.record": "Candidate", "corpusloom.version": "1"})
    assert list(arrow.from_table(Head, old)) == [head]
    assert arrow.upgrade(Head, old).schema.names == arrow.schema(Head).names
    assert arrow.upgrade(Head, old.select(["key"])).column_names == ["key"]


def test_a_pair_of_version_2_gets_no_further_columns() -> None:
    pair = Pair(
        key="k", parent="p", page_url="", image_url="u", text="t", text_source="alt_text", cleaned=("html_tags",)
    )
    old = arrow.to_table(Pair, [pair]).drop_columns(["columns", "page_language", "original"])
    old = old.replace_schema_metadata({"corpusloom.record": "Pair", "corpusloom.version": "2"})
    assert list(arrow.from_table(Pair, old)) == [pair]
    assert arrow.upgrade(Pair, old).schema.names == arrow.schema(Pair).names


def test_a_pair_of_version_4_has_no_original_text() -> None:
    pair = Pair(key="k", parent="p", page_url="", image_url="u", text="t", text_source="alt_text", columns={"a": "b"})
    old = arrow.to_table(Pair, [pair]).drop_columns(["original"])
    old = old.replace_schema_metadata({"corpusloom.record": "Pair", "corpusloom.version": "4"})
    assert list(arrow.from_table(Pair, old)) == [pair]
    assert arrow.upgrade(Pair, old).schema.names == arrow.schema(Pair).names
