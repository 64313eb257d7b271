"""A server of pictures on loopback: /N.png is picture N, /down/... fails until it is repaired.

/to/URL redirects there.
"""

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from corpusloom.pipelines.net.config import FetchConfig
from tests.pipelines.store.store_maker import png

SIDE = 256


class ImageServer(http.server.ThreadingHTTPServer):
    """A server that counts requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.repaired = False
        self.sent = 0
        self.failing: set[str] = set()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def fetch(self) -> FetchConfig:
        allowed = (f"127.0.0.0/8:{self.server_port}",)
        return FetchConfig(contact="t@example.org", allow_addresses=allowed, delay=0, retries=0)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ImageServer

    def do_GET(self) -> None:
        path = self.path
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", path.removeprefix("/to/"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path.endswith(".png"):
            self.server.asked[path] += 1
        down = (path.startswith("/down/") and not self.server.repaired) or path in self.server.failing
        name = path.rsplit("/", 1)[-1].removesuffix(".png")
        status = 503 if down else 200 if path.endswith(".png") and name.isdigit() else 404
        body = png(int(name), SIDE) if status == 200 else b""
        if status == 200 and self.headers.get("If-None-Match") == f'"{name}"':
            status, body = 304, b""
        self.server.sent += len(body)
        self.send_response(status)
        self.send_header("ETag", f'"{name}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def image_server() -> Iterator[ImageServer]:
    server = ImageServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
