"""Measures images fetched per second from nginx on loopback, compared with img2dataset and plain aiohttp.

    make bench-fetch; python -m benchmarks.fetch [--images 6000] [--pairs 3] [--img2dataset PYTHON] [--only WORD]

Prints one line per measure: ours, the peer's, their ratio (medians over interleaved pairs). For hosts that hang, fail
or respond late, and for memory, the peer is our own plain run. img2dataset runs in its own environment with its fastest
settings (no re-encoding, no EXIF); its speed is taken from its statistics, without its start. The images are served
from 64 addresses of loopback, since a domain belongs to one lane. Like img2dataset we fetch in two processes on two
cores, with 32 connections each. Needs nginx.

Limits: our packs are synced to disk at every checkpoint and img2dataset's tars are not, so a slow disk slows only us
(`TMPDIR=/dev/shm` removes that). If other programs use the cores, compare the CPU time per image; two thirds of it are
aiohttp's. Tried without gain: uvloop (none at 40 KB), hashing in a thread (the loop waits for the GIL at every system
call), 128 connections (bodies fall out of the CPU cache).
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import numpy as np
import simplejpeg

from benchmarks.nginx import free_port, running
from benchmarks.peak import peak_megabytes
from corpusloom.pipelines.engine.subprocesses import cores
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.net.exchange.response import FetchOutcome, Response
from corpusloom.pipelines.net.scheduler import fetch_all
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig, fetch_lanes
from corpusloom.pipelines.store.images.frontier import write_lanes
from corpusloom.pipelines.store.images.outcomes import ImageUrl
from corpusloom.pipelines.store.images.resize import Resize, resize
from corpusloom.schemas import identity
from tests.interop.environments import environment, python_of

HOSTS = 500
MANY_URLS = 20_000
"""URLs over HOSTS hosts."""
ADDRESSES = 64
"""Addresses of loopback, one host each: 127.0.0.1, 127.0.0.2, ..."""
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000; sendfile on;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen {port} backlog=2048; root {folder}/www; location ~ (txt|json)$ {{ return 404; }} }}
  server {{ listen {port}; server_name ~^fail; return 500; }}
}}
"""


def make_jpegs(folder: Path, count: int) -> None:
    """Write distinct images of about 40 KB: one image, each time with another comment."""
    y, x = np.mgrid[0:360, 0:480]
    noise = np.random.default_rng(0).integers(0, 20, (360, 480, 3))
    pixels = (np.stack([x % 256, y % 256, (x + y) % 256], axis=2) * 0.8 + noise).astype(np.uint8)
    data = simplejpeg.encode_jpeg(pixels, 85)
    for number in range(count):
        comment = f"picture {number}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / f"{number}.jpg").write_bytes(data[:2] + segment + data[2:])


@contextlib.contextmanager
def nginx(images: int) -> Iterator[int]:
    """Serve images of about 40 KB as /N.jpg."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        os.chmod(folder, 0o755)
        (Path(folder) / "www").mkdir()
        make_jpegs(Path(folder) / "www", images)
        with running(NGINX.format(folder=folder, port=port), port):
            yield port


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """Listen and never accept."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        yield listener.getsockname()[1]


def bare(urls: list[str]) -> float:
    """Read the bodies with plain aiohttp, 32 at a time; return images per second."""

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


def cpu_of(work: Callable[[], float], images: int) -> float:
    """Return the CPU milliseconds per image of some work in this process."""
    start = time.process_time()
    work()
    return 1000 * (time.process_time() - start) / images


def ours(urls: list[str], config: FetchConfig) -> float:
    """Fetch with address policy, scheduler, host files, caps and timeouts; return images per second."""
    counts: Counter[str] = Counter()

    def count(url: str, outcome: FetchOutcome) -> None:
        counts["kept" if isinstance(outcome, Response) else "other"] += 1

    start = time.perf_counter()
    fetch_all(urls, config, kind="image", on_outcome=count, resolver=lambda host: ["127.0.0.1"])
    seconds = time.perf_counter() - start
    if counts.total() != len(urls):
        raise SystemExit(f"{len(urls) - counts.total()} URLs have no outcome")
    return counts["kept"] / seconds


