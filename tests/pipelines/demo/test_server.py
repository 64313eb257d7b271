"""The bundled web answers by host name, counts, and knows its ETags; the canary counts who comes."""

import http.client
import socket
import time

from pipelines.demo.resources import Resource, World
from pipelines.demo.server import Canary, serve


def ask(port: int, host: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": f"{host}:{port}", **headers})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_hosts_paths_and_etags() -> None:
    world = World()
    world.add("a.localhost", "/", Resource(b"one", headers=(("ETag", '"x"'),)))
    world.add("b.localhost", "/", Resource(lambda: b"two"))
    with serve(world) as server:
        assert ask(server.port, "a.localhost", "/") == (200, b"one")
        assert ask(server.port, "b.localhost", "/") == (200, b"two")
        assert ask(server.port, "c.localhost", "/")[0] == 404
        assert ask(server.port, "a.localhost", "/", **{"If-None-Match": '"x"'})[0] == 304
        assert server.hits["a.localhost", "/"] == 2


def test_the_canary_counts_connections() -> None:
    canary = Canary()
    assert canary.connections == 0
    socket.create_connection(("127.0.0.1", canary.port), timeout=2).close()
    for _ in range(100):
        if canary.connections:
            break
        time.sleep(0.02)
    assert canary.connections == 1
    canary.close()
