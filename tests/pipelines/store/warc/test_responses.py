"""HTTP responses of a WARC: parsed, decoded, and told apart into HTML and everything else."""

import gzip
import time

import pytest

from corpusloom.pipelines.store.warc.responses import (
    HtmlResponse,
    OpenedResponse,
    RecordSource,
    SkippedRecord,
    html_or_skipped,
    open_response,
    parse_http,
    split_http,
    truncated_file,
    unchunk,
    without_responses,
)
from corpusloom.schemas.verdicts import Dead, Rejected

SOURCE = RecordSource(url="http://a/1", record_id="<urn:uuid:1>", offset=7, fetched_at="2026-01-02T03:04:05Z")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


def block(content_type: str | None, body: bytes, *, status: int = 200, extra: str = "") -> bytes:
    line = f"Content-Type: {content_type}\r\n" if content_type is not None else ""
    return f"HTTP/1.1 {status} Some Reason\r\n{line}{extra}\r\n".encode() + body


def test_headers_keep_their_order_and_case() -> None:
    found = parse_http(b"HTTP/1.1 200 OK\r\nB: 1\r\n a :  2: 3 \r\nno colon\r\n\r\nbody\r\n\r\nmore")
    assert found == (200, (("B", "1"), ("a", "2: 3")), b"body\r\n\r\nmore")


def test_bare_line_feeds_are_read() -> None:
    assert parse_http(b"HTTP/1.0 404 Gone\nA: 1\n\nbody") == (404, (("A", "1"),), b"body")


@pytest.mark.parametrize("gap", [b"\r\n\r\n", b"\n\n", b"\n\r\n", b"\r\n\n"])
def test_the_first_blank_line_ends_the_head_whatever_its_line_ends(gap: bytes) -> None:
    assert split_http(b"HTTP/1.0 200 OK" + gap + b"a\r\n\r\nb\n\nc") == (b"HTTP/1.0 200 OK", b"a\r\n\r\nb\n\nc")


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1\r\n\r\n", b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 2xx OK\r\n\r\n"])
def test_a_response_needs_a_status_line(head: bytes) -> None:
    with pytest.raises(ValueError, match="no HTTP status line"):
        parse_http(head)


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b"4\r\nwiki\r\n5\r\npedia\r\n0\r\n\r\n", b"wikipedia"),
        (b"4;name=value\r\nwiki\r\n0\r\n\r\n", b"wiki"),
        (b"A\r\n0123456789\r\n0\r\n\r\nignored", b"0123456789"),
        (b"4\r\nwiki\r\nno size", b"wiki"),
        (b"4\r\nwiki\r\n", b"wiki"),
        (b"<p>never chunked", b"<p>never chunked"),
        (b"", b""),
        (b"0\r\n\r\n", b""),
    ],
)
def test_chunks_are_joined(body: bytes, plain: bytes) -> None:
    assert unchunk(body) == plain


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (299, True), (300, False)])
def test_only_a_successful_response_is_opened(status: int, good: bool) -> None:
    found = open_response(block("text/html", b"<p>", status=status), 100)
    assert isinstance(found, OpenedResponse) if good else found == Rejected(f"http_{status}")


@pytest.mark.parametrize(
    ("extra", "whole"),
    [
        ("", False),
        ("Content-Range: bytes 0-2/3\r\n", True),
        ("Content-Range: BYTES  0-2/3\r\n", True),
        ("Content-Range: bytes 0-2/4\r\n", False),
        ("Content-Range: bytes 1-3/3\r\n", False),
        ("Content-Range: bytes 0-2/*\r\n", False),
    ],
)
def test_a_part_of_a_body_is_no_response(extra: str, whole: bool) -> None:
    found = open_response(block("text/html", b"<p>", status=206, extra=extra), 100)
    assert isinstance(found, OpenedResponse) if whole else found == Rejected("http_206")


def test_an_empty_block_is_rejected_and_a_malformed_one_is_dead() -> None:
    assert open_response(b"", 100) == Rejected("not_http")
    assert open_response(b"nonsense", 100) == Dead("bad_http", "no HTTP status line")


def test_codings_are_undone_in_their_order() -> None:
    packed = gzip.compress(b"<p>text")
    extra = "Transfer-Encoding: Chunked\r\nContent-Encoding: gzip\r\n"
    chunked = b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    found = open_response(block("text/html", chunked, extra=extra), 100)
    assert isinstance(found, OpenedResponse)
    assert (found.body, found.content_type, found.status) == (b"<p>text", "text/html", 200)


