"""Many URLs in one loop: interleaved hosts, delays, retries, circuit breakers, and runs that always end."""

import asyncio
import errno
import gc
import http.server
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from corpusloom.pipelines.net import scheduler
from corpusloom.pipelines.net.attempts import Attempts, PendingFetch
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange import session
from corpusloom.pipelines.net.exchange.errors import INTERNAL_ERROR
from corpusloom.pipelines.net.exchange.fetcher import Fetcher
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.schemas.addresses import AddressPolicy
from corpusloom.schemas.errors import InputError, ShortageError
from corpusloom.schemas.verdicts import Dead, Rejected

IMAGE = b"\xff\xd8\xff" + bytes(600)


class Server(http.server.ThreadingHTTPServer):
    """Hosts named hang... never respond, fail... always fail, busy... fail at first, moved... redirect robots.txt."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.times: list[tuple[str, float]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        host = self.headers["Host"].split(":")[0]
        name = host + self.path
        if host.startswith("moved") and self.path in ("/robots.txt", "/rules"):
            self.answer_robots()
            return
        self.server.asked[name] += 1
        wish = self.path.endswith((".txt", ".json"))
        if not wish:
            self.server.times.append((host, time.monotonic()))
        if host.startswith("hang"):
            time.sleep(3)
        busy = host.startswith("busy") and self.server.asked[name] == 1
        status = 404 if wish else 500 if host.startswith("fail") else 503 if busy else 200
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        body = IMAGE if status == 200 else b""
        if host.startswith("close"):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_robots(self) -> None:
        """Redirect robots.txt to another path, and serve it there."""
        body = b"User-agent: *\nDisallow: /1" if self.path == "/rules" else b""
        self.send_response(200 if body else 301)
        self.send_header("Location", "/rules")
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


def resolve(host: str) -> list[str]:
    """Answer loopback for every name."""
    return ["127.0.0.1"]


def config_for(server: Server, **changes: object) -> FetchConfig:
    values: dict[str, object] = {"delay": 0, "total_timeout": 1.0, "retries": 1, "breaker_failures": 3, **changes}
    allowed = (f"127.0.0.0/8:{server.server_port}",)
    return FetchConfig(contact="t@example.org", allow_addresses=allowed, **values)  # type: ignore[arg-type]


def fetch(server: Server, hosts: dict[str, int], **changes: object) -> dict[str, list[FetchOutcome]]:
    """Fetch `count` images of each host; return the outcomes by host."""
    found: dict[str, list[FetchOutcome]] = {host: [] for host in hosts}
    urls = [
        f"http://{host}:{server.server_port}/{n}.jpg"
        for n in range(max(hosts.values()))
        for host, count in hosts.items()
        if n < count
    ]
    scheduler.fetch_all(
        urls,
        config_for(server, **changes),
        kind="image",
        on_outcome=lambda url, outcome: found[url.split("/")[2].split(":")[0]].append(outcome),
        resolver=resolve,
    )
    return found


def test_hanging_and_failing_hosts_do_not_delay_the_others(server: Server) -> None:
    hosts = {"hang.example": 30, "fail.example": 30} | {f"good{n}.example": 10 for n in range(10)}
    start = time.monotonic()
    found = fetch(server, hosts, slots=4)
    assert time.monotonic() - start < 5
    assert {host: len(outcomes) for host, outcomes in found.items()} == hosts
    assert all(isinstance(o, Response) for host, outcomes in found.items() for o in outcomes if host[:4] == "good")
    assert {o.error for o in found["hang.example"] if isinstance(o, Dead)} == {"timeout_total", "host_unresponsive"}
    assert {o.error for o in found["fail.example"] if isinstance(o, Dead)} == {"http_500", "host_unresponsive"}
    assert sum(n for name, n in server.asked.items() if name.startswith("fail.example") and "jpg" in name) < 12


def test_silent_name_servers_do_not_delay_other_hosts(server: Server) -> None:
    """120 names get no answer for longer than the fetches may take; all 20 good hosts are fetched meanwhile."""
    silence, found = threading.Event(), dict[str, FetchOutcome]()

    def resolve_or_wait(host: str) -> list[str]:
        if host.startswith("silent"):
            silence.wait(30)
        return ["127.0.0.1"]

    names = [f"silent{n}.example" for n in range(120)] + [f"good{n}.example" for n in range(20)]
    config = config_for(server, delay=None, connect_timeout=0.7, total_timeout=1.5, robots_txt=False, honour=())
    try:
        scheduler.fetch_all(
            [f"http://{name}:{server.server_port}/1.jpg" for name in names],
            config,
            kind="image",
            on_outcome=lambda url, outcome: found.update({url.split("/")[2].split(":")[0]: outcome}),
            resolver=resolve_or_wait,
        )
    finally:
        silence.set()
    assert all(isinstance(found[name], Response) for name in names[120:])
    assert {outcome.error for name in names[:120] if isinstance(outcome := found[name], Dead)} == {"dns_failed"}


def test_a_robots_txt_that_moved_is_followed(server: Server) -> None:
    outcomes = fetch(server, {"moved.example": 3})["moved.example"]
    assert Rejected("robots_disallowed") in outcomes
    assert sum(isinstance(outcome, Response) for outcome in outcomes) == 2


@pytest.mark.parametrize(("seconds", "asked"), [(300.0, 1), (0.0, 3)])
def test_a_name_is_resolved_once_while_it_is_cached(server: Server, seconds: float, asked: int) -> None:
    names: list[str] = []

    async def run() -> None:
        config = config_for(server, dns_seconds=seconds)
        async with Fetcher(config, lambda host: names.append(host) or ["127.0.0.1"]) as fetcher:
            for n in range(3):
                await fetcher.fetch(f"http://close.example:{server.server_port}/{n}.jpg")

    asyncio.run(run())
    assert len(names) == asked


def test_a_busy_host_is_retried(server: Server) -> None:
    found = fetch(server, {"busy.example": 4})
    assert all(isinstance(outcome, Response) for outcome in found["busy.example"])
    assert {n for name, n in server.asked.items() if "jpg" in name} == {2}


def test_host_files_are_fetched_once_per_host(server: Server) -> None:
    fetch(server, {"good.example": 20})
    assert [server.asked[f"good.example/{name}"] for name in ("robots.txt", "ai.txt", ".well-known/tdmrep.json")] == [
        1
    ] * 3


def test_the_delay_is_kept_over_the_hosts_of_a_domain(server: Server) -> None:
    hosts = {"a.shared.example": 3, "b.shared.example": 3}
    fetch(server, hosts, delay=0.2, robots_txt=False, honour=())  # host files would delay the first fetches
    moments = sorted(moment for _, moment in server.times)
    assert moments[-1] - moments[0] >= 0.9


def test_allowed_addresses_alone_go_without_a_delay(server: Server) -> None:
    start = time.monotonic()
    fetch(server, {"good.example": 30})
    assert time.monotonic() - start < 2


def test_a_budget_ends_a_host(server: Server) -> None:
    found = fetch(server, {"good.example": 5}, max_fetches=2)
    assert Counter(type(outcome) for outcome in found["good.example"]) == {Response: 2, Rejected: 3}


def test_each_url_ends_once_although_few_are_held(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "MAX_WAITING", 10)
    monkeypatch.setattr(scheduler, "REFILL", 3)
    urls = [f"http://good.example:{server.server_port}/{n}" for n in range(40)] + ["nonsense", "file:///x"] * 20
    ended: Counter[str] = Counter()
    scheduler.fetch_all(
        iter(urls),
        config_for(server),
        kind="image",
        on_outcome=lambda url, _: ended.update([url]),
        resolver=resolve,
    )
    assert ended == Counter(urls)


def test_an_error_in_the_callback_ends_the_run(server: Server) -> None:
    def full(url: str, outcome: FetchOutcome) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        scheduler.fetch_all(
            [f"http://good.example:{server.server_port}/{n}" for n in range(5)],
            config_for(server),
            kind="image",
            on_outcome=full,
            resolver=resolve,
        )


@pytest.mark.parametrize("fault", ["make", "next_target", "cancel", "judge"])
def test_an_error_inside_one_fetch_is_the_outcome_of_its_url(
    server: Server, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """An OverflowError in any step of the fetch of /3.jpg, or a cancellation, ends that URL alone."""

    def fail(url: str) -> None:
        if url.endswith("/3.jpg"):
            raise asyncio.CancelledError if fault == "cancel" else OverflowError("date value out of range")

    make, next_target, judge = Attempts.make, Attempts.next_target, Fetcher.judge

    async def make_or_fail(self: Attempts, pending: PendingFetch) -> FetchOutcome:
        if fault in ("make", "cancel"):
            fail(pending.url)
        return await make(self, pending)

    def next_or_fail(self: Attempts, pending: PendingFetch, outcome: FetchOutcome) -> str | FetchOutcome:
        if fault == "next_target":
            fail(pending.url)
        return next_target(self, pending, outcome)

    def judge_or_fail(self: Fetcher, response: Response, *args: object, **options: object) -> FetchOutcome:
        if fault == "judge":
            fail(response.url)
        return judge(self, response, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Attempts, "make", make_or_fail)
    monkeypatch.setattr(Attempts, "next_target", next_or_fail)
    monkeypatch.setattr(Fetcher, "judge", judge_or_fail)
    found = fetch(server, {"good.example": 6})["good.example"]
    assert sum(isinstance(outcome, Response) for outcome in found) == 5
    assert [outcome.error for outcome in found if isinstance(outcome, Dead)] == [INTERNAL_ERROR]


def test_a_url_that_cannot_be_parsed_is_an_outcome(server: Server) -> None:
    ended: dict[str, FetchOutcome] = {}
    urls = [
        f"http://good.example:{server.server_port}/1",
        "http://a.example/\ud800",
        "http://\udfff.example/",
        "\0",
        "",
    ]
    scheduler.fetch_all(
        urls, config_for(server), kind="image", on_outcome=lambda url, got: ended.update({url: got}), resolver=resolve
    )
    assert isinstance(ended.pop(urls[0]), Response)
    assert ended == dict.fromkeys(urls[1:], Rejected("bad_url"))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_shortage_of_this_machine_ends_the_run_and_is_no_outcome(
    server: Server, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    make_socket, made, ended = session.make_socket, Counter[str](), []

    def make_or_fail(policy: AddressPolicy, info: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
        made["sockets"] += 1
        if made["sockets"] > 4:
            raise OSError(number, "none is left")
        return make_socket(policy, info)

    monkeypatch.setattr(session, "make_socket", make_or_fail)
    with pytest.raises(ShortageError, match="run the same command to resume"):
        scheduler.fetch_all(
            [f"http://close{n}.example:{server.server_port}/1.jpg" for n in range(20)],
            config_for(server, robots_txt=False, honour=()),
            kind="image",
            on_outcome=lambda _, outcome: ended.append(outcome),
            resolver=lambda _: ["127.0.0.1", "127.0.0.3"],
        )
    assert all(isinstance(outcome, Response) for outcome in ended)


def test_a_shortage_inside_the_event_loop_ends_the_run(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The event loop reports a MemoryError while it reads a socket only to the handler of the loop."""

    def on_outcome(url: str, outcome: FetchOutcome) -> None:
        errors = {"good": MemoryError(), "other": KeyError("x")}
        context = {"message": "Fatal read error", "exception": errors[url.split("/")[2].split(".")[0]]}
        asyncio.get_running_loop().call_exception_handler(context)

    def run(host: str) -> None:
        urls = [f"http://{host}.example:{server.server_port}/1.jpg"]
        scheduler.fetch_all(urls, config_for(server), kind="image", on_outcome=on_outcome, resolver=resolve)

    with pytest.raises(ShortageError, match="Cannot allocate memory"):
        run("good")
    assert not caplog.records
    run("other")
    assert [record.name for record in caplog.records] == ["asyncio"]


def test_a_broken_resolver_stops_the_run_and_says_so_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def broken(host: str) -> list[str]:
        raise socket.gaierror("no answer")

    ended: list[FetchOutcome] = []
    with pytest.raises(InputError, match="dns_failed"):
        scheduler.fetch_all(
            (f"http://host{n}.example/" for n in range(10_000)),
            config_for(server, stop_after=100),
            kind="page",
            on_outcome=lambda _, outcome: ended.append(outcome),
            resolver=broken,
        )
    gc.collect()  # asyncio reports an error that nobody took when its task is collected
    assert len(ended) < 500
    assert not caplog.records
