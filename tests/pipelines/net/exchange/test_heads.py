"""Heads over a real connection: with evidence they are kept as sent; else only the needed headers are decoded."""

import asyncio

import pytest

from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from tests.pipelines.net.exchange.raw_server import serve

RAW = b"/gr\xfcn/\xd9\x81?\xfc#x"
HEAD = (
    b'HTTP/1.1 200 Fine\r\nX-Odd: gr\xc3\xbcn\r\nETag: "v1"\r\nX-Robots-Tag: noai\r\nX-Robots-Tag: noindex\r\n'
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


def fetch(*, evidence: bool) -> Response:
    async def run(url: str) -> Response:
        async with Fetcher(config, evidence=evidence) as fetcher:
            outcome = await fetcher.ask(url, "page")
        assert isinstance(outcome, Response)
        return outcome

    with serve(HEAD, b"3\r\nabc\r\n0\r\n\r\n") as (url, config):
        return asyncio.run(run(url))


def test_evidence_is_the_head_as_received_except_for_the_name_of_the_transfer_coding() -> None:
    response = fetch(evidence=True)
    assert response.response_head == HEAD.replace(b"Transfer-Encoding", b"X-Crawler-Transfer-Encoding")
    assert response.wire_body == b"abc"
    assert response.headers[0] == ("X-Odd", "gr\u00fcn")


def test_evidence_holds_the_request_as_sent() -> None:
    lines = fetch(evidence=True).request.split(b"\r\n")
    assert lines[0] == b"GET /a?b=c HTTP/1.1"
    assert lines[-2:] == [b"", b""]
    names = {line.split(b":")[0] for line in lines[1:-2]}
    assert {b"Host", b"User-Agent", b"Accept", b"Accept-Encoding"} <= names


@pytest.mark.parametrize("evidence", [True, False])
def test_a_location_keeps_its_bytes_as_escapes(evidence: bool) -> None:
    async def run(url: str) -> FetchOutcome:
        async with Fetcher(config, evidence=evidence) as fetcher:
            return await fetcher.ask(url, "image")

    with serve(b"HTTP/1.1 302 Found\r\nLocation: " + RAW + b"\r\nContent-Length: 0\r\n\r\n") as (url, config):
        response = asyncio.run(run(url))
    assert isinstance(response, Response)
    assert response.location == "/gr%FCn/%D9%81?%FC#x"


def test_without_evidence_only_the_headers_that_are_read_are_decoded() -> None:
    response = fetch(evidence=False)
    assert (response.request, response.response_head) == (b"", b"")
    assert sorted(response.headers) == [("etag", '"v1"'), ("x-robots-tag", "noai"), ("x-robots-tag", "noindex")]
    assert [signal.value for signal in response.signals] == ["noai", "noindex"]
