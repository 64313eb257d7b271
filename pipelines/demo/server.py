"""The server of the bundled website: virtual hosts on loopback, counted requests, and a canary port.

`python -m corpusloom.pipelines.demo.server [PORT]` serves it and prints the start URLs.
"""

import contextlib
import socket
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from corpusloom.pipelines.demo.resources import Resource, World

_ABSENT = Resource(b"<h1>404</h1>", status=404)


class WebServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """An HTTP/1.1 server of a `World`. `hits` counts requests per (host, path)."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.hits: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self.server_address[1])

    def count(self, host: str, path: str) -> None:
        """Count one request; each has a thread of its own."""
        with self._counting:
            self.hits[host, path] += 1

    def counted(self) -> Counter[tuple[str, str]]:
        """Return a copy of the counts; safe while requests are served."""
        with self._counting:
            return self.hits.copy()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing if a client closes its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WebServer
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        host = (self.headers.get("Host") or "").split(":")[0]
        self.server.count(host, self.path)
        resource = self.server.world.resources.get((host, self.path), _ABSENT)
        etag = next((value for name, value in resource.headers if name == "ETag"), None)
        if etag is not None and self.headers.get("If-None-Match") == etag:
            self.send_response_only(304)
            self.end_headers()
            return
        self.send_response_only(resource.status)
        self.send_header("Content-Type", resource.content_type)
        self.send_header("Content-Length", str(len(resource.body)))
        for name, value in resource.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(resource.body)


class Canary:
    """A listening socket that counts connections; the count must stay at zero."""

    def __init__(self) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                connection.close()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@contextlib.contextmanager
def serve(world: World, port: int = 0) -> Iterator[WebServer]:
    """Serve a world on a loopback port (0: any free one) while the block runs."""
    server = WebServer(world, port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def main(port: int = 8765) -> None:
    """Serve the bundled website until Ctrl-C."""
    from corpusloom.pipelines.demo.sites import build_world

    world = build_world()
    with contextlib.suppress(KeyboardInterrupt), serve(world, port) as server:
        print("\n".join(world.seed_urls(server.port)), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
