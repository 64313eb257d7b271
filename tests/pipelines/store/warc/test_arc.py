"""ARC files: every response is read as by warcio, and truncated files."""

import gzip
import io
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from corpusloom.pipelines.store.warc.arc import ArcHeader, parse_header, read_arc, read_arc_block
from corpusloom.pipelines.store.warc.responses import HtmlResponse, SkippedRecord
from corpusloom.schemas.verdicts import Dead, Rejected

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
FILEDESC = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"


def record(url: str, block: bytes, kind: str = "text/html") -> bytes:
    return f"{url} 192.0.2.1 20090102030405 {kind} {len(block)}\n".encode() + block + b"\n"


def write(path: Path, *records: bytes) -> list[bytes]:
    parts = [f"filedesc://x.arc 0.0.0.0 20090102030405 text/plain {len(FILEDESC)}\n".encode() + FILEDESC + b"\n"]
    parts += records
    path.write_bytes(b"".join(gzip.compress(part) for part in parts) if path.suffix == ".gz" else b"".join(parts))
    return parts


RECORDS = (
    record("http://a/1", HEAD + b"<p>one"),
    record("http://a/2", b"HTTP/1.1 404 Not Found\r\n\r\n"),
    record("http://a/3", HEAD.replace(b"text/html", b"image/png") + b"\x89PNG", "image/png"),
    record("http://a/4", HEAD + b"<p>\n\nfour"),
)


@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz"])
def test_every_response_is_read(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, *RECORDS)
    found = list(read_arc(str(tmp_path / name)))
    assert [row.url for row in found] == [f"http://a/{n}" for n in (1, 2, 3, 4)]
    pages = [row for row in found if isinstance(row, HtmlResponse)]
    assert [(page.body, page.fetched_at) for page in pages] == [
        (b"<p>one", "2009-01-02T03:04:05Z"),
        (b"<p>\n\nfour", "2009-01-02T03:04:05Z"),
    ]
    assert [row.verdict for row in found if isinstance(row, SkippedRecord)] == [
        Rejected("http_404"),
        Rejected("not_html"),
    ]
    with (tmp_path / name).open("rb") as handle:
        theirs = [r.rec_headers.get_header("uri") for r in ArchiveIterator(handle) if r.rec_type == "response"]
    assert theirs == [row.url for row in found]


@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz"])
def test_a_record_is_read_again_by_its_offset(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, *RECORDS)
    found = list(read_arc(str(tmp_path / name)))
    for row, data in zip(found, RECORDS, strict=True):
        again = read_arc_block(str(tmp_path / name), row.offset, 10_000)
        assert again is not None
        assert (again[0].url, again[1]) == (row.url, data.partition(b"\n")[2][:-1])
    assert [row.image for row in found if isinstance(row, SkippedRecord)] == [False, True]
    assert read_arc_block(str(tmp_path / name), (tmp_path / name).stat().st_size, 100) is None


def test_an_image_inside_a_single_gzip_member_cannot_be_read_again(tmp_path: Path) -> None:
    parts = write(tmp_path / "x.arc", *RECORDS)
    (tmp_path / "x.arc.gz").write_bytes(gzip.compress(b"".join(parts)))
    found = list(read_arc(str(tmp_path / "x.arc.gz")))
    assert [row.url for row in found] == [f"http://a/{n}" for n in (1, 2, 3, 4)]
    assert not any(row.image for row in found if isinstance(row, SkippedRecord))


@pytest.mark.parametrize(
    ("line", "url", "date", "length"),
    [
        ("http://a/1 192.0.2.1 20090102030405 text/html 12", "http://a/1", "20090102030405", 12),
        ("http://a/b c d 192.0.2.1 20090102030405 text/html 12", "http://a/b%20c%20d", "20090102030405", 12),
        ("http://a/1 192.0.2.1 20090102030405 text/html; charset=utf-8 12", "http://a/1", "20090102030405", 12),
        ("http://a/b c 192.0.2.1 20090102030405 text/html; a b 12", "http://a/b%20c", "20090102030405", 12),
        ("http://a/1  192.0.2.1   20090102030405   12", "http://a/1", "20090102030405", 12),
        ("http://a/1 192.0.2.1 20090102030405 12 ", "http://a/1", "20090102030405", 12),
        ("http://a/1 20090102030405 text/html 12", "http://a/1", "20090102030405", 12),
        ("http://a/1 - 20090102030405 text/html 12", "http://a/1", "20090102030405", 12),
        ("http://a/1 2001:db8::1 20090102030405 text/html 200 sum - 88 x.arc 12", "http://a/1", "20090102030405", 12),
        (
            "http://a/20010101010101 x 192.0.2.1 20090102030405 a 12",
            "http://a/20010101010101%20x",
            "20090102030405",
            12,
        ),
        ("http://a/ 20010101010101 192.0.2.1 20090102030405 a 12", "http://a/%2020010101010101", "20090102030405", 12),
        ("http://a/1 192.0.2.1 2009010203040599 text/html 12", "http://a/1", "20090102030405", 12),
        ("http://a/1 192.0.2.1 unknown text/html 12", "http://a/1", "", 12),
    ],
)
def test_blanks_in_a_header_line(line: str, url: str, date: str, length: int) -> None:
    assert parse_header(line) == ArcHeader(url, date, length, None)


@pytest.mark.parametrize("line", ["", "http://a/1", "http://a/1 12", "http://a/1 192.0.2.1 20090102030405 text/html x"])
def test_another_line_is_no_header(line: str) -> None:
    with pytest.raises(ValueError, match="no ARC header"):
        parse_header(line)


def test_blank_lines_between_records_and_answers_of_dns(tmp_path: Path) -> None:
    dns = record("dns:a.example", b"20090102030405\na.example. 60 IN A 192.0.2.1\n", "text/dns")
    write(tmp_path / "x.arc.gz", b"\n\n" + RECORDS[0], b"\n", dns + b"\n\n", RECORDS[3])
    found = list(read_arc(str(tmp_path / "x.arc.gz")))
    assert [row.url for row in found] == ["http://a/1", "dns:a.example", "http://a/4"]
    assert [row.verdict for row in found if isinstance(row, SkippedRecord)] == [Rejected("not_http")]


@pytest.mark.parametrize("cut", [1, 5, 40, 150])
def test_a_cut_is_one_dead_outcome(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "x.arc"
    write(path, *RECORDS)
    path.write_bytes(path.read_bytes()[: -1 - cut])
    *whole, last = read_arc(str(path))
    assert isinstance(last, SkippedRecord)
    assert isinstance(last.verdict, Dead)
    assert last.verdict.error == "truncated_warc"
    assert [row.url for row in whole] == [f"http://a/{n + 1}" for n in range(len(whole))]


def test_nonsense_is_one_dead_outcome(tmp_path: Path) -> None:
    path = tmp_path / "x.arc"
    path.write_bytes(io.BytesIO(b"\x00\xff" * 500).getvalue())
    (row,) = read_arc(str(path))
    assert isinstance(row, SkippedRecord)
