"""Runs one build over two hosts: two network namespaces with a Beam worker pool in each, and the runner in a third.

`python -m tests.two_hosts` as root. A pair of virtual Ethernet devices connects each namespace to this one, and all
share one disk, as machines share a network file system. The workers of a pool connect back to the runner. Every kind
of dataset is built on one host and on two; the digests must be equal, and both hosts must have done work.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

RUN = os.getpid()
"""Process ID; it makes names and addresses unique, so that two runs on one machine do not collide."""
HOSTS = (f"loom-{RUN}-a", f"loom-{RUN}-b")
CABLES = (f"lm{RUN}a", f"lm{RUN}b")
NETWORKS = tuple(f"10.{200 + RUN % 50}.{RUN // 50 % 100 * 2 + number}" for number in (0, 1))
PORT = 50_611


def missing() -> str | None:
    """Return why this machine cannot run the test, None when it can."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    if shutil.which("ip") is None:
        return "needs the command ip (iproute2)"
    made = subprocess.run(["ip", "netns", "add", f"loom-{RUN}-probe"], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"cannot make a network namespace: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", f"loom-{RUN}-probe"], check=True)
    return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextlib.contextmanager
def hosts() -> Iterator[list[tuple[str, str, str]]]:
    """Make the namespaces; yield (name, namespace's address, our address on the same link) for each."""
    made = []
    try:
        for number, name in enumerate(HOSTS):
            here, there = f"{NETWORKS[number]}.1", f"{NETWORKS[number]}.2"
            _ip("netns", "add", name)
            _ip("link", "add", CABLES[number], "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("addr", "add", f"{here}/24", "dev", CABLES[number])
            _ip("link", "set", CABLES[number], "up")
            for words in (("addr", "add", f"{there}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
                _ip("-n", name, *words)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "route", "add", "default", "via", here)
            made.append((name, there, here))
        yield made
    finally:
        for number, name in enumerate(HOSTS):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            subprocess.run(["ip", "link", "del", CABLES[number]], capture_output=True, check=False)


@contextlib.contextmanager
def pools(places: list[tuple[str, str, str]]) -> Iterator[list[str]]:
    """Start a worker pool in each namespace; yield their endpoints."""
    module = "apache_beam.runners.worker.worker_pool_main"
    started = []
    try:
        for name, _, _ in places:
            command = ["ip", "netns", "exec", name, sys.executable, "-m", module, f"--service_port={PORT}"]
            started.append(subprocess.Popen([*command, "--container_executable="]))
        for _, there, _ in places:
            _wait_for(there, PORT)
        yield [f"{there}:{PORT}" for _, there, _ in places]
    finally:
        for name, _, _ in places:  # its workers too: a namespace with a running process stays
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
            for pid in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        for process in started:
            process.wait()


def _wait_for(host: str, port: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"no worker pool at {host}:{port}")
        time.sleep(0.1)


@contextlib.contextmanager
def dealer(endpoints: list[str]) -> Iterator[tuple[str, list[int]]]:
    """Serve one pool that assigns workers to several pools in turn; yield its endpoint and each pool's number."""
    import grpc
    from apache_beam.portability.api import beam_fn_api_pb2_grpc as services

    given = [0] * len(endpoints)

    class Dealer(services.BeamFnExternalWorkerPoolServicer):  # type: ignore[misc]
        def StartWorker(self, request: Any, context: Any) -> Any:
            turn = sum(given) % len(endpoints)
            given[turn] += 1
            with grpc.insecure_channel(endpoints[turn]) as channel:
                return services.BeamFnExternalWorkerPoolStub(channel).StartWorker(request)

        def StopWorker(self, request: Any, context: Any) -> Any:
            raise NotImplementedError

    server = grpc.server(futures.ThreadPoolExecutor(4))
    services.add_BeamFnExternalWorkerPoolServicer_to_server(Dealer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", given
    server.stop(0)


def build_all(web: Any, folder: Path) -> dict[str, str]:
    """Build every kind; return the digests."""
    from corpusloom.pipelines.builds.derived import regions
    from corpusloom.schemas.manifest import read_manifest
    from tests.pipelines.small_web import QUIET

    for name in ("m3w", "align"):
        web.build(name, name, out=str(folder / name), work=str(folder / "work"), shards=4)
    places = [str(folder / name) for name in ("align", "regions", "work")]
    regions.build_dataset(*places, QUIET, store=str(folder / "store"), limit=2)
    return {name: read_manifest(str(folder / name)).digest for name in ("m3w", "align", "regions")}


def on_two_hosts(endpoint: str, here: str) -> None:
    """Make the local runner use the pools: two Beam workers from `endpoint`, which find the runner at `here`."""
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers
    from apache_beam.transforms.environments import ExternalEnvironment

    from corpusloom.pipelines.engine import runners

    worker_handlers.ExternalWorkerHandler.host_from_worker = lambda _: here  # else an unknown name
    environment = ExternalEnvironment(endpoint)
    options = ["--direct_num_workers=2"]
    runners.make_runner = lambda profile, **_: (FnApiRunner(default_environment=environment), options)  # type: ignore[assignment]


def main() -> int:
    """Build on one host and on two, and compare the digests."""
    from tests.pipelines.small_web import small_web

    reason = missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return 77
    with tempfile.TemporaryDirectory(prefix="loom-hosts-") as name, small_web(Path(name)) as web:
        folder = Path(name)
        web.scrape()
        plain = build_all(web, folder / "plain")
        os.environ["PYTHONPATH"] = os.getcwd()
        os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"  # a pool starts `python` by name
        with (
            hosts() as places,
            pools(places) as endpoints,
            dealer(endpoints) as (endpoint, given),
        ):
            on_two_hosts(endpoint, places[0][2])
            spread = build_all(web, folder / "spread")
            workers = dict(zip(HOSTS, given, strict=True))
        for kind, digest in plain.items():
            print(f"{kind}: {digest} on one host, {spread[kind]} on two")
        print(f"Beam workers started: {workers}")
        return 0 if spread == plain and all(given) else 1


if __name__ == "__main__":
    sys.exit(main())
