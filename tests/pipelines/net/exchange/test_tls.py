"""TLS: a valid certificate for the host is required; every other case has its own outcome."""

import socket
import ssl
from pathlib import Path

import pytest

from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import fetch_all
from tests.web.certificates import write_certificate
from tests.web.zoo import open_zoo

CASES = {
    "good": ({}, True, "kept"),
    "unknown_issuer": ({}, False, "tls_bad_certificate"),
    "expired": ({"days": -1}, True, "tls_bad_certificate"),
    "of_another_host": ({"host": "other.localhost"}, True, "tls_bad_certificate"),
}


def fetch(url: str, port: int, ca_file: str | None) -> FetchOutcome:
    found: list[FetchOutcome] = []
    config = FetchConfig(
        contact="t@example.org",
        connect_timeout=1.0,
        allow_addresses=(f"127.0.0.1:{port}",),
        delay=0,
        retries=0,
        ca_file=ca_file,
    )
    fetch_all([url], config, kind="page", on_outcome=lambda _, outcome: found.append(outcome))
    (outcome,) = found
    return outcome


def word(outcome: FetchOutcome) -> str:
    return "kept" if isinstance(outcome, Response) else getattr(outcome, "error", getattr(outcome, "reason", ""))


@pytest.mark.parametrize("name", sorted(CASES))
def test_each_certificate_has_its_outcome(name: str, tmp_path: Path) -> None:
    options, trusted, expected = CASES[name]
    certificate, key = write_certificate(tmp_path, name, **options)  # type: ignore[arg-type]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with open_zoo(context) as zoo:
        outcome = fetch(f"https://plain-page.localhost:{zoo.port}/x", zoo.port, certificate if trusted else None)
    assert word(outcome) == expected
    assert not [line for line in zoo.asked if expected != "kept"]


def test_a_handshake_that_nobody_answers_has_the_deadline_of_connecting() -> None:
    with open_zoo() as zoo:
        assert word(fetch(f"https://plain-page.localhost:{zoo.port}/x", zoo.port, None)) == "timeout_connect"


def test_a_closed_port_is_a_failed_connection() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert word(fetch(f"http://plain-page.localhost:{port}/x", port, None)) == "connect_failed"