def stored(urls: list[str], config: FetchConfig, *, lanes: int) -> float:
    """Fetch into a store, which adds headers, hashes, packs and index; return images per second."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = (ImageUrl(identity.image_key(url), url) for url in urls)
        frontier = write_lanes(wanted, f"{folder}/frontier", lanes)
        start = time.perf_counter()
        ended = fetch_lanes(frontier, ImagesConfig(store=f"{folder}/store", fetch=config, local=True)).outcomes
        seconds = time.perf_counter() - start
    if ended["kept", None] != len(urls):
        raise SystemExit(f"of {len(urls)} images {ended['kept', None]} were stored: {dict(ended)}")
    return len(urls) / seconds


IMG2DATASET = """
import sys, img2dataset
img2dataset.download(url_list=sys.argv[1], output_folder=sys.argv[2], output_format="webdataset", resize_mode="no",
    disable_all_reencoding=True, extract_exif=False, processes_count=2, thread_count=32, enable_wandb=False,
    number_sample_per_shard=int(sys.argv[3]), compute_hash="sha256")
"""


def by_img2dataset(python: str, urls: list[str]) -> float:
    """Run img2dataset with two processes into tars; return images per second by its own statistics."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "urls.txt").write_text("\n".join(urls))
        command = [python, "-c", IMG2DATASET, f"{folder}/urls.txt", f"{folder}/out", str(len(urls) // 4)]
        subprocess.run(command, check=True, capture_output=True, env=environment(NO_ALBUMENTATIONS_UPDATE="1"))
        shards = [json.loads(path.read_text()) for path in Path(f"{folder}/out").glob("*_stats.json")]
    if sum(shard["successes"] for shard in shards) != len(urls):
        raise SystemExit("img2dataset did not fetch every image")
    return len(urls) / (max(shard["end_time"] for shard in shards) - min(shard["start_time"] for shard in shards))


RESIZER = """
import io, sys, time
from img2dataset.resizer import Resizer
data, resizer = open(sys.argv[1], "rb").read(), Resizer(256, "border", False)
assert resizer(io.BytesIO(data))[-1] is None
start = time.process_time()
for _ in range(300):
    resizer(io.BytesIO(data))
print(300 / (time.process_time() - start))
"""


def resized_by_img2dataset(python: str, path: str) -> float:
    """Return images per CPU second of img2dataset's Resizer: decode, 256 pixels with a border, JPEG 95."""
    command = [python, "-c", RESIZER, path]
    offline = environment(NO_ALBUMENTATIONS_UPDATE="1")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=offline)
    return float(done.stdout.split()[-1])


def resized(path: str) -> float:
    """Return images per CPU second of our resizer, with the same pixels."""
    data, config = Path(path).read_bytes(), Resize(mode="border", size=256)
    resize(data, config)
    start = time.process_time()
    for _ in range(300):
        resize(data, config)
    return 300 / (time.process_time() - start)


@contextlib.contextmanager
def late(port: int, seconds: float) -> Iterator[int]:
    """Forward connections to nginx and delay every response by `seconds`."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 17):
                if wait:
                    await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, outer, seconds), pump(inner, writer, 0))

    async def serve() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", place, backlog=2048)
        await server.serve_forever()

    place = free_port()
    process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(serve()), daemon=True)
    process.start()
    time.sleep(0.5)
    try:
        yield place
    finally:
        process.terminate()
        process.join()


def _peak(urls: list[str], config: FetchConfig, result: "multiprocessing.Queue[float]") -> None:
    stored(urls, config, lanes=1)
    result.put(peak_megabytes())


def peak_memory(urls: list[str], config: FetchConfig) -> float:
    """Return the peak MiB of a run in its own process, imports included."""
    context = multiprocessing.get_context("spawn")
    result: multiprocessing.Queue[float] = context.Queue()
    process = context.Process(target=_peak, args=(urls, config, result))
    process.start()
    mebibytes = result.get()
    process.join()
    return mebibytes


def compare(label: str, mine: Callable[[], float], peer: Callable[[], float], pairs: int) -> None:
    """Run both alternately; print the medians and the median of the ratios."""
    rows = [(mine(), peer()) for _ in range(pairs)]
    ratio = statistics.median(a / b for a, b in rows)
    a, b = (statistics.median(column) for column in zip(*rows, strict=True))
    digits = 0 if a > 10 else 3
    print(f"{label:<52} {a:8.{digits}f} {b:8.{digits}f} {ratio:6.2f}", flush=True)


def many_hosts(port: int, hang: int, count: int, images: int, *, clean: bool) -> list[str]:
    """Return URLs over 500 hosts, of which 5 % hang and 5 % fail unless `clean`."""

    def place(host: int) -> str:
        if not clean and host % 20 == 0:
            return f"hang{host}.example:{hang}"
        return f"fail{host}.example:{port}" if not clean and host % 20 == 1 else f"h{host}.example:{port}"

    return [f"http://{place(n % HOSTS)}/{n % images}.jpg?{n}" for n in range(count)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--img2dataset", help="a Python with img2dataset; default: one that is made under .interop")
    parser.add_argument("--only", default="", help="only measures whose label contains this word")
    options = parser.parse_args()
    python = options.img2dataset or peer_environment()
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {options.images} images, {options.pairs} pairs")
    print(f"{'':<52} {'ours':>8} {'peer':>8} {'ratio':>6}")
    with nginx(options.images) as port, hanging() as hang, late(port, 0.2) as slow:
        for label, mine, peer in measures(options.images, python, port, hang, slow):
            if options.only in label:
                if "into the store" in label:
                    mine()  # the forkserver starts with the first run
                compare(label, mine, peer, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        make_jpegs(Path(folder), 1)
        path, label = f"{folder}/0.jpg", "decode, resize, encode per CPU second / its Resizer"
        if options.only in label:
            compare(label, lambda: resized(path), lambda: resized_by_img2dataset(python, path), options.pairs)


def peer_environment() -> str:
    """Return the Python of img2dataset's environment; make the environment if it is missing."""
    from tests.interop.run import REQUIREMENTS

    return python_of("img2dataset", REQUIREMENTS["img2dataset"])


def measures(
    images: int, python: str, port: int, hang: int, slow: int
) -> list[tuple[str, Callable[[], float], Callable[[], float]]]:
    """Return the network measures: label, our function and the peer's."""
    allowed = tuple(f"127.0.0.0/8:{number}" for number in (port, hang, slow))
    config = FetchConfig(contact="bench@example.org", allow_addresses=allowed, delay=0, connections=32)
    both = dataclasses.replace(config, connections=32 * cores())
    many = FetchConfig(
        contact="bench@example.org",
        allow_addresses=allowed,
        delay=0,
        slots=4,
        total_timeout=3.0,
        breaker_failures=3,
        connections=1024,  # 5,000 responses per second, each 200 ms late
    )
    one = [f"http://127.0.0.{1 + n % ADDRESSES}:{port}/{n}.jpg" for n in range(images)]
    few = one[: min(images, MANY_URLS // 10)]
    ten = [f"{few[n % len(few)]}?{n}" for n in range(10 * len(few))]
    bad, good = (many_hosts(port, hang, MANY_URLS, images, clean=clean) for clean in (False, True))
    delayed = many_hosts(slow, hang, MANY_URLS, images, clean=True)

    def into_store() -> float:
        return stored(one, both, lanes=cores())

    return [
        ("images/s into the store / img2dataset", into_store, lambda: by_img2dataset(python, one)),
        ("images/s into the store / bare aiohttp", into_store, lambda: bare(one)),
        ("images/s fetched alone / bare aiohttp", lambda: ours(one, config), lambda: bare(one)),
        (
            "CPU ms per image fetched alone / bare aiohttp",
            lambda: cpu_of(lambda: ours(one, config), images),
            lambda: cpu_of(lambda: bare(one), images),
        ),
        (
            "CPU ms per image into the store, 1 lane / bare aiohttp",
            lambda: cpu_of(lambda: stored(one, config, lanes=1), images),
            lambda: cpu_of(lambda: bare(one), images),
        ),
        ("5 % of hosts hang, 5 % fail / own clean run", lambda: ours(bad, many), lambda: ours(good, many)),
        ("every response 200 ms late / own clean run", lambda: ours(delayed, many), lambda: ours(good, many)),
        (
            "MiB at the peak, 10 x the URLs / the plain run",
            lambda: peak_memory(ten, config),
            lambda: peak_memory(few, config),
        ),
    ]


if __name__ == "__main__":
    main()
