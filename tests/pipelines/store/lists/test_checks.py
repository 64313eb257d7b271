"""Lists that cannot be used are refused before any work, with the column and its type."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.store.lists.checks import check_lists
from corpusloom.pipelines.store.lists.list_config import ListConfig
from corpusloom.schemas.errors import ConfigError, InputError

CONFIG = ListConfig(caption_column="text")
URLS = ["http://a/1", "http://a/2"]


def parquet(folder: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return str(folder / "a.parquet")


def text_file(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([["a cat"], ["a dog", "it"]], r"column 'text' holds lists \(list<.*, not text"),
        ([1, 2], "column 'text' holds values of type int64, not text"),
        ([1.5, None], "column 'text' holds values of type double, not text"),
        ([b"a cat", b"a dog"], r"column 'text' holds bytes \(binary\), not text"),
        ([None, None], "column 'text' holds only nulls, not text"),
        ([{"en": "a"}, {"en": "b"}], "column 'text' holds values of type struct"),
    ],
)
def test_a_parquet_column_that_is_not_text_is_refused(tmp_path: Path, texts: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_lists([parquet(tmp_path, url=URLS, text=texts)], CONFIG)
    with pytest.raises(InputError, match=message.replace("text' holds", "url' holds")):
        check_lists([parquet(tmp_path, url=texts, text=URLS)], CONFIG)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_arrow_type_of_text_is_taken(tmp_path: Path, kind: pa.DataType) -> None:
    assert check_lists([parquet(tmp_path, url=pa.array(URLS, kind), text=pa.array(["a", None], kind))], CONFIG) == []


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(URLS)] * 3, names=["url", "text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns are called 'text'"):
        check_lists([str(tmp_path / "a.parquet")], CONFIG)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"url": "u", "text": ["a"]}, {"url": "u", "text": 3}], "column 'text' holds lists and numbers, not text"),
        ([{"url": 3, "text": "a"}], "column 'url' holds numbers, not text"),
        ([{"url": "u", "caption": "a"}], r"no column 'text' \(its columns are url, caption\)"),
        ([{"url": "u", "text": ["a"]}, {"url": "u", "text": "b"}], None),
        ([{"url": "u", "text": None}], None),
        ([{"url": "u"}, {"url": "u", "text": "b"}], None),
    ],
)
def test_jsonl_is_refused_if_no_row_has_text(tmp_path: Path, rows: list[dict[str, Any]], message: str | None) -> None:
    path = text_file(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    if message is None:
        assert check_lists([path], CONFIG) == []
    else:
        with pytest.raises(InputError, match=message):
            check_lists([path], CONFIG)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "url,caption\n", "no column 'text'"),
        ("a.csv", "", r"is empty \(the list needs a row per image"),
        ("a.csv", "\n", "no column 'url' .*check its header"),
        ("a.csv", "url,text\n", "holds no row"),
        ("a.csv", "url,text,text\nhttp://a/,b,c\n", "two columns are called 'text'"),
        ("a.tsv", "url\turl\ttext\nhttp://a/\tb\tc\n", "two columns are called 'url'"),
        ("a.jsonl", "\n", "holds no row"),
        ("a.jsonl", '[{"url": "http://a/", "text": "b"}]\n', "no row is a JSON object .*name an array .json"),
        ("a.json", '[{"url": "http://a/"}]', r"no column 'text' \(its columns are url"),
        ("a.json", '{"url": ["http://a/"], "text": [7]}', "column 'text' holds numbers, not text"),
        ("a.json", "[]", "holds no row"),
        ("a.json", "nonsense", "no JSON"),
        ("a.parquet", "nonsense", r"not a readable Parquet file.*write the list again"),
    ],
)
def test_a_list_without_rows_or_with_wrong_columns_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_lists([text_file(tmp_path, name, text)], CONFIG)


def test_one_of_several_lists_may_be_empty(tmp_path: Path) -> None:
    paths = [text_file(tmp_path, "a.csv", "url,text\n"), text_file(tmp_path, "b.csv", "url,text\nhttp://a/,b\n")]
    assert check_lists(paths, CONFIG) == []
    with pytest.raises(ConfigError, match="unknown format"):
        check_lists([*paths, "a.doc"], CONFIG)


def test_a_list_of_windows_1252_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("url,text\nhttp://a/,une fenêtre\n".encode("cp1252"))
    (warning,) = check_lists([str(path)], CONFIG)
    assert "a.csv is not UTF-8: it is read as Windows-1252" in warning
    assert check_lists([str(path)], ListConfig(caption_column="text", list_encoding="latin-1")) == []
