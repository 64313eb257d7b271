"""Each line of CSV or TSV is in one row; a quote that does not close costs its own line alone."""

import csv
import io
import random

import pytest

from corpusloom.pipelines.store.lists import delimited
from corpusloom.pipelines.store.lists.delimited import DelimitedRows
from corpusloom.schemas.verdicts import Rejected

URL = "http://a.example"


def rows_of(text: str, *, tabs: bool = False, url_cell: int = 0) -> list[tuple[int, list[str] | str]]:
    """Return line and cells, or line and reason, of each row after the header."""
    rows = DelimitedRows((line.decode() for line in io.BytesIO(text.encode())), "\t" if tabs else ",")
    return [(row.line, row.fault.reason if row.fault else row.cells) for row in rows.rows(url_cell)]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f"{URL}/1,a\r\n{URL}/2,b", [(2, [f"{URL}/1", "a"]), (3, [f"{URL}/2", "b"])]),
        (f'{URL}/1,"a, b"\n', [(2, [f"{URL}/1", "a, b"])]),
        (f'{URL}/1,"one\ntwo"\n{URL}/2,b\n', [(2, [f"{URL}/1", "one\ntwo"]), (4, [f"{URL}/2", "b"])]),
        (f'{URL}/1,"say ""hi"""\n', [(2, [f"{URL}/1", 'say "hi"'])]),
        (f'{URL}/1,a 5" pipe\n', [(2, [f"{URL}/1", 'a 5" pipe'])]),
        (f"{URL}/1,a cat, asleep\n{URL}/2,b\n", [(2, "too_many_cells"), (3, [f"{URL}/2", "b"])]),
        (f"{URL}/1\n{URL}/2,b\n", [(2, "too_few_cells"), (3, [f"{URL}/2", "b"])]),
        (f"\n{URL}/1,a\n\n", [(3, [f"{URL}/1", "a"])]),
        (f'{URL}/1,"a\n{URL}/2,b\n{URL}/3,c\n', [(2, "unbalanced_quote"), *((n, [f"{URL}/{n - 1}", x]) for n, x in
                                                                           ((3, "b"), (4, "c")))]),
        (f'{URL}/1,"a\n{URL}/2,"b"\n', [(2, "unbalanced_quote"), (3, [f"{URL}/2", "b"])]),
        (f'{URL}/1,"a\n{URL}/2,b"\n', [(2, "unbalanced_quote"), (3, [f"{URL}/2", 'b"'])]),
        (f'{URL}/1,"a" b\n{URL}/2,b\n', [(2, "unbalanced_quote"), (3, [f"{URL}/2", "b"])]),
        (f"{URL}/1,a\rb\n{URL}/2,b\n", [(2, "unreadable_row"), (3, [f"{URL}/2", "b"])]),
        (f'{URL}/1,"a\nsee {URL}"\n', [(2, [f"{URL}/1", f"a\nsee {URL}"])]),
    ],
)  # fmt: skip
def test_a_row_is_whole_or_bad_and_the_next_one_is_read(body: str, found: list[object]) -> None:
    assert rows_of(f"url,text\n{body}") == found


def test_the_url_may_be_the_last_cell() -> None:
    good = f'"one\ntwo",{URL}/1\n'
    assert rows_of(f'text,url\n{good}"a,{URL}/2\nb,{URL}/3\n{good}', url_cell=1) == [
        (2, ["one\ntwo", f"{URL}/1"]), (4, "unbalanced_quote"), (5, ["b", f"{URL}/3"]), (6, ["one\ntwo", f"{URL}/1"]),
    ]  # fmt: skip
    assert rows_of(f'text,url\n"a,{URL}/2\nb",{URL}/3\n', url_cell=1)[0] == (2, "unbalanced_quote")


def test_a_fault_tells_how_many_cells_there_are() -> None:
    rows = DelimitedRows(iter([f"url,text\n{URL}/1,a,b\n".splitlines(keepends=True)[n] for n in (0, 1)]), ",")
    assert [row.fault for row in rows.rows(0)] == [Rejected("too_many_cells", 3.0, 2.0)]


