"""Texts are read from Parquet, JSONL and text, and what cannot be read is named."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpusloom.pipelines.datasets.metadata.corpus import find_files, read_texts
from corpusloom.schemas.errors import InputError


def test_each_format_gives_the_same_texts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["one\ntwo", None, "three"]}), tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text('{"body": "one\\ntwo"}\n{"body": "three", "x": 1}\n')
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"one two\nthr\xffee\n"))
    assert list(read_texts(str(tmp_path / "a.parquet"), "body")) == ["one\ntwo", "three"]
    assert list(read_texts(str(tmp_path / "b.jsonl"), "body")) == ["one\ntwo", "three"]
    assert list(read_texts(str(tmp_path / "c.txt.gz"), "body")) == ["one two\n", "thr\ufffdee\n"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"body": "y"}\n', "line 2 is no JSON object with the key 'text'"),
        ("a.jsonl", b'{"text": 3}\n', "line 1: 'text' is no text"),
        ("a.txt.gz", gzip.compress(b"x" * 999, mtime=0)[:-9], "is damaged"),
        ("a.txt.gz", b"no gzip", "is damaged"),
        ("a.parquet", b"no Parquet", "a.parquet"),
    ],
)
def test_what_cannot_be_read_is_an_input_error(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Exception, match=told) as raised:
        list(read_texts(str(tmp_path / name), "text"))
    assert hasattr(raised.value, "remedy")


def test_a_column_that_is_absent_or_holds_no_text_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": [1], "other": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column 'text' \(--text-column takes one of body, other\)"):
        list(read_texts(str(tmp_path / "a.parquet"), "text"))
    with pytest.raises(InputError, match="column 'body' holds int64"):
        list(read_texts(str(tmp_path / "a.parquet"), "body"))


def test_files_are_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text("x")
    found = find_files([f"{tmp_path}/b.txt", f"{tmp_path}/*.txt"])
    assert [Path(path).name for path in found] == ["a.txt", "b.txt"]
