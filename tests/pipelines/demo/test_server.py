"""The bundled web answers by host name, counts requests and handles ETags; the canary counts connections."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from corpusloom.pipelines.demo.resources import Resource, World
from corpusloom.pipelines.demo.server import Canary, serve
from tests.pipelines.command_line import environment, hear_interrupts


def ask(port: int, host: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": f"{host}:{port}", **headers})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_hosts_paths_and_etags_have_their_answers() -> None:
    world = World()
    world.add("a.localhost", "/", Resource(b"one", headers=(("ETag", '"x"'),)))
    world.add("b.localhost", "/", Resource(lambda: b"two"))
    with serve(world) as server:
        assert ask(server.port, "a.localhost", "/") == (200, b"one")
        assert ask(server.port, "b.localhost", "/") == (200, b"two")
        assert ask(server.port, "c.localhost", "/")[0] == 404
        assert ask(server.port, "a.localhost", "/", **{"If-None-Match": '"x"'})[0] == 304
        assert server.counted()["a.localhost", "/"] == 2


def test_the_server_runs_from_the_command_line_until_ctrl_c() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "corpusloom.pipelines.demo.server", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=hear_interrupts,
    )
    assert process.stdout is not None
    first = urlsplit(process.stdout.readline().strip())
    assert ask(first.port or 0, first.hostname or "", first.path)[0] == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_many_requests_at_once_are_all_counted() -> None:
    world = World()
    world.add("a.localhost", "/", Resource(b"one"))
    with serve(world) as server, ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ask(server.port, "a.localhost", "/")[0], range(100))) == {200}
    assert server.counted()["a.localhost", "/"] == 100


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
