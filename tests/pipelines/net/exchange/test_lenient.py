"""Heads of responses that browsers accept: each is mended, or left for the parser to refuse."""

import asyncio

import pytest

from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.lenient import MAX_HEAD, body_length, mend_head
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.schemas.verdicts import Dead
from tests.pipelines.net.exchange.raw_server import serve

BODY = b"<html>hello there</html>"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 24\r\n"


@pytest.mark.parametrize(
    ("head", "mended"),
    [
        (b"HTTP/1.1  200  OK", b"HTTP/1.1 200 OK"),
        (b"http/1.1 200 OK", b"HTTP/1.1 200 OK"),
        (b"HTTP/2 200", b"HTTP/1.0 200 "),
        (b"HTTP/1.2 200 OK", b"HTTP/1.0 200 OK"),
        (b"HTTP 200 OK", b"HTTP/1.0 200 OK"),
        (b"ICY 200 OK", b"HTTP/1.0 200 OK"),
        (b"\xef\xbb\xbfHTTP/1.1 200 OK", b"HTTP/1.1 200 OK"),
    ],
)
def test_each_status_line_has_its_form(head: bytes, mended: bytes) -> None:
    assert mend_head(head + b"\r\nA: b\r\n\r\n") == mended + b"\r\nA: b\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "mended"),
    [
        (b"A : b\r\n", b"A: b\r\n"),
        (b"A: b\nC: d\n", b"A: b\r\nC: d\r\n"),
        (b"A: b\r\n  c\r\n\td\r\n", b"A: b c d\r\n"),
        (b"A: b\rC: d\r\n", b"A: b C: d\r\n"),
        (b"nonsense\r\n", b"X-Crawler-Malformed: nonsense\r\n"),
        (b"<br />\r\n", b"X-Crawler-Malformed: <br />\r\n"),
        (b": b\r\n", b"X-Crawler-Malformed: : b\r\n"),
        (b"A B: c\r\n", b"X-Crawler-Malformed: A B: c\r\n"),
        (b"X(A): b\r\n", b"X-Crawler-Malformed: X(A): b\r\n"),
        (b"X-\xc3\xbc: b\r\n", b"X-Crawler-Malformed: X-\xc3\xbc: b\r\n"),
        (b"  first: b\r\n", b"X-Crawler-Malformed: first: b\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Crawler-Malformed: HTTP/1.1 200 OK\r\n"),
        (LENGTH * 2, b"X-Crawler-Malformed: Content-Length: 24\r\n" * 2 + LENGTH),
        (b"Content-Length: 24, 24\r\n", b"X-Crawler-Malformed: Content-Length: 24, 24\r\n" + LENGTH),
        (b"Content-Length: -1\r\n", b"X-Crawler-Malformed: Content-Length: -1\r\n"),
        (b"Content-Length:\r\n", b"X-Crawler-Malformed: Content-Length: \r\n"),
        (
            LENGTH + b"Transfer-Encoding: Chunked\r\n",
            b"X-Crawler-Malformed: Content-Length: 24\r\nTransfer-Encoding: Chunked\r\n",
        ),
        (
            b"Transfer-Encoding: identity\r\n" + LENGTH,
            b"X-Crawler-Malformed: Transfer-Encoding: identity\r\nX-Crawler-Malformed: Content-Length: 24\r\n" + LENGTH,
        ),
    ],
)
def test_each_line_is_mended_or_kept_under_another_name(lines: bytes, mended: bytes) -> None:
    assert mend_head(OK + lines + b"\r\n") == OK + mended + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        OK + LENGTH + b"\r\n",
        b"HTTP/1.0 404\r\n\r\n",
        OK + b"A:\r\nB:c\r\nC: \xfc\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK + LENGTH + b"Content-Length: 5\r\n\r\n",
        OK + b"A: a\x00b\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"<html>\r\n\r\n",
    ],
)
def test_good_heads_and_heads_of_two_meanings_stay_as_they_are(head: bytes) -> None:
    assert mend_head(head) == head


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (OK + LENGTH + b"\r\n", 24),
        (OK + b"CONTENT-LENGTH:24\r\n\r\n", 24),
        (OK + b"\r\n", None),
        (OK + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n", None),
        (b"HTTP/1.1 204 No\r\n" + LENGTH + b"\r\n", 0),
        (b"HTTP/1.1 304 No\r\n" + LENGTH + b"\r\n", 0),
    ],
)
def test_the_length_of_a_body_is_that_of_its_head(head: bytes, length: int | None) -> None:
    assert body_length(head) == length


def fetch(*pieces: bytes | float, times: int = 1) -> list[FetchOutcome]:
    async def run(url: str) -> list[FetchOutcome]:
        async with Fetcher(config, evidence=False) as fetcher:
            return [await fetcher.ask(url, "page") for _ in range(times)]

    with serve(*pieces) as (url, config):
        return asyncio.run(run(url))


@pytest.mark.parametrize(
    "pieces",
    [
        (OK + b"nonsense\r\nX A: b\r\n" + LENGTH + b"\r\n" + BODY,),
        (OK + b"A: b\n" + LENGTH, b"\n", BODY),
        (b"\r\n" + OK[:5], OK[5:], LENGTH + b"\r", b"\n" + BODY),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + OK + LENGTH + b"\r\n" + BODY,),
        (OK + LENGTH + b"\r\n" + BODY + b"more than was said",),
        (OK + LENGTH + LENGTH + b"\r\n" + BODY[:9], BODY[9:] + b"more"),
        (OK + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n18\r\n" + BODY + b"\r\n0\r\n\r\n",),
        (OK + b"Content-Length: many\r\n\r\n" + BODY,),
        (b"HTTP/2 200\r\n\r\n" + BODY,),
    ],
)
def test_odd_answers_are_read_as_browsers_read_them(pieces: tuple[bytes, ...]) -> None:
    for outcome in fetch(*pieces, times=2):
        assert isinstance(outcome, Response)
        assert outcome.body == BODY


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((OK + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,), "bad_http"),
        ((OK + b"A: a\x00b\r\n" + LENGTH + b"\r\n" + BODY,), "bad_http"),
        ((OK + b"Transfer-Encoding: chunked\r\n\r\n" + BODY,), "bad_http"),
        ((BODY,), "bad_http"),
        ((b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\n" + BODY,), "bad_http"),
        ((OK[:9],), "disconnected"),
        ((b"",), "disconnected"),
    ],
)
def test_answers_of_two_meanings_are_refused(pieces: tuple[bytes, ...], error: str) -> None:
    (outcome,) = fetch(*pieces)
    assert isinstance(outcome, Dead)
    assert outcome.error == error


def test_a_head_beyond_the_limit_goes_to_the_parser_as_it_is() -> None:
    (outcome,) = fetch(OK + b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n")
    assert not isinstance(outcome, Response)
