"""Kill builds at random moments and resume them: every build must end with the same digest and lose no record.

`python -m tests.chaos --kills 200 --report chaos.json`, or `make chaos`. Each build starts with an empty folder and an
empty image store. It is killed with SIGKILL after a random fraction of the time of an undisturbed build, and the next
process resumes it, until one process reaches the end; then a build of the next kind starts. One kind is a take-down: a
finished dataset of pages forgets a site and an image, and must equal a build that never had them. The exit code is 1
when a digest differs, a dataset does not verify, or a file still names what was taken down.
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

KINDS = ("m3w", "align", "regions", "forget")


@dataclass
class Report:
    """Number of kills that hit a running build, builds that finished, and errors found in them."""

    rng_seed: int
    kills: int = 0
    finished: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class World:
    """Inputs that all builds of a run share."""

    folder: Path
    port: int
    """Loopback port of the small website."""

    @property
    def crawl(self) -> Path:
        """Folder of the WARCs."""
        return self.folder / "crawl"

    @property
    def pairs(self) -> Path:
        """Dataset of pairs that the regions are made from."""
        return self.folder / "plain-align" / "out"

    def taken_down(self) -> tuple[str, str]:
        """Return the host and the sha256 of the image to take down."""
        from corpusloom.schemas import identity, tables
        from corpusloom.schemas.manifest import read_manifest
        from corpusloom.schemas.records import SidecarRow

        out = self.folder / "plain-m3w" / "out"
        names = [shard.sidecar.name for shard in read_manifest(str(out)).shards]
        rows = [row for name in names for row in tables.read_records(str(out / name), SidecarRow)]
        host = identity.host_of(rows[0].url)
        image = next(row.sha256 for row in reversed(rows) if identity.host_of(row.url) != host and row.sha256)
        return host, image


def take_down(folder: Path, world: World) -> None:
    """Make the finished dataset `folder`/out forget a host and an image."""
    from corpusloom.pipelines.datasets.forget import forget, make_tombstones
    from corpusloom.pipelines.engine.progress import Reporter

    host, image = world.taken_down()
    forget(str(folder / "out"), make_tombstones(domains=(host,), sha256=(image,)), Reporter(quiet=True))


def still_found(folder: Path, host: str) -> list[str]:
    """Return the files of stages, store and dataset, other than WARCs, that still name a host."""
    from corpusloom.schemas import tables

    found = [path for path in folder.rglob("*") if path.is_file()]
    texts = (
        (path, repr(tables.read_table(str(path)).to_pylist()).encode()) for path in found if path.suffix == ".parquet"
    )
    others = ((path, path.read_bytes()) for path in found if path.suffix in (".json", ".tar", ".warc", ".md"))
    named = [str(path) for made in (texts, others) for path, text in made if f"//{host}".encode() in text]
    return named + [str(path) for path in found if path.suffix == ".arrow"]  # scratch files of a killed process


def build_kind(kind: str, folder: Path, world: World, out: str = "out") -> None:
    """Build one dataset in `folder`/out; regions are made from the finished pairs."""
    from corpusloom.pipelines.builds import build
    from corpusloom.pipelines.builds.config import BuildConfig
    from corpusloom.pipelines.builds.derived import regions
    from corpusloom.pipelines.engine.progress import Reporter
    from corpusloom.pipelines.net.config import FetchConfig
    from corpusloom.pipelines.recipes.recipe import load_recipe

    work, quiet = str(folder / "work"), Reporter(quiet=True)
    if kind == "regions":
        regions.build_dataset(str(world.pairs), str(folder / out), work, quiet, store=str(folder / "store"), limit=2)
        return
    fetch = FetchConfig(contact="chaos@example.org", allow_addresses=(f"127.0.0.0/8:{world.port}",), delay=0)
    config = BuildConfig(
        recipe=load_recipe(kind),
        out=str(folder / out),
        work=work,
        store=str(folder / "store"),
        warcs=(str(world.crawl),),
        fetch=fetch,
        workers=0,
        shards=4,
    )
    build.build(config, quiet)


def in_a_child(run: Callable[[], None], after: float | None) -> int | None:
    """Run a function in a forked process and kill it after `after` seconds; return its exit code, None when killed."""
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


def prepare(kind: str, place: Path, world: World) -> int | None:
    """Build the dataset that a take-down starts from; other kinds need nothing. Return an exit code."""
    return in_a_child(lambda: build_kind("m3w", place, world), None) if kind == "forget" else 0


def work_of(kind: str, place: Path, world: World) -> Callable[[], None]:
    """Return the function that a process of this kind runs."""
    return (lambda: take_down(place, world)) if kind == "forget" else (lambda: build_kind(kind, place, world))


def check(place: Path, kind: str, world: World, report: Report) -> None:
    """Compare a finished dataset with the undisturbed one, and verify it."""
    from corpusloom.pipelines.datasets.damage import describe
    from corpusloom.pipelines.datasets.verify import verify
    from corpusloom.schemas.manifest import read_manifest

    out = str(place / "out")
    manifest = read_manifest(out)
    report.finished += 1
    if manifest.digest != report.digests.setdefault(kind, manifest.digest):
        report.wrong.append(f"{kind}: digest {manifest.digest}, not {report.digests[kind]}")
    report.wrong += [f"{kind}: {damage.where}: {describe(damage)}" for damage in verify(out)]
    report.wrong += [f"{kind}: unaccounted in {row.stage}" for row in manifest.counts if row.unaccounted]
    if kind == "forget":
        report.wrong += [f"still named in {path}" for path in still_found(place, world.taken_down()[0])]


def plain(world: World, report: Report) -> dict[str, float]:
    """Run each kind once without kills; return the seconds that each takes."""
    from corpusloom.schemas.manifest import read_manifest

    seconds = {}
    for kind in KINDS:
        place = world.folder / f"plain-{kind}"
        failed = prepare(kind, place, world)
        begun = time.monotonic()
        if failed or in_a_child(work_of(kind, place, world), None):
            report.wrong.append(f"{kind}: failed undisturbed")
            return {}
        seconds[kind] = time.monotonic() - begun
        check(place, kind, world, report)
    shutil.rmtree(place / "work")  # the next build starts from WARCs, store and tombstones only
    in_a_child(lambda: build_kind("m3w", place, world, "never-had-it"), None)
    if read_manifest(str(place / "never-had-it")).digest != report.digests["forget"]:
        report.wrong.append("the take-down differs from a build without the site and the image")
    return seconds


def chaos(world: World, kinds: tuple[str, ...], kills: int, rng_seed: int) -> Report:
    """Run each kind without kills, then kill and resume until `kills` processes were hit; return the report."""
    rng, report, started = random.Random(rng_seed), Report(rng_seed=rng_seed), time.monotonic()
    seconds, turn, most = plain(world, report), 0, min(4, max(1, kills // len(kinds)))
    while seconds and report.kills < kills:
        kind, place, hit = kinds[turn % len(kinds)], world.folder / f"killed-{turn}", 0
        prepare(kind, place, world)
        while True:
            # After `most` hits the process is left alone; otherwise a build might never end on a slow machine.
            after = rng.uniform(0, seconds[kind]) if hit < most and report.kills < kills else None
            begun = time.monotonic()
            code = in_a_child(work_of(kind, place, world), after)
            if code is not None:
                if not hit:  # the machine got faster: kill earlier next time
                    seconds[kind] = time.monotonic() - begun
                break
            report.kills, hit = report.kills + 1, hit + 1
        if code:
            report.wrong.append(f"{kind}: exit code {code} after resuming")
        else:
            check(place, kind, world, report)
        shutil.rmtree(place, ignore_errors=True)
        turn += 1
    report.seconds = round(time.monotonic() - started, 1)
    return report


def serve(folder: Path) -> None:
    """Scrape the small website into `folder`/crawl, print the port, and serve until standard input ends."""
    from tests.pipelines.small_web import small_web

    with small_web(folder) as web:
        web.scrape()
        print(web.server.port, flush=True)
        sys.stdin.read()


def run(folder: Path, kinds: tuple[str, ...], kills: int, rng_seed: int) -> Report:
    """Serve the small website in another process, and kill builds from it."""
    command = [sys.executable, "-m", "tests.chaos", "--serve", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None  # noqa: PT018
        port = int(server.stdout.readline())
        import apache_beam  # noqa: F401

        from corpusloom.pipelines.builds.derived import regions  # noqa: F401

        report = chaos(World(folder, port), kinds, kills, rng_seed)
        server.stdin.close()
    return report


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--report", default="")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="kinds of builds to kill")
    parser.add_argument("--serve", default="")
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve))
        return
    with tempfile.TemporaryDirectory(prefix="loom-chaos-") as folder:
        report = run(Path(folder), tuple(options.kinds), options.kills, options.rng_seed)
    text = json.dumps(asdict(report), indent=1)
    print(text)
    if options.report:
        Path(options.report).write_text(text + "\n")
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
