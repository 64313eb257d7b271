"""Pages that redirect by a meta element or a header, and pages that do not."""

import asyncio

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.refresh import refresh_target
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import FetchScheduler
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.net.exchange.raw_server import serve

URL = "http://a.example/dir/page"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("html", "target"),
    [
        ('<meta http-equiv="refresh" content="0;url=/t">', "http://a.example/t"),
        ('<meta content="0; URL=\'/t\'" http-equiv="Refresh">', "http://a.example/t"),
        ("<noscript><meta http-equiv=refresh content='0; url=t'></noscript>", "http://a.example/dir/t"),
        ('<base href="/sub/"><meta http-equiv="refresh" content="0;t">', "http://a.example/sub/t"),
        ("<meta http-equiv=refresh content='0,/t'>", "http://a.example/t"),
        ("<meta http-equiv=refresh content='0 /t'>", "http://a.example/t"),
        ("<meta http-equiv=refresh content='1.5; url = /t'>", "http://a.example/t"),
        ("<meta http-equiv=refresh content='30;url=//b.example/?a=1&amp;b=2'>", "http://b.example/?a=1&b=2"),
        ("<meta http-equiv=refresh content=\"0;url='/t'x\">", "http://a.example/t"),
        ("<meta http-equiv=refresh content='.5;url=/t'>", "http://a.example/t"),
        ("<meta http-equiv=refresh content=';url=/t'>", None),
        ("<META HTTP-EQUIV=REFRESH CONTENT=0;URL=/t>", "http://a.example/t"),
        ("<meta http-equiv=refresh content='31;url=/t'>", None),
        ("<meta http-equiv=refresh content='0'>", None),
        ("<meta http-equiv=refresh content='0;url='>", None),
        ("<meta http-equiv=refresh content='url=/t'>", None),
        ("<meta http-equiv=refresh content='0;url=page#x'>", None),
        ("<meta http-equiv=refresh content='0;url=javascript:x()'>", None),
        ("<meta http-equiv=refresh content='0;url=http://[bad/'>", None),
        ("<meta name=refresh content='0;url=/t'>", None),
        ("<!-- <meta http-equiv=refresh content='0;url=/t'> -->", None),
        ("<script>'<meta http-equiv=refresh content=\"0;url=/t\">'</script>", None),
        ("<p>refresh</p>", None),
        ("<meta http-equiv=refresh content='0;url=/t'>" + "<p>read" * 10_000, None),
    ],
)
def test_each_page_has_its_target(html: str, target: str | None) -> None:
    assert refresh_target(html.encode(), None, URL) == target


def test_the_header_comes_before_the_page() -> None:
    page = b"<meta http-equiv=refresh content='0;url=/t'>"
    assert refresh_target(page, "0; url=/h", URL) == "http://a.example/h"
    assert refresh_target(page, "90; url=/h", URL) is None


def fetch(*pieces: bytes) -> FetchOutcome:
    """Return the outcome of a page on a server that sends the same to each request, robots.txt included."""
    found: list[FetchOutcome] = []

    async def run(url: str, config: FetchConfig) -> None:
        async with Fetcher(config) as fetcher:
            await FetchScheduler(fetcher, "page", lambda _, outcome: found.append(outcome)).run([url])

    with serve(*pieces) as (url, config):
        asyncio.run(run(url, config))
    (outcome,) = found
    return outcome


@pytest.mark.parametrize("place", ["/b", "//10.0.0.1/", "http://x.localhost:1/"])
def test_a_page_whose_target_cannot_be_had_is_itself_the_outcome(place: str) -> None:
    html = f"<meta http-equiv=refresh content='0;url={place}'>".encode()
    outcome = fetch(HTML, html)
    assert isinstance(outcome, Response)
    assert outcome.body == html
    assert [hop.body for hop in outcome.hops] == ([html] if place == "/b" else [])


def test_a_refresh_is_followed_and_the_first_page_is_kept_as_a_hop() -> None:
    html = b"<meta http-equiv=refresh content='0;url=/b'>"
    outcome = fetch(HTML, html)
    assert isinstance(outcome, Response)
    assert outcome.url.endswith("/a?b=c")
    assert outcome.final_url.endswith("/b")
    assert outcome.hops[0].final_url.endswith("/a?b=c")


def test_a_refresh_of_an_image_or_an_error_is_none() -> None:
    refused = fetch(HTML.replace(b"200 OK", b"404 No"), b"<meta http-equiv=refresh content='0;url=/b'>")
    assert refused == Rejected("http_404")
