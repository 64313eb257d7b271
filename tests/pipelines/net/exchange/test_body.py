"""Bodies over real connections: pages are truncated and marked, images rejected as soon as they can be."""

import asyncio
import dataclasses

import pytest

from corpusloom.pipelines.net.config import FetchConfig, FetchKind
from corpusloom.pipelines.net.exchange.fetcher import MAX_REDIRECT_BODY, Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.net.exchange.raw_server import serve

JPEG = b"\xff\xd8\xff" + bytes(997)


def head(length: int | None, status: str = "200 OK") -> bytes:
    size = "" if length is None else f"Content-Length: {length}\r\n"
    return f"HTTP/1.1 {status}\r\n{size}Connection: close\r\n\r\n".encode()


def fetch(url: str, config: FetchConfig, kind: FetchKind, **changes: float) -> FetchOutcome:
    limits = dataclasses.replace(config, max_page_bytes=1_000, max_image_bytes=1_000, **changes)  # type: ignore[arg-type]

    async def run() -> FetchOutcome:
        async with Fetcher(limits) as fetcher:
            return await fetcher.ask(url, kind)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("length", "kept", "truncated"), [(999, 999, None), (1_000, 1_000, None), (1_001, 1_000, "length")]
)
def test_a_page_is_truncated_at_its_cap(length: int, kept: int, truncated: str | None) -> None:
    with serve(head(length), b"a" * length) as (url, config):
        response = fetch(url, config, "page")
    assert isinstance(response, Response)
    assert (response.wire_body, response.truncated) == (b"a" * kept, truncated)


def test_an_image_at_its_cap_is_kept_and_a_larger_one_rejected_before_it_is_read() -> None:
    with serve(head(1_000), JPEG) as (url, config):
        assert isinstance(fetch(url, config, "image"), Response)
    with serve(head(1_001)) as (url, config):  # nothing follows: the declared length is enough
        assert fetch(url, config, "image") == Rejected("body_too_large", 1_001.0, 1_000.0)


def test_an_image_without_a_declared_length_is_rejected_past_its_cap() -> None:
    with serve(head(None), JPEG, b"b") as (url, config):
        outcome = fetch(url, config, "image")
    assert outcome == Rejected("body_too_large", 1_001.0, 1_000.0)


def test_an_image_that_does_not_start_as_one_is_rejected_after_512_bytes() -> None:
    with serve(head(1_000), b"<html>" + b" " * 506, 30.0) as (url, config):
        assert fetch(url, config, "image", idle_timeout=5.0) == Rejected("not_an_image")


def test_an_error_page_is_no_reason_to_reject_an_image_by_its_bytes() -> None:
    with serve(head(600, "404 Not Found"), b"<html>" + b" " * 594) as (url, config):
        outcome = fetch(url, config, "image")
    assert isinstance(outcome, Response)
    assert outcome.status == 404


def test_a_broken_connection_truncates_a_page_and_ends_an_image() -> None:
    with serve(head(900), b"a" * 100) as (url, config):
        page = fetch(url, config, "page")
        image = fetch(url, config, "image")
    assert isinstance(page, Response)
    assert (page.wire_body, page.truncated) == (b"a" * 100, "disconnect")
    assert isinstance(image, Dead)
    assert image.error == "body_cut_off"


def test_a_stalled_connection_truncates_a_page_and_ends_an_image() -> None:
    with serve(head(900), JPEG[:100], 30.0) as (url, config):
        page = fetch(url, config, "page", idle_timeout=0.2)
        image = fetch(url, config, "image", idle_timeout=0.2)
    assert isinstance(page, Response)
    assert (page.wire_body, page.truncated) == (JPEG[:100], "time")
    assert image == Dead("timeout_idle")


@pytest.mark.parametrize("extension", [b"", b";" + b"x" * 60])
def test_chunks_count_with_their_overhead_up_to_twice_the_cap(extension: bytes) -> None:
    """A chunk of one byte costs six bytes, and more with an extension."""
    start = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1" + extension + b"\r\na\r\n"
    few = 1_900 // len(chunk)
    with serve(start, 0.1, chunk * few + b"0\r\n\r\n") as (url, config):
        response = fetch(url, config, "page")
    assert isinstance(response, Response)
    assert (response.wire_body, response.truncated) == (b"a" * few, None)
    with serve(start, 0.1, chunk * few, 0.1, chunk * few, 30.0) as (url, config):
        response = fetch(url, config, "page", idle_timeout=5.0)
    assert isinstance(response, Response)
    assert response.truncated == "length"


@pytest.mark.parametrize("kind", ["page", "image"])
def test_the_body_of_a_redirect_is_read_only_a_little(kind: FetchKind) -> None:
    with serve(head(10**9, "302 Found\r\nLocation: /next"), bytes(100_000), 30.0) as (url, config):
        response = fetch(url, config, kind, idle_timeout=5.0)
    assert isinstance(response, Response)
    assert (len(response.wire_body), response.body, response.truncated) == (MAX_REDIRECT_BODY, b"", "length")


def test_a_page_without_any_bytes_is_dead() -> None:
    with serve(head(900), 30.0) as (url, config):
        assert fetch(url, config, "page", idle_timeout=0.2) == Dead("timeout_idle")
