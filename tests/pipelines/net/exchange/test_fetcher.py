"""One HTTP exchange at a time: the request that is sent, the response that is kept, limits and verdicts."""

import asyncio
import contextlib
import dataclasses
import gzip
import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange import fetcher as fetcher_module
from corpusloom.pipelines.net.exchange.decode import Decoded, decode
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.schemas.errors import ConfigError
from corpusloom.schemas.verdicts import Rejected
from tests.pipelines.net.exchange import raw_server


@contextlib.contextmanager
def serve() -> Iterator[tuple[int, list[dict[str, str]]]]:
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
            known = self.headers.get("If-None-Match") == '"v1"'
            status = 304 if known else 302 if self.path == "/old" else 200
            body = b"" if known or status == 302 else b"<p>hello"
            self.send_response(status)
            self.send_header("Set-Cookie", "id=1")
            self.send_header("ETag", '"v1"')
            if status == 302:
                self.send_header("Location", "/new")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, seen
    finally:
        server.shutdown()
        server.server_close()


def fetch(port: int, *paths: str, **options: object) -> list[FetchOutcome]:
    config = FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{port}",))

    async def fetch_them() -> list[FetchOutcome]:
        async with Fetcher(config) as fetcher:
            return [
                await fetcher.fetch(f"http://user:secret@x.localhost:{port}{path}", **options)  # type: ignore[arg-type]
                for path in paths
            ]

    return asyncio.run(fetch_them())


async def ask(port: int, path: str) -> FetchOutcome:
    config = FetchConfig(contact="t@example.org", allow_addresses=(f"127.0.0.0/8:{port}",))
    async with Fetcher(config) as fetcher:
        return await fetcher.ask(f"http://x.localhost:{port}{path}", "page")


def test_the_request_names_us_and_is_recorded_as_sent() -> None:
    with serve() as (port, seen):
        (answer,) = fetch(port, "/a?b=c")
    assert isinstance(answer, Response)
    assert seen[0]["user-agent"].startswith("corpusloom/")
    assert "(+t@example.org)" in seen[0]["user-agent"]
    assert seen[0]["host"] == f"x.localhost:{port}"
    assert "authorization" not in seen[0]
    assert answer.request.startswith(b"GET /a?b=c HTTP/1.1\r\n")
    assert answer.request.endswith(b"\r\n\r\n")
    assert answer.response_head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (answer.body, answer.address, answer.truncated) == (b"<p>hello", "127.0.0.1", None)


def test_no_cookie_is_sent_back() -> None:
    with serve() as (port, seen):
        fetch(port, "/a", "/b")
    assert len(seen) == 2
    assert all("cookie" not in request for request in seen)


def test_redirects_are_followed_and_kept_as_hops() -> None:
    with serve() as (port, _):
        (answer,) = fetch(port, "/old")
        bare = asyncio.run(ask(port, "/old"))
    assert isinstance(answer, Response)
    assert answer.final_url.endswith("/new")
    assert [hop.status for hop in answer.hops] == [302]
    assert isinstance(bare, Response)
    assert bare.location == "/new"


def test_an_etag_makes_a_fetch_conditional() -> None:
    with serve() as (port, _):
        (answer,) = fetch(port, "/a", etag='"v1"')
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (304, b"")


def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serve() as (port, seen):
        (answer,) = fetch(port, "/a")
    assert isinstance(answer, Response)
    assert seen
    assert "would bypass the address policy" in caplog.text


def test_without_an_allowance_loopback_is_refused() -> None:
    async def ask() -> FetchOutcome:
        async with Fetcher(FetchConfig(contact="t@example.org")) as fetcher:
            return await fetcher.fetch("http://localhost/")

    assert asyncio.run(ask()) == Rejected("address_not_public")


def test_without_a_contact_there_is_no_fetcher() -> None:
    with pytest.raises(ConfigError, match="--contact"):
        Fetcher(FetchConfig(contact=None))


def test_the_loop_goes_on_and_the_clock_of_the_fetch_stands_while_a_body_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(wire: bytes, encodings: str, cap: int, ratio: float) -> Decoded:
        time.sleep(0.6)
        return decode(wire, encodings, cap, ratio)

    async def run(url: str, config: FetchConfig) -> tuple[FetchOutcome, float]:
        gaps, ended = [0.0], asyncio.Event()

        async def tick() -> None:
            while not ended.is_set():
                since = time.monotonic()
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - since)

        ticking = asyncio.create_task(tick())
        async with Fetcher(dataclasses.replace(config, idle_timeout=0.2, total_timeout=0.4)) as fetcher:
            outcome = await fetcher.fetch(url)
        ended.set()
        await ticking
        return outcome, max(gaps)

    monkeypatch.setattr(fetcher_module, "decode", slow)
    body = gzip.compress(b"<p>hello")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with raw_server.serve(head + body) as (url, config):
        outcome, gap = asyncio.run(run(url, config))
    assert isinstance(outcome, Response)
    assert outcome.body == b"<p>hello"
    assert gap < 0.4
