"""The guarded fetcher on hostile endpoints: each has its expected outcome, and the canary gets no connection."""

import socket
import time
from collections import defaultdict

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.schemas.verdicts import Rejected
from tests.web.zoo import CANARY_HOST, CAP, ENDPOINTS, Zoo, open_zoo

pytestmark = pytest.mark.allow_hosts(
    ["127.0.0.1", CANARY_HOST]
)  # so that the fetcher alone, and not pytest-socket, protects the canary

NAMES = {
    "inside.example": ["10.1.2.3"],
    "mixed.example": ["93.184.215.14", CANARY_HOST],
    "rebound.example": [CANARY_HOST],
}


def resolve(host: str) -> list[str]:
    """Answer as a resolver does: names from a table, old spellings of addresses as inet_aton reads them."""
    if host in NAMES:
        return NAMES[host]
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError as error:
        raise socket.gaierror(f"{host} is not known") from error


def word(outcome: FetchOutcome) -> str:
    """Return an outcome as one word: kept, kept_length, a reason or an error class."""
    if isinstance(outcome, Response):
        return f"kept_{outcome.truncated}" if outcome.truncated else "kept"
    return outcome.reason if isinstance(outcome, Rejected) else outcome.error


def config_for(zoo: Zoo) -> FetchConfig:
    return FetchConfig(
        contact="zoo@example.org",
        # The canary's port is allowed, so that only its address is a reason not to connect.
        allow_addresses=(f"127.0.0.1/32:{zoo.port}", f"127.0.0.1/32:{zoo.canary}"),
        delay=0,
        slots=64,
        connect_timeout=1.0,
        header_timeout=1.0,
        idle_timeout=2.2,
        total_timeout=4.5,
        retries=0,
        max_page_bytes=CAP,
        max_image_bytes=CAP,
        honour=("noai", "noimageai", "train-ai", "ai-train", "tdm-reservation"),
    )


@pytest.fixture(scope="module")
def visit() -> tuple[dict[str, list[FetchOutcome]], Zoo, float]:
    with open_zoo() as zoo:
        found: dict[str, list[FetchOutcome]] = defaultdict(list)
        start = time.monotonic()
        for kind in ("page", "image"):
            urls = {zoo.url(animal): animal.name for animal in ENDPOINTS.values() if animal.kind == kind}
            fetch_all(
                urls,
                config_for(zoo),
                kind=kind,
                on_outcome=lambda url, outcome, urls=urls: found[urls[url]].append(outcome),
                resolver=resolve,
            )
        return found, zoo, time.monotonic() - start


@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_each_endpoint_ends_once_as_expected(
    name: str, visit: tuple[dict[str, list[FetchOutcome]], Zoo, float]
) -> None:
    assert [word(outcome) for outcome in visit[0][name]] == [ENDPOINTS[name].expected]


def test_the_zoo_is_large() -> None:
    assert len(ENDPOINTS) >= 60


def test_the_canary_saw_nobody(visit: tuple[dict[str, list[FetchOutcome]], Zoo, float]) -> None:
    assert visit[1].canary_hits == []


def test_the_canary_would_have_noticed() -> None:
    with open_zoo() as zoo:
        socket.create_connection((CANARY_HOST, zoo.canary), timeout=5).close()
        deadline = time.monotonic() + 5
        while not zoo.canary_hits and time.monotonic() < deadline:
            time.sleep(0.01)
        assert zoo.canary_hits


def test_hanging_hosts_do_not_add_up(visit: tuple[dict[str, list[FetchOutcome]], Zoo, float]) -> None:
    assert visit[2] < 30


def test_bodies_stay_within_their_caps(visit: tuple[dict[str, list[FetchOutcome]], Zoo, float]) -> None:
    bodies = [o for outcomes in visit[0].values() for o in outcomes if isinstance(o, Response)]
    assert bodies
    assert all(len(answer.body) <= CAP and len(answer.wire_body) <= CAP for answer in bodies)


def test_urls_that_robots_txt_forbids_are_not_fetched(visit: tuple[dict[str, list[FetchOutcome]], Zoo, float]) -> None:
    asked = [line.split()[0] for line in visit[1].asked if not line.endswith(("robots.txt", "ai.txt", "tdmrep.json"))]
    assert "plain_page" in asked
    assert not {"robots_says_no", "robots_names_us", "robots_breaks", "robots_wants_an_hour"} & set(asked)
