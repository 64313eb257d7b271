"""Servers on loopback for remote datasets: nginx, and one with configurable faults."""

import contextlib
import http.server
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.nginx import free_port, serve
from tests.loopback import running
from tests.programs import require


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Serve a folder with nginx; without nginx the test is skipped, unless skipping is forbidden."""
    require("nginx")
    port = free_port()
    with serve({"127.0.0.1": folder}, port):
        yield f"http://127.0.0.1:{port}"


class Faulty(http.server.BaseHTTPRequestHandler):
    """Serves ranges of a folder; every n-th request fails, stalls or breaks off."""

    folder: Path
    requests = 0
    fail_every = stall_every = break_every = 0
    stall_s = 6.0
    ranges = True

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        kind = type(self)
        kind.requests += 1
        if self._is_turn(kind.fail_every):
            self.send_error(503)
            return
        if self._is_turn(kind.stall_every):
            time.sleep(kind.stall_s)
        data = path.read_bytes()
        wanted = self.headers.get("Range") if kind.ranges else None
        start, end = 0, len(data)
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(end - start))
        if kind.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if body:
            half = (end - start) // 2 if self._is_turn(kind.break_every) else end - start
            with contextlib.suppress(OSError):
                self.wfile.write(data[start : start + half])

    def _is_turn(self, every: int) -> bool:
        return every > 0 and type(self).requests % every == 0

    def log_message(self, format: str, *values: Any) -> None:
        pass


@contextlib.contextmanager
def faulty(folder: Path, **faults: Any) -> Iterator[tuple[str, http.server.ThreadingHTTPServer]]:
    """Serve a folder with faults."""
    handler = type("Handler", (Faulty,), {"folder": folder, "requests": 0, **faults})
    with running(handler) as server:
        yield f"http://127.0.0.1:{server.server_port}", server