def test_an_unknown_coding_is_dead() -> None:
    found = open_response(block("text/html", b"\x1f\x9d\x90", extra="Content-Encoding: compress\r\n"), 100)
    assert isinstance(found, Dead)


def test_a_body_is_cut_at_the_limit() -> None:
    found = open_response(block("text/html", b"0123456789"), 4)
    assert isinstance(found, OpenedResponse)
    assert found.body == b"0123"


@pytest.mark.parametrize(("size", "truncated"), [(9, False), (10, True), (11, True)])
def test_a_page_of_the_limit_counts_as_truncated(size: int, truncated: bool) -> None:
    found = html_or_skipped(SOURCE, block("text/html", b"x" * size), 10)
    assert isinstance(found, HtmlResponse)
    assert (found.truncated, len(found.body)) == (truncated, min(size, 10))


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=x", "application/xhtml+xml", None, ""])
def test_html_and_an_unnamed_type_are_pages(content_type: str | None) -> None:
    found = html_or_skipped(SOURCE, block(content_type, b"<p>"), 100)
    assert isinstance(found, HtmlResponse)
    assert (found.url, found.record_id, found.offset, found.fetched_at) == tuple(SOURCE.values())
    assert (found.content_type, found.truncated) == (content_type, False)


@pytest.mark.parametrize(
    ("content_type", "body", "image"),
    [
        ("image/png", b"whatever", True),
        ("application/octet-stream", PNG, True),
        ("application/octet-stream", b"whatever", False),
        ("text/plain", PNG, False),
    ],
)
def test_images_are_noted_among_what_is_no_page(content_type: str, body: bytes, image: bool) -> None:
    found = html_or_skipped(SOURCE, block(content_type, body), 100)
    assert found == SkippedRecord(**SOURCE, verdict=Rejected("not_html"), image=image)


def test_a_bad_response_is_no_image() -> None:
    found = html_or_skipped(SOURCE, block("image/png", PNG, status=404), 100)
    assert found == SkippedRecord(**SOURCE, verdict=Rejected("http_404"), image=False)


def test_a_resource_has_no_http_headers() -> None:
    found = html_or_skipped(SOURCE, b"<p>", 100, truncated=True, resource="text/html")
    assert isinstance(found, HtmlResponse)
    assert (found.body, found.headers, found.status) == (b"<p>", (("Content-Type", "text/html"),), 200)
    assert found.truncated


def test_a_cut_file_is_one_dead_outcome() -> None:
    assert truncated_file("s3://bucket/x.warc", 12, "why") == SkippedRecord(
        url="x.warc",
        record_id="truncated x.warc",
        offset=12,
        fetched_at="",
        verdict=Dead("truncated_warc", "why"),
    )


@pytest.mark.parametrize(
    ("url", "body", "verdict"),
    [
        ("dns:a.example", b"20090102030405\na.example. 60 IN A 192.0.2.1", Rejected("not_http")),
        ("whois://a.example", b"Domain: a", Rejected("not_http")),
        ("ftp://a.example/x", b"220 hello", Rejected("not_http")),
        ("DNS:a.example", b"", Rejected("not_http")),
        ("http://a.example/", b"220 hello", Dead("bad_http", "no HTTP status line")),
        ("HTTPS://a.example/", b"220 hello", Dead("bad_http", "no HTTP status line")),
        ("a.example", b"220 hello", Dead("bad_http", "no HTTP status line")),
    ],
)
def test_answers_of_other_protocols_are_no_damage(url: str, body: bytes, verdict: object) -> None:
    source = RecordSource(url=url, record_id="", offset=7, fetched_at="")
    assert html_or_skipped(source, body, 100) == SkippedRecord(**source, verdict=verdict)  # type: ignore[arg-type]


def test_a_file_without_a_response_is_one_rejection() -> None:
    assert without_responses("s3://bucket/x.warc") == SkippedRecord(
        url="x.warc", record_id="no responses x.warc", offset=0, fetched_at="", verdict=Rejected("no_responses")
    )


def test_a_body_of_nested_empty_members_is_dead_at_once() -> None:
    wire = gzip.compress(gzip.compress(gzip.compress(b"") * 500_000))
    assert len(wire) < 300
    start = time.process_time()
    found = open_response(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, gzip\r\n\r\n" + wire, 10_000_000)
    assert isinstance(found, Dead)
    assert found.error == "bad_encoding"
    assert time.process_time() - start < 2
