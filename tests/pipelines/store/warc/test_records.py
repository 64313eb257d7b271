"""Records of WARCs whose lines end with LF, as ClueWeb09's do, and their dates."""

import gzip
import io
import re
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator

from corpusloom.pipelines.store.warc import records
from corpusloom.pipelines.store.warc.records import date_of, has_line_feeds, record_at, warc_records
from tests.pipelines.store.warc.warc_files import HEAD, write

BODIES = [b"<p>one\n\n<p>a", b"<p>two", b"<p>three\nWARC/1.0 in a text", b"<p>four"]


def record(number: int, *, wrong: int = 0, version: str = "WARC/0.18", gap: bytes = b"\n\n", extra: str = "") -> bytes:
    """Return a record as ClueWeb09 has it; its length is wrong by some bytes."""
    block = b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n" + BODIES[number]
    head = (
        f"{version}\nWARC-Type: response\nWARC-Target-URI: http://a/{number}{extra}\n"
        f"WARC-Date: 2009-03-65T08:43:19-0800\n"
        f"WARC-Record-ID: <urn:uuid:{number}>\nWARC-TREC-ID: clueweb09-{number}\n"
        f"Content-Type: application/http;msgtype=response\nWARC-Identified-Payload-Type: \n"
        f"Content-Length: {len(block) + wrong}\n\n"
    )
    return head.encode() + block + gap


def file(kind: str, parts: list[bytes]) -> bytes:
    if kind == "members":
        return b"".join(map(gzip.compress, parts))
    return gzip.compress(b"".join(parts)) if kind == "one member" else b"".join(parts)


def read(data: bytes) -> list[tuple[str, bytes]]:
    """Return URL and body of each record."""
    return [
        (item.headers["WARC-Target-URI"], item.reader.read().partition(b"\n\n")[2].rstrip(b"\n"))
        for _, item in warc_records(io.BytesIO(data))
    ]


def with_crlf(url: str, body: bytes) -> bytes:
    """Return a record as the standard has it."""
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


EXPECTED = [(f"http://a/{number}", body) for number, body in enumerate(BODIES)]


@pytest.mark.parametrize("kind", ["plain", "members", "one member"])
@pytest.mark.parametrize("wrong", [0, 1, 5, 12, 20, 28, 60, 280, -1, -4])
@pytest.mark.parametrize("gap", [b"\n\n", b"\n", b"\n\n\n\n"])
def test_every_record_is_read_though_its_length_is_wrong(kind: str, wrong: int, gap: bytes) -> None:
    parts = [record(number, wrong=wrong if number != 3 else 0, gap=gap) for number in range(4)]
    assert read(file(kind, parts)) == EXPECTED


@pytest.mark.parametrize("kind", ["plain", "members"])
@pytest.mark.parametrize("crlf", [(True, False, True), (True, True, False), (False, True, False)])
def test_line_ends_may_change_between_records(kind: str, crlf: tuple[bool, ...]) -> None:
    parts = [with_crlf(f"http://a/{number}", BODIES[1]) if crlf[number] else record(number) for number in range(3)]
    data = file(kind, parts)
    found = list(warc_records(io.BytesIO(data)))
    assert [item.headers["WARC-Target-URI"] for _, item in found] == [f"http://a/{number}" for number in range(3)]
    assert [offset for offset, _ in found] == [len(file(kind, parts[:number])) for number in range(3)]


def test_line_ends_that_change_inside_a_gzip_member_are_an_error() -> None:
    records_ = warc_records(io.BytesIO(file("one member", [with_crlf("http://a/0", b""), record(1)])))
    assert next(records_)[1].headers["WARC-Target-URI"] == "http://a/0"
    with pytest.raises(ValueError, match="line ends of records change inside a compressed member"):
        next(records_)


def test_a_last_record_that_is_too_short_is_an_error_unless_its_gzip_member_is_whole() -> None:
    parts = [record(0), record(1, wrong=50)]
    with pytest.raises(EOFError):
        read(file("plain", parts))
    for kind in ("members", "one member"):
        assert read(file(kind, parts)) == EXPECTED[:2]
        with pytest.raises(EOFError):
            read(file(kind, parts)[:-1])


@pytest.mark.parametrize("kind", ["plain", "members", "one member"])
def test_a_record_is_found_again_by_its_offset(kind: str) -> None:
    data = file(kind, [record(number) for number in range(4)])
    offsets = [offset for offset, _ in warc_records(io.BytesIO(data))]
    for number, offset in enumerate(offsets):
        if kind == "one member" and number:
            assert offset is None
            continue
        assert offset is not None
        found = record_at(io.BytesIO(data), offset)
        assert found is not None
        assert found.headers["WARC-Target-URI"] == f"http://a/{number}"
    assert record_at(io.BytesIO(data), len(data)) is None
    assert record_at(io.BytesIO(data), 7) is None


def test_a_line_feed_in_a_header_is_no_end_of_the_header() -> None:
    assert [url for url, _ in read(record(0, extra="\nb") + record(1))] == ["http://a/0", "http://a/1"]


def test_records_of_other_files_are_those_of_fastwarc(tmp_path: Path) -> None:
    for name in ("a.warc", "a.warc.gz"):
        data = write(tmp_path / name, *((f"http://a/{number}", HEAD, b"<p>") for number in range(3)))
        assert not has_line_feeds(io.BytesIO(data))
        theirs = [(item.stream_pos, item.record_id) for item in ArchiveIterator(io.BytesIO(data), parse_http=False)]
        assert [(offset, item.record_id) for offset, item in warc_records(io.BytesIO(data))] == theirs


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"WARC/1.0\nWARC-Type: x", True),
        (b"\n\nWARC/0.18\n", True),
        (gzip.compress(b"WARC/1.1\n", mtime=0), True),
        (b"WARC/1.0\r\n", False),
        (b"WARC/1.0", True),
        (b"<html>\n", False),
        (b"", False),
        (b"\x1f\x8bbroken", False),
    ],
)
def test_line_ends_are_those_of_the_first_line(data: bytes, found: bool) -> None:
    handle = io.BytesIO(data)
    assert has_line_feeds(handle) == found
    assert handle.tell() == 0


def test_a_block_beyond_the_limit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_BLOCK", 50)
    found = read(record(2) + record(1))
    assert found == [("http://a/2", BODIES[2][:9].rstrip(b"\n")), EXPECTED[1]] or found[1] == EXPECTED[1]
    assert len(found[0][1]) < len(BODIES[2])


@pytest.mark.parametrize("head", [b"WARC/1.0\nWARC-Type: response\n\n", b"WARC/1.0\n"])
def test_a_record_without_a_length_is_damage(head: bytes) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        read(head)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05-08:00", "2026-01-02T11:04:05Z"),
        ("2009-03-65T08:43:19-0800", ""),
        ("2026-13-02T03:04:05Z", ""),
        ("0001-01-01T00:00:00+23:00", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_a_date_is_in_utc_or_unknown(text: str, date: str) -> None:
    data = re.sub(rb"WARC-Date: [^\n]*", b"WARC-Date: " + text.encode(), record(0))
    ((_, found),) = warc_records(io.BytesIO(data))
    assert date_of(found) == date
