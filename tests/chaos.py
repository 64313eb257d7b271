"""Builds that are killed at random moments, again and again, until they finish: one digest, nothing unaccounted for.

`python -m tests.chaos --kills 200 --report chaos.json`, or `make chaos`. Each build of a kind starts on an empty
folder and an empty image store, is killed with SIGKILL after a random part of the time that a plain build takes, and
goes on in the next process, until one reaches its end; then the next kind has its turn. Exit code 1 when a digest
differs or a dataset does not verify.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

KINDS = ("m3w", "align", "regions")


@dataclass
class Report:
    """What happened: kills that hit a running build, builds that finished, what was wrong with them."""

    rng_seed: int
    kills: int = 0
    finished: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def build_kind(kind: str, folder: Path, crawl: Path, pairs: Path, port: int) -> None:
    """Build one dataset in `folder`/out; regions are made from the finished pairs."""
    from pipelines import build, regions
    from pipelines.build_config import BuildConfig
    from pipelines.net.config import FetchConfig
    from pipelines.progress import Reporter
    from pipelines.recipes.recipe import load_recipe

    out, work, quiet = str(folder / "out"), str(folder / "work"), Reporter(quiet=True)
    if kind == "regions":
        regions.build_dataset(str(pairs), out, work, quiet, limit=2)
        return
    fetch = FetchConfig(contact="chaos@example.org", allow_addresses=(f"127.0.0.0/8:{port}",), delay=0)
    config = BuildConfig(
        recipe=load_recipe(kind),
        out=out,
        work=work,
        store=str(folder / "store"),
        warcs=(str(crawl),),
        fetch=fetch,
        workers=0,
        shards=4,
    )
    build.build(config, quiet)


def in_a_child(run: Callable[[], None], after: float | None) -> int | None:
    """Run a function in a forked process; kill it after so many seconds. Return its exit code, None when killed."""
    child = os.fork()
    if child == 0:
        try:
            run()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    end = None if after is None else time.monotonic() + after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if end is not None and time.monotonic() >= end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.005)


def check(folder: Path, kind: str, report: Report) -> None:
    """Compare a finished dataset with the plain one, and verify it."""
    from pipelines.verify import verify
    from schemas.manifest import read_manifest

    manifest = read_manifest(str(folder / "out"))
    report.finished += 1
    if manifest.digest != report.digests.setdefault(kind, manifest.digest):
        report.wrong.append(f"{kind}: digest {manifest.digest}, not {report.digests[kind]}")
    report.wrong += [f"{kind}: {damage.where}: {damage.what}" for damage in verify(str(folder / "out"))]
    report.wrong += [f"{kind}: unaccounted in {row.stage}" for row in manifest.counts if row.unaccounted]


def chaos(folder: Path, crawl: Path, port: int, kills: int, rng_seed: int) -> Report:
    """Build each kind plainly, then killed and resumed until `kills` builds were hit; return the report."""
    rng, report, started = random.Random(rng_seed), Report(rng_seed=rng_seed), time.monotonic()
    seconds, pairs = {}, folder / "plain-align" / "out"
    for kind in KINDS:
        begun, place = time.monotonic(), folder / f"plain-{kind}"
        if in_a_child(lambda kind=kind, place=place: build_kind(kind, place, crawl, pairs, port), None):  # type: ignore[misc]
            report.wrong.append(f"{kind}: the plain build failed")
            return report
        seconds[kind] = time.monotonic() - begun
        check(place, kind, report)
    turn = 0
    while report.kills < kills:
        kind, place, hit = KINDS[turn % len(KINDS)], folder / f"killed-{turn}", 0
        while True:
            # After a few hits a build may run on, or a slow machine would never let it end.
            after = rng.uniform(0, seconds[kind]) if hit < 4 and report.kills < kills else None
            code = in_a_child(lambda kind=kind, place=place: build_kind(kind, place, crawl, pairs, port), after)  # type: ignore[misc]
            if code is not None:
                break
            report.kills, hit = report.kills + 1, hit + 1
        if code:
            report.wrong.append(f"{kind}: the resumed build failed with {code}")
        else:
            check(place, kind, report)
        shutil.rmtree(place, ignore_errors=True)
        turn += 1
    report.seconds = round(time.monotonic() - started, 1)
    return report


def serve(folder: Path) -> None:
    """Scrape the small web into `folder`/crawl, print the port, and serve until standard input ends."""
    from tests.pipelines.small_web import small_web

    with small_web(folder) as web:
        web.scrape()
        print(web.server.port, flush=True)
        sys.stdin.read()


def run(folder: Path, kills: int, rng_seed: int) -> Report:
    """Serve the small web in another process and let chaos loose on builds from it."""
    command = [sys.executable, "-m", "tests.chaos", "--serve", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None  # noqa: PT018
        port = int(server.stdout.readline())
        import apache_beam  # noqa: F401

        from pipelines import images, pages, pairs, regions, shards, warcs  # noqa: F401

        report = chaos(folder, folder / "crawl", port, kills, rng_seed)
        server.stdin.close()
    return report


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--report", default="")
    parser.add_argument("--serve", default="")
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve))
        return
    with tempfile.TemporaryDirectory(prefix="loom-chaos-") as folder:
        report = run(Path(folder), options.kills, options.rng_seed)
    text = json.dumps(asdict(report), indent=1)
    print(text)
    if options.report:
        Path(options.report).write_text(text + "\n")
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
