"""Servers on loopback that tests run in a thread: any handler of HTTP, and moto's S3."""

import contextlib
import http.server
import threading
from collections.abc import Iterator

import fsspec
import pytest


class Server(http.server.ThreadingHTTPServer):
    """A server that does not wait for its clients."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A client that is gone is no news."""


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
    s3.clear_instance_cache()  # an instance knows the server of the test before
    s3().mkdir(f"loom-{port}")
    try:
        yield f"s3://loom-{port}"
    finally:
        server.stop()
        s3.clear_instance_cache()
