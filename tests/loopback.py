"""Runs servers on loopback in a thread: any HTTP handler, and moto's S3."""

import contextlib
import http.client
import http.server
import re
import threading
import urllib.parse
from collections import Counter
from collections.abc import Iterator

import fsspec
import pytest


class Server(http.server.ThreadingHTTPServer):
    """A server that does not wait for its clients when it is closed."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Ignore errors of a connection: the client has closed it."""


@contextlib.contextmanager
def running(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[Server]:
    """Run a server of this handler on a free port while the block runs."""
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a local S3 server; yields the URL of an empty bucket, which s3:// reaches within the block."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}"),
    ):
        monkeypatch.setenv(name, value)
    s3 = fsspec.get_filesystem_class("s3")
    s3.clear_instance_cache()  # a cached instance still points to the server of the previous test
    s3().mkdir(f"loom-{port}")
    try:
        yield f"s3://loom-{port}"
    finally:
        server.stop()
        s3.clear_instance_cache()


SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


@contextlib.contextmanager
def unreliable_s3(
    monkeypatch: pytest.MonkeyPatch, *, refuse_every: int, hide: int
) -> Iterator[tuple[str, Counter[str]]]:
    """Run a local S3 server behind a proxy; yields the URL of a bucket, and counts of the proxy's actions.

    Every `refuse_every`-th request is answered with 503; an object is missing from the first `hide` listings that
    should have it.
    """
    did: Counter[str] = Counter()
    fresh: dict[str, int] = {}
    lock = threading.Lock()

    def without_fresh(body: bytes) -> bytes:
        def show(found: re.Match[bytes]) -> bytes:
            key = urllib.parse.unquote(found[1].decode())
            with lock:
                left = fresh.get(key, 0)
                fresh[key] = max(0, left - 1)
            did["hidden"] += left > 0
            return b"" if left > 0 else found[0]

        return re.sub(rb"<Contents>.*?<Key>(.*?)</Key>.*?</Contents>", show, body, flags=re.DOTALL)

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            length = [value for name, value in headers if name.lower() == "content-length"]
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            head = self.command == "HEAD" and bool(length)
            self.send_header("Content-Length", length[0] if head else str(len(body)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            did["requests"] += 1
            if did["requests"] % refuse_every == 0:
                did["refused"] += 1
                self.answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", port)
            upstream.request(self.command, self.path, body, dict(self.headers))
            found = upstream.getresponse()
            data, path = found.read(), urllib.parse.urlsplit(self.path)
            if self.command == "PUT" and found.status == 200:
                fresh.setdefault(urllib.parse.unquote(path.path).strip("/").partition("/")[2], hide)
            elif self.command == "GET" and "list-type" in path.query:
                data = without_fresh(data)
            self.answer(found.status, found.getheaders(), data)
            upstream.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

    with s3(monkeypatch) as url, running(Proxy) as proxy:
        port = int(url.rpartition("-")[2])
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_port}")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield url, did
