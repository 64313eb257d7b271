"""URL lists: every format gives the same rows, and every bad row an outcome."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpusloom.pipelines.store.lists.checks import check_lists
from corpusloom.pipelines.store.lists.list_config import ListConfig, PairListConfig
from corpusloom.pipelines.store.lists.list_rows import (
    BadRow,
    ListRow,
    read_list,
)
from corpusloom.pipelines.store.lists.text_lines import MAX_LINE
from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.schemas.verdicts import Rejected

ROWS = [("http://a.example/1.jpg", "a cat"), ("http://grün.example/2.jpg", 'a "dog", two\tlines')]
CONFIG = ListConfig(url_column="URL", caption_column="TEXT")


def write(folder: Path, name: str) -> str:
    path = folder / name
    columns = {"n": [1, 2], "URL": [url for url, _ in ROWS], "TEXT": [text.replace("\t", " ") for _, text in ROWS]}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if name.endswith("parquet"):
        pq.write_table(pa.table(columns), path)
    elif name.endswith("json"):
        path.write_text(json.dumps(rows))
    elif name.endswith("jsonl"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    elif name.endswith("tsv"):
        path.write_text("n\tURL\tTEXT\n" + "".join("\t".join(map(str, row.values())) + "\n" for row in rows))
    else:
        quoted = ['"' + str(row["TEXT"]).replace('"', '""') + '"' for row in rows]
        path.write_text(
            "﻿n,URL,TEXT\r\n" + "".join(f"{r['n']},{r['URL']},{q}\r\n" for r, q in zip(rows, quoted, strict=True))
        )
    return str(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    assert list(read_list(write(tmp_path, name), CONFIG)) == [
        ListRow(number=n, url=url, caption=text.replace("\t", " ")) for n, (url, text) in enumerate(ROWS)
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
@pytest.mark.parametrize(("end", "compress"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_compressed_list_gives_the_rows_of_the_plain_one(
    tmp_path: Path, name: str, end: str, compress: Callable[[bytes], bytes]
) -> None:
    plain = Path(write(tmp_path, name))
    packed = tmp_path / f"{name}{end}"
    packed.write_bytes(compress(plain.read_bytes()))
    assert list(read_list(str(packed), CONFIG)) == list(read_list(str(plain), CONFIG)) != []


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_of_a_csv_is_found_in_its_header(tmp_path: Path, delimiter: str) -> None:
    text = delimiter.join(["n", "url", "text"]) + "\n" + delimiter.join(["1", "http://a/1.jpg", "a cat"]) + "\n"
    assert rows_of(tmp_path / "a.csv", text, caption_column="text") == [
        ListRow(number=0, url="http://a/1.jpg", caption="a cat")
    ]


def test_a_list_without_a_header_needs_names_and_the_error_says_which(tmp_path: Path) -> None:
    text = "a cat on a mat\thttp://a/1.jpg\na dog\thttp://a/2.jpg\n"
    with pytest.raises(InputError, match=r"first line is a row, not a header.*--column-names caption url"):
        rows_of(tmp_path / "a.tsv", text, caption_column="caption")
    names = {"caption_column": "caption", "column_names": ("caption", "url")}
    found = rows_of(tmp_path / "a.tsv", text, **names)
    assert [(row.place, row.caption) for row in found] == [("line 1", "a cat on a mat"), ("line 2", "a dog")]  # type: ignore[union-attr]
    assert rows_of(tmp_path / "b.tsv", "caption\turl\n" + text, **names) == found


def test_a_text_list_with_a_delimiter_has_columns(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "a.txt", "1 http://a/\n", delimiter=" ", column_names=("n", "url"))
    assert found == [ListRow(number=0, url="http://a/")]


@pytest.mark.parametrize(
    ("text", "name", "remedy"),
    [
        ("URL,TEXT\n", "url", "did you mean URL\\? its columns are URL, TEXT"),
        ("image_url,TEXT\n", "imageurl", "did you mean image_url"),
        ("a,b\n", "url", "\\(its columns are a, b\\)"),
    ],
)
def test_a_column_that_is_not_there_names_the_nearest(tmp_path: Path, text: str, name: str, remedy: str) -> None:
    with pytest.raises(InputError, match=f"no column '{name}'.*{remedy}"):
        rows_of(tmp_path / "a.csv", text, url_column=name)


@pytest.mark.parametrize(("name", "place"), [("a.parquet", "row 2"), ("a.csv", "line 3"), ("a.jsonl", "line 2")])
def test_a_row_has_its_place_in_the_file(tmp_path: Path, name: str, place: str) -> None:
    assert [row.place for row in read_list(write(tmp_path, name), CONFIG)][1] == place


def test_text_has_a_url_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("http://a/\n\nhttp://b/")
    rows = list(read_list(str(tmp_path / "a.txt"), ListConfig()))
    assert [row.url if isinstance(row, ListRow) else row.verdict.reason for row in rows] == [
        "http://a/", "no_url", "http://b/",
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.txt"])
def test_lines_end_as_the_first_line_does(tmp_path: Path, name: str, end: str, encoding: str) -> None:
    separator = "\t" if name == "a.tsv" else ","
    lines = {
        "a.jsonl": ['{"URL": "http://a/", "TEXT": "a"}', '{"URL": "http://b/", "TEXT": "b"}'],
        "a.txt": ["http://a/", "http://b/"],
    }.get(name, [f"URL{separator}TEXT", f"http://a/{separator}a", f"http://b/{separator}b"])
    (tmp_path / name).write_bytes("".join(line + end for line in lines).encode(encoding))
    captions = [None, None] if name == "a.txt" else ["a", "b"]
    assert list(read_list(str(tmp_path / name), CONFIG if name != "a.txt" else ListConfig())) == [
        ListRow(number=n, url=f"http://{host}/", caption=captions[n]) for n, host in enumerate("ab")
    ]


LOST = "unreadable_row"
BAD = b"\xff\xfe bytes"


@pytest.mark.parametrize(
    ("name", "data", "reasons"),
    [
        ("a.jsonl", b'{"url": 3}\n[1]\nno\n{"url": "http://a/"}\n' + BAD, ["url_not_text", LOST, LOST, None, LOST]),
        ("a.csv", b"url,x\nhttp://a/,1\n,2\n" + BAD + b",1\n", [None, "no_url", "unreadable_row"]),
        ("a.tsv", b"x\turl\n1\n2\thttp://a/\n3\thttp://b/\tc\n", ["too_few_cells", None, "too_many_cells"]),
        ("a.txt", b"a" * (MAX_LINE + 10) + b"\nhttp://a/\x00\nhttp://a/\n", ["unreadable_row", "bad_url", None]),
        ("a.txt", b"http://a/\nhttp://b/\rhttp://c/\n", [None, "bad_url"]),
        ("a.csv", b"x,url\na,http://a/\na\rb,http://b/\na,http://c/\n", [None, LOST, None]),
    ],
)  # fmt: skip
def test_each_bad_row_has_its_reason(tmp_path: Path, name: str, data: bytes, reasons: list[str | None]) -> None:
    (tmp_path / name).write_bytes(data)
    rows = list(read_list(str(tmp_path / name), ListConfig()))
    assert [row.verdict.reason if isinstance(row, BadRow) else None for row in rows] == reasons
    assert [row.number for row in rows] == list(range(len(rows)))


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="URL"):
        list(read_list(write(tmp_path, "a.parquet"), ListConfig(url_column="link")))
    with pytest.raises(ConfigError, match="format"):
        read_list(str(tmp_path / "a.doc"), CONFIG)


def test_memory_does_not_grow_with_a_list(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("http://a.example/some/long/path.jpg\n" * 100_000)
    tracemalloc.start()
    count = sum(1 for _ in read_list(str(path), ListConfig()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert peak < 4 << 20


def rows_of(path: Path, text: str, **columns: object) -> list[ListRow | BadRow]:
    path.write_text(text)
    return list(read_list(str(path), ListConfig(**columns)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("caption", "reason"),
    [("7", "caption_not_text"), ('["a cat"]', "caption_not_text")],
)
def test_a_caption_that_is_no_text_is_bad_where_one_is_wanted(tmp_path: Path, caption: str, reason: str) -> None:
    text = f'{{"url": "http://a/", "text": {caption}}}'
    assert rows_of(tmp_path / "a.jsonl", text, caption_column="text") == [
        BadRow(number=0, verdict=Rejected(reason), text="http://a/", line=1)
    ]
    assert rows_of(tmp_path / "a.jsonl", text) == [ListRow(number=0, url="http://a/")]


@pytest.mark.parametrize(("caption", "found"), [("null", None), ('""', ""), ('"  "', "  ")])
def test_whether_a_row_needs_a_caption_is_the_recipe_s_to_say(tmp_path: Path, caption: str, found: str | None) -> None:
    text = f'{{"url": "http://a/", "text": {caption}}}'
    (row,) = rows_of(tmp_path / "a.jsonl", text, caption_column="text")
    assert row == ListRow(number=0, url="http://a/", caption=found)


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.jsonl", '{"url": "http://a/\\ud800", "text": "\\udfff ü"}', caption_column="text")
    assert row == ListRow(number=0, url="http://a/?", caption="? ü")


def test_the_text_of_a_bad_row_is_its_beginning(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.txt", "http://a/\x00" + "x" * 200)
    assert (row.verdict.reason, len(row.text)) == ("bad_url", 80)  # type: ignore[union-attr]


def test_a_text_list_has_no_captions(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a text list has only URLs"):
        rows_of(tmp_path / "a.txt", "http://a/", caption_column="x")


def test_an_empty_list_has_no_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'url'"):
        rows_of(tmp_path / "a.csv", "")
    assert rows_of(tmp_path / "b.csv", "url\n") == []


def test_a_quoted_line_break_is_part_of_its_value(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "a.csv", 'url,text\nhttp://a/,"one\ntwo"\n', caption_column="text")
    assert row == ListRow(number=0, url="http://a/", caption="one\ntwo")


def test_a_damaged_parquet_list_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"url": [f"http://a/{n}" for n in range(20_000)]}), path, row_group_size=10_000,
                   compression="none", use_dictionary=False)  # fmt: skip
    data = bytearray(path.read_bytes())
    place = data.find(b"http://a/15000")
    data[place - 4 : place] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged after row \d+"):
        list(read_list(str(path), ListConfig()))


def test_a_bad_row_names_its_line_or_in_parquet_its_row(tmp_path: Path) -> None:
    bad = [row for row in rows_of(tmp_path / "a.csv", "url,x\n\nhttp://a/,1\nhttp://b/\n") if isinstance(row, BadRow)]
    assert [(row.number, row.place, row.verdict) for row in bad] == [(1, "line 4", Rejected("too_few_cells", 1.0, 2.0))]
    pq.write_table(pa.table({"url": ["http://a/", None]}), tmp_path / "a.parquet")
    (_, last) = read_list(str(tmp_path / "a.parquet"), ListConfig())
    assert isinstance(last, BadRow)
    assert (last.verdict, last.place) == (Rejected("no_url"), "row 2")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp1252", "utf-8-sig"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_list_is_read_in_other_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    caption, separator = "une fenêtre à Málaga, là", "\t" if name == "a.tsv" else ","
    text = f"url{separator}text\nhttp://a/{separator}{caption if separator != ',' else chr(34) + caption + chr(34)}\n"
    if name == "a.jsonl":
        text = json.dumps({"url": "http://a/", "text": caption}, ensure_ascii=False)
    (tmp_path / name).write_bytes(text.encode(encoding))
    rows = list(read_list(str(tmp_path / name), ListConfig(caption_column="text")))
    assert rows == [ListRow(number=0, url="http://a/", caption=caption)]


def test_a_list_is_read_in_an_encoding_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("url,text\nhttp://a/,猫の写真\n".encode("shift_jis"))
    config = ListConfig(caption_column="text", list_encoding="shift_jis")
    assert [row.caption for row in read_list(str(tmp_path / "a.csv"), config) if isinstance(row, ListRow)] == [
        "猫の写真"
    ]


KEPT = PairListConfig(url_column="URL", caption_column="TEXT", keep_columns=("similarity", "tags", "size"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "size,URL,tags,TEXT,similarity\n,http://a/1.png,x,a cat,0.5\n"),
        ("a.tsv", "URL\tTEXT\tsimilarity\ttags\tsize\nhttp://a/1.png\ta cat\t0.5\tx\t\n"),
        ("a.jsonl", '{"URL": "http://a/1.png", "TEXT": "a cat", "similarity": 0.5, "tags": "x", "size": null}\n'),
    ],
)
def test_further_columns_are_kept_as_text_from_every_format(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    (row,) = read_list(str(tmp_path / name), KEPT)
    assert isinstance(row, ListRow)
    assert row.columns == {"similarity": "0.5", "tags": "x"}
    assert (row.url, row.caption) == ("http://a/1.png", "a cat")


def test_further_columns_of_parquet_may_have_any_type(tmp_path: Path) -> None:
    table = pa.table(
        {"URL": ["http://a/1.png"], "TEXT": ["a cat"], "similarity": [0.25], "tags": [[1, 2]], "size": [True]}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    (row,) = read_list(str(tmp_path / "a.parquet"), KEPT)
    assert isinstance(row, ListRow)
    assert row.columns == {"similarity": "0.25", "tags": "[1, 2]", "size": "true"}
    assert check_lists([str(tmp_path / "a.parquet")], KEPT) == []


def test_a_further_column_that_is_missing_is_named_with_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("URL,TEXT,punsafe\nhttp://a/1.png,a cat,0\n")
    with pytest.raises(InputError, match=r"no column 'similarity'.*URL, TEXT, punsafe"):
        check_lists([str(tmp_path / "a.csv")], KEPT)
