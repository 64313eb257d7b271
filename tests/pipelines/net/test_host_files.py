"""The files of an origin over real connections: fetched once, shared, cached for as long as their outcome allows."""

import asyncio
import http.server
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from corpusloom.pipelines.net import host_files
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.errors import INTERNAL_ERROR
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import Response
from corpusloom.pipelines.net.host_files import HostFilesCache, HostFilesOutcome, origin_of
from corpusloom.pipelines.net.permissions.robots import HostFiles
from corpusloom.schemas.errors import ShortageError
from corpusloom.schemas.verdicts import Dead

FILES = {
    "/robots.txt": b"User-agent: *\nDisallow: /closed",
    "/.well-known/tdmrep.json": b'[{"location": "/", "tdm-reservation": 1}]',
    "/ai.txt": b"User-Agent: *\nDisallow: /*.jpg",
}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.status = 200

    def url(self, host: str = "a.localhost") -> str:
        return f"http://{host}:{self.server_port}/page"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        body = FILES[self.path] if self.server.status == 200 else b""
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def get(
    server: Server, *urls: str, together: bool = False, pause: float = 0.0, **changes: object
) -> tuple[list[HostFilesOutcome], list[Response]]:
    """Return the files of each URL's origin and the responses that were passed on as evidence."""
    allowed = (f"127.0.0.0/8:{server.server_port}",)
    config = FetchConfig(contact="t@example.org", allow_addresses=allowed, **changes)  # type: ignore[arg-type]
    evidence: list[Response] = []

    async def run() -> list[HostFilesOutcome]:
        async with Fetcher(config) as fetcher:
            cache = HostFilesCache(fetcher, on_file=evidence.append)
            if together:
                return list(await asyncio.gather(*(cache.get(url) for url in urls)))
            found = []
            for url in urls:
                found.append(await cache.get(url))
                await asyncio.sleep(pause)
            return found

    return asyncio.run(run()), evidence


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("http://a.example:8080/x/y") == "http://a.example:8080"
    assert origin_of("https://a.example/") == "https://a.example"


def test_all_three_files_are_read_and_kept_as_evidence(server: Server) -> None:
    (files,), evidence = get(server, server.url())
    assert isinstance(files, HostFiles)
    assert not files.robots.allows(server.url().replace("/page", "/closed"))
    names = {signal.name for signal in files.signals(server.url().replace("/page", "/x.jpg"))}
    assert names == {"tdm-reservation", "ai.txt"}
    assert [response.url.split("/", 3)[3] for response in evidence] == [
        "robots.txt",
        ".well-known/tdmrep.json",
        "ai.txt",
    ]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"robots_txt": False}, {"/.well-known/tdmrep.json", "/ai.txt"}),
        ({"honour": ("noai",)}, {"/robots.txt"}),
        ({"honour": ("ai.txt",)}, {"/robots.txt", "/ai.txt"}),
        ({"honour": ("tdm-reservation",)}, {"/robots.txt", "/.well-known/tdmrep.json"}),
    ],
)
def test_files_that_decide_nothing_are_not_fetched(server: Server, changes: dict[str, object], asked: set[str]) -> None:
    get(server, server.url(), **changes)
    assert set(server.asked) == asked


def test_an_error_while_files_are_parsed_is_the_verdict_on_their_origin(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object, **__: object) -> None:
        raise OverflowError("cannot be parsed")

    monkeypatch.setattr(host_files, "parse_robots", parse)
    found, _ = get(server, *[server.url()] * 3, together=True)
    assert found == [Dead(INTERNAL_ERROR, "OverflowError: cannot be parsed")] * 3
    assert server.asked["/robots.txt"] == 1


def test_a_shortage_ends_all_that_wait_for_the_files(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(host_files, "parse_robots", parse)
    allowed = (f"127.0.0.0/8:{server.server_port}",)

    async def run() -> list[object]:
        async with Fetcher(FetchConfig(contact="t@example.org", allow_addresses=allowed)) as fetcher:
            cache = HostFilesCache(fetcher)
            return list(await asyncio.gather(*(cache.get(server.url()) for _ in range(3)), return_exceptions=True))

    assert [type(error) for error in asyncio.run(run())] == [ShortageError] * 3


@pytest.mark.parametrize("together", [True, False])
def test_the_files_of_an_origin_are_fetched_once_for_any_number_of_urls(server: Server, together: bool) -> None:
    found, _ = get(server, *[server.url()] * 5, together=together)
    assert all(one is found[0] for one in found)
    assert server.asked == dict.fromkeys(FILES, 1)


def test_each_origin_has_its_own_files(server: Server) -> None:
    get(server, server.url("a.localhost"), server.url("b.localhost"))
    assert server.asked == dict.fromkeys(FILES, 2)


def test_files_are_fetched_again_when_their_time_is_over(server: Server) -> None:
    get(server, server.url(), server.url(), pause=0.15, robots_seconds=0.1)
    assert server.asked == dict.fromkeys(FILES, 2)


def test_a_server_error_is_dead_and_cached_as_long_as_an_open_breaker(server: Server) -> None:
    server.status = 500
    found, _ = get(server, server.url(), server.url(), pause=0.15, breaker_seconds=0.1)
    assert found == [Dead("robots_unavailable", "status 500")] * 2
    assert server.asked == {"/robots.txt": 2}
    found, _ = get(server, server.url(), server.url(), pause=0.15, breaker_seconds=100)
    assert server.asked == {"/robots.txt": 3}


def test_missing_files_allow_everything(server: Server) -> None:
    server.status = 404
    (files,), _ = get(server, server.url())
    assert isinstance(files, HostFiles)
    assert files.robots.allows(server.url())
    assert files.signals(server.url()) == ()


def test_the_first_origin_is_evicted_from_a_full_cache(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_files, "MAX_ORIGINS", 2)
    hosts = [server.url(f"{name}.localhost") for name in "abcba"]
    get(server, *hosts, honour=())
    assert server.asked == {"/robots.txt": 4}  # a, b and c, then a again


def test_the_files_of_all_origins_are_within_a_number_of_bytes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_files, "MAX_BYTES", 2 * len(FILES["/robots.txt"]))
    hosts = [server.url(f"{name}.localhost") for name in "abcba"]
    get(server, *hosts, honour=())
    assert server.asked == {"/robots.txt": 4}  # a, b and c, then a again


@pytest.mark.parametrize(("agents", "allowed"), [((), [True, False, True]), (("CCBot",), [False, False, True])])
def test_groups_of_other_agents_are_obeyed_as_well(
    server: Server, monkeypatch: pytest.MonkeyPatch, agents: tuple[str, ...], allowed: list[bool]
) -> None:
    robots = b"User-agent: CCBot\nDisallow: /photos\nUser-agent: *\nDisallow: /closed"
    monkeypatch.setitem(FILES, "/robots.txt", robots)
    (files,), _ = get(server, server.url(), agents=agents)
    assert isinstance(files, HostFiles)
    assert [files.robots.allows(f"http://a.localhost{path}") for path in ("/photos", "/closed", "/open")] == allowed