def test_one_unbalanced_quote_in_2000_lines_loses_one_row() -> None:
    lines = [f"{URL}/{n},caption of image {n}\n" for n in range(2_000)]
    lines[700] = f'{URL}/700,"caption of image 700\n'
    found = rows_of("url,text\n" + "".join(lines))
    assert [row for row in found if isinstance(row[1], str)] == [(702, "unbalanced_quote")]
    assert len(found) == 2_000


@pytest.mark.parametrize("seed", range(20))
def test_what_csv_writes_is_read_and_no_line_is_lost_if_quotes_are_dropped(seed: int) -> None:
    draw = random.Random(seed)
    written = io.StringIO(newline="")
    captions = ["".join(draw.choices('ab ",\n', k=draw.randrange(1, 12))) + "x" for _ in range(200)]
    csv.writer(written).writerows([("url", "text"), *((f"{URL}/{n}", caption) for n, caption in enumerate(captions))])
    text = written.getvalue()
    assert [cells for _, cells in rows_of(text)] == [[f"{URL}/{n}", caption] for n, caption in enumerate(captions)]
    broken = "".join(sign for sign in text if sign != '"' or draw.random() > 0.02)
    rows, lines = rows_of(broken), broken.splitlines(keepends=True)
    ends = [line for line, _ in rows][1:] + [len(broken.split("\n"))]
    for (line, cells), end in zip(rows, ends, strict=True):
        spanned = broken.split("\n")[line - 1 : end - 1]
        assert spanned, lines
        if isinstance(cells, str):
            assert not any(spanned[1:]), "a bad row is one line, and blank lines are none"


def test_a_quote_is_bounded_in_lines_and_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'url,text\n{URL}/1,"' + "line\n" * 10 + '"\n'
    assert rows_of(text) == [(2, [f"{URL}/1", "line\n" * 10])]
    for name in ("MAX_ROW_LINES", "MAX_LINE"):
        with monkeypatch.context() as patch:
            patch.setattr(delimited, name, 5)
            assert rows_of(text)[0] == (2, "unbalanced_quote")
            assert len(rows_of(text)) == 11


def test_lines_that_cannot_be_decoded_are_rows_too() -> None:
    lines: list[str | None] = ["url,text\n", None, f'{URL}/1,"a\n', None, f"{URL}/2,b\n"]
    rows = DelimitedRows(iter(lines), ",")
    found = [(row.line, row.fault.reason if row.fault else row.cells) for row in rows.rows(0)]
    assert found == [(2, "unreadable_row"), (3, "unbalanced_quote"), (4, "unreadable_row"), (5, [f"{URL}/2", "b"])]


def test_tsv_has_quotes_only_if_its_header_has() -> None:
    assert rows_of(f'url\ttext\n{URL}/1\t"a\n{URL}/2\tb, c\n', tabs=True) == [
        (2, [f"{URL}/1", '"a']), (3, [f"{URL}/2", "b, c"]),
    ]  # fmt: skip
    assert rows_of(f'"url"\t"text"\n"{URL}/1"\t"a\tb\nc"\n', tabs=True) == [(2, [f"{URL}/1", "a\tb\nc"])]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"say ""hi"" to all"', 'say "hi" to all'),
        ('"""hi"""', '"hi"'),
        ('"all quoted"', '"all quoted"'),
        ('"one" and "two"', '"one" and "two"'),
        ('"a ""b"" c" d"', '"a ""b"" c" d"'),
        ('a ""b""', 'a ""b""'),
        ('"', '"'),
        ('""', '""'),
    ],
)
def test_a_cell_of_tsv_is_quoted_if_its_inner_quotes_are_doubled(cell: str, text: str) -> None:
    assert rows_of(f"url\ttext\n{URL}/1\t{cell}\n", tabs=True) == [(2, [f"{URL}/1", text])]


@pytest.mark.parametrize(
    ("first", "header"), [(None, []), ("", []), ('"url\n', []), (" url , text\n", ["url", "text"])]
)
def test_the_header_has_names_without_blanks_or_none(first: str | None, header: list[str]) -> None:
    assert DelimitedRows(iter([first]), ",").header == header
