"""Images a second through the guarded fetcher, beside bare aiohttp that only reads bodies, on nginx over loopback.

    python -m benchmarks.fetch [--images 4000] [--pairs 3]

Prints one line a measure: ours, the peer's, their ratio (medians over interleaved pairs), and for hosts that hang or
fail or answer late our own clean run as the peer. Needs nginx on the path.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp

from pipelines.net.config import FetchConfig
from pipelines.net.crowd import fetch_all
from pipelines.net.fetched import Fetched, Outcome

IMAGE_BYTES = 40_000
HOSTS = 500
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000; sendfile on;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=2048; root {folder}/www; location / {{ try_files /a.jpg =404; }}
    location ~ (txt|json)$ {{ return 404; }} }}
  server {{ listen 127.0.0.1:{port}; server_name ~^fail; return 500; }}
}}
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nginx() -> Iterator[int]:
    """Serve one 40 KB image under every path."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        os.chmod(folder, 0o755)
        (Path(folder) / "www").mkdir()
        (Path(folder) / "www" / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(IMAGE_BYTES - 4))
        (Path(folder) / "conf").write_text(NGINX.format(folder=folder, port=port))
        with subprocess.Popen([program, "-c", f"{folder}/conf", "-e", "stderr"]) as process:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            try:
                yield port
            finally:
                process.terminate()


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """Listen without ever accepting."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        yield listener.getsockname()[1]


def bare(urls: list[str]) -> float:
    """Read the bodies with aiohttp alone, 32 at a time; return images a second."""

    async def read(session: aiohttp.ClientSession, queue: list[str]) -> None:
        while queue:
            async with session.get(queue.pop()) as response:
                await response.read()

    async def read_all() -> None:
        queue = list(urls)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(read(session, queue) for _ in range(32)))

    start = time.perf_counter()
    asyncio.run(read_all())
    return len(urls) / (time.perf_counter() - start)


def ours(urls: list[str], config: FetchConfig) -> float:
    """Fetch with policy, turns, wishes, caps and deadlines; return good images a second."""
    counts: Counter[str] = Counter()

    def count(url: str, outcome: Outcome) -> None:
        counts["kept" if isinstance(outcome, Fetched) else "other"] += 1

    start = time.perf_counter()
    fetch_all(urls, config, kind="image", on_outcome=count, resolver=lambda host: ["127.0.0.1"])
    seconds = time.perf_counter() - start
    if counts.total() != len(urls):
        raise SystemExit(f"{len(urls) - counts.total()} URLs have no outcome")
    return counts["kept"] / seconds


def compare(label: str, mine: Callable[[], float], peer: Callable[[], float], pairs: int) -> None:
    """Run both in turn, print medians and the median of the ratios."""
    rows = [(mine(), peer()) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in rows)
    a, b = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{label:<46} {a:8.0f} {b:8.0f} {ratio:6.2f}", flush=True)


def many_hosts(port: int, hang: int, images: int, *, clean: bool) -> list[str]:
    """Return URLs over 500 hosts, of which 5 % hang and 5 % fail unless `clean`."""

    def place(host: int) -> str:
        if not clean and host % 20 == 0:
            return f"hang{host}.example:{hang}"
        return f"fail{host}.example:{port}" if not clean and host % 20 == 1 else f"h{host}.example:{port}"

    return [f"http://{place(n % HOSTS)}/{n}.jpg" for n in range(images)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with nginx() as port, hanging() as hang:
        allowed = (f"127.0.0.0/8:{port}", f"127.0.0.0/8:{hang}")
        config = FetchConfig(contact="bench@example.org", allow_addresses=allowed, delay=0)
        crowd = FetchConfig(
            contact="bench@example.org",
            allow_addresses=allowed,
            delay=0,
            slots=4,
            total_timeout=3.0,
            breaker_failures=3,
            connections=512,
        )
        print(f"{'images a second':<46} {'ours':>8} {'peer':>8} {'ratio':>6}")
        one = [f"http://127.0.0.1:{port}/{n}.jpg" for n in range(options.images)]
        compare("one host / bare aiohttp", lambda: ours(one, config), lambda: bare(one), options.pairs)
        bad, good = (many_hosts(port, hang, 5 * options.images, clean=clean) for clean in (False, True))
        compare(
            "5 % of hosts hang, 5 % fail / own clean run",
            lambda: ours(bad, crowd),
            lambda: ours(good, crowd),
            max(1, options.pairs // 3),
        )


if __name__ == "__main__":
    main()
