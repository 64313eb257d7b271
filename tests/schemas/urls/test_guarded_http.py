"""Connections are checked by the address policy where they are made, whatever URL, name or redirect led there."""

import http.server
import socket
from collections.abc import Iterator

import pytest

from corpusloom.schemas import storage
from corpusloom.schemas.addresses import AddressPolicy, RefusedError
from corpusloom.schemas.errors import LoomError
from corpusloom.schemas.urls.guarded_http import addresses_of, make_socket, refusal_of
from tests.loopback import Server, running


class Canary(http.server.BaseHTTPRequestHandler):
    """Answers with a file, or at /away with a redirect to the server's other name; counts its requests."""

    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", f"http://[::ffff:127.0.0.2]:{self.server.server_address[1]}/file")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"data")

    do_HEAD = do_GET

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture
def canary() -> Iterator[tuple[Server, type[Canary]]]:
    kind = type("Counted", (Canary,), {"requests": 0})
    with running(kind) as server:
        yield server, kind


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
def test_a_url_of_a_private_address_is_not_asked(canary: tuple[Server, type[Canary]], host: str) -> None:
    server, kind = canary
    with storage.guarded(AddressPolicy()), pytest.raises(LoomError):
        storage.read_bytes(f"http://{host}:{server.server_port}/file")
    assert kind.requests == 0


def test_a_server_that_is_allowed_is_asked_and_its_redirects_are_checked(canary: tuple[Server, type[Canary]]) -> None:
    server, kind = canary
    url = f"http://127.0.0.1:{server.server_port}"
    with storage.guarded(AddressPolicy((f"127.0.0.1:{server.server_port}",))):
        assert storage.read_bytes(f"{url}/file") == b"data"
        asked = kind.requests
        with pytest.raises(LoomError):
            storage.read_bytes(f"{url}/away")
    assert kind.requests == asked + 1
    assert storage.read_bytes(f"{url}/file") == b"data"  # outside of the block nothing is checked


def test_the_hosts_that_a_user_names_become_entries_of_a_policy() -> None:
    assert addresses_of(["/data", "s3://bucket/x", "http:///x"]) == ()
    assert addresses_of(["http://127.0.0.1:8765/a", "https://127.0.0.1/b"]) == ("127.0.0.1:8765", "127.0.0.1:443")
    assert addresses_of(["http://[::1]:99/"]) == ("[::1]:99",)
    assert AddressPolicy(addresses_of(["http://[::1]:99/"])).allows("::1", 99)


def test_a_socket_is_refused_for_a_forbidden_address_or_port() -> None:
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 8765))
    with pytest.raises(RefusedError):
        make_socket(AddressPolicy(), info)
    with pytest.raises(RefusedError):
        make_socket(AddressPolicy(("127.0.0.1:8766",)), info)
    with make_socket(AddressPolicy(("127.0.0.1:8765",)), info) as made:
        assert (made.family, made.type) == (socket.AF_INET, socket.SOCK_STREAM)


def test_a_refusal_is_found_among_causes_even_if_they_form_a_circle() -> None:
    refusal = RefusedError("port_not_allowed", "22")
    outer, inner = OSError("outer"), OSError("inner")
    outer.__cause__, inner.__context__ = inner, refusal
    assert refusal_of(outer) is refusal
    inner.__context__ = outer
    assert refusal_of(outer) is None
