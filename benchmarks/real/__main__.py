"""Runs corpusloom on two real sites: scrape, M3W, ALIGN, statistics, training a CLIP on the pairs.

`make real`, or

    python -m benchmarks.real [--debs FOLDER] [--out .real] [--port 8767] [--steps 300]

Needs Debian's apt-get and dpkg-deb, nginx and wget, no root, and once the network, to download two packages (95 MB; not
with --debs). The sites are served by nginx on loopback and `loom` runs with --delay 0, which is allowed only for
addresses that --allow-addresses names. Prints one report, writes OUT/report.json and OUT/report.md, and exits with 1
when a check failed.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import tyro

from benchmarks import nginx
from benchmarks.real import checks, sites
from benchmarks.real.checks import Check
from benchmarks.real.commands import Loom
from benchmarks.real.mirror import Mirror, compare, mirror
from benchmarks.real.report import Report
from corpusloom.pipelines.demo.server import Canary
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.stages.scrape.scrape_lane import FrontierRow, frontier_rows
from corpusloom.pipelines.store.images.store import ImageStore
from corpusloom.schemas import arrow, identity, tables
from corpusloom.schemas.errors import InputError, LoomError
from corpusloom.schemas.manifest import Manifest, read_manifest
from corpusloom.schemas.records import StageCounts
from corpusloom.trainers.training.config import load_config

CONTACT = "https://corpusloom.example/real"
MARK = ".made-by-make-real"
RECIPES = {"m3w": "split.val=0", "align": "split.val=0.1"}
"""Recipe -> assignment that holds out a share of the samples from training."""
AGAIN = "m3w-again"
MODEL = "clip-tiny"
FOLDERS = {"WARCs": "crawl", "stages": "work", "image store": "images", "m3w": "m3w", "align": "align", "clip": "clip"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RealConfig:
    """One run on the real sites."""

    out: Path = Path(".real")
    """Folder of the packages, datasets and report; a run empties OUT/run first."""
    debs: Path | None = None
    """A folder with both packages as .deb files; without it they are downloaded once into OUT/debs."""
    port: int = 8767
    """Port on loopback; it is part of the URLs and so shapes the datasets."""
    steps: int = 300
    """Training steps of the CLIP."""
    workers: int = 2
    """Processes that parse pages."""


def fresh(out: Path) -> Path:
    """Return an empty folder OUT/run; delete that of an earlier run."""
    run = out / "run"
    if run.exists():
        if not (run / MARK).exists():
            raise InputError("is not of an earlier run", where=str(run), remedy="name another --out")
        shutil.rmtree(run)
    run.mkdir(parents=True)
    (run / MARK).touch()
    return run.resolve()


def main(config: RealConfig) -> int:
    """Run everything; return 0 if every check held."""
    run = fresh(config.out)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="loom-real-") as scratch:
        folder = Path(scratch)
        packages = {site: sites.obtain(site, config.out / "debs", config.debs) for site in sites.SITES}
        hosts = {site.host: sites.unpack(site, package, folder) for site, package in packages.items()}
        canary = Canary()
        rules = {sites.TRAP_HOST: sites.trap_rules(canary.port)}
        try:
            with nginx.serve({**hosts, sites.TRAP_HOST: sites.write_trap(folder)}, config.port, rules=rules):
                mirrors = {host: mirror(host, config.port, folder / "mirror" / host) for host in hosts}
                loom = use(run, config, hosts)
                bodies, answers = checks.read_bodies(sorted((run / "crawl").glob("*.warc.gz")))
                found = examine_web(run, bodies, config, mirrors, canary)
        finally:
            canary.close()
    manifests = {name: read_manifest(str(run / name)) for name in RECIPES}
    training, learnt = examine_training(run)
    report = Report(
        machine={"cores": os.cpu_count(), "load before": round(load, 1), "load after": round(os.getloadavg()[0], 1)},
        material={site.package: package.name.split("_")[1] for site, package in packages.items()},
        megabytes={name: folder_megabytes(run / folder) for name, folder in FOLDERS.items()},
        steps=loom.steps,
        scraped=scrape_counts(run),
        manifests=manifests,
        training=training,
        checks=[*found, *examine_records(run, answers, manifests), learnt],
    )
    report.write(config.out)
    print(report.to_markdown())
    return 0 if report.held else 1


def use(run: Path, config: RealConfig, hosts: Mapping[str, Path]) -> Loom:
    """Run the commands as a user would."""
    names = (*hosts, sites.TRAP_HOST)
    (run / "seeds.txt").write_text("".join(f"http://{host}:{config.port}/\n" for host in names))
    network = f"127.0.0.1/32:{config.port}"
    print(f"--delay 0 is for {network} alone, which --allow-addresses names", file=sys.stderr)
    loom = Loom(run, ("--contact", CONTACT, "--allow-addresses", network, "--delay", "0"))
    loom.run("scrape", "scrape", "--seeds", "seeds.txt", "--out", "crawl", "--depth", "100", fetches=True)
    shared = ("--warc", "crawl", "--work", "work", "--store", "images", "--workers", str(config.workers))
    for name, held_out in RECIPES.items():
        loom.run(f"build {name}", "build", name, "--out", name, *shared, "--set", held_out, fetches=True)
    again = ("--warc", "crawl", "--work", "work-again", "--store", "images", "--workers", "1")
    loom.run("build m3w again", "build", "m3w", "--out", AGAIN, *again)  # without a contact it cannot fetch
    for name in RECIPES:
        loom.run(f"stats {name}", "stats", name, "--html", f"{name}.html")
    for name in RECIPES:
        loom.run(f"verify {name}", "verify", name, "--deep")
    loom.run(
        "train clip",
        *("train", "clip", "--config", MODEL, "--data", "align", "--out", "clip", "--device", "cpu"),
        *("--set", f"train.steps={config.steps}", f"train.warmup={min(50, config.steps // 5)}"),
        *("data.split='train'", "data.evaluate='val'", "model.text.context=24"),  # captions name things at any place
    )
    return loom


def scrape_counts(run: Path) -> tuple[StageCounts, ...]:
    """Return the counts that the scrape wrote."""
    values = json.loads((run / "crawl" / "scrape.json").read_text())
    return tuple(arrow.from_plain(StageCounts, row) for row in values["counts"])


def folder_megabytes(folder: Path) -> float:
    """Return the bytes of a folder's files, in MB."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def examine_web(
    run: Path, bodies: Mapping[str, bytes], config: RealConfig, mirrors: Mapping[str, Mirror], canary: Canary
) -> list[Check]:
    """Compare what was fetched with the mirrors, while the sites are served."""
    rows = list(frontier_rows(str(run / "crawl")))
    pages = dict(checks.html_pages(bodies, tuple(mirrors)))
    own = checks.image_urls(pages)
    fetch = FetchConfig(contact=CONTACT, allow_addresses=(f"127.0.0.1/32:{config.port}",), delay=0)
    found = [checks.check_mirror(host, compare(host, rows, bodies, mirrors[host])) for host in mirrors]
    found += [checks.check_image_urls(host, own, linked(bodies, host), mirrors[host]) for host in mirrors]
    found.append(checks.check_image_bytes(own, mirrors, fetch))
    found.append(checks.check_walks(pages))
    away = {f"http://{sites.TRAP_HOST}:{config.port}/away.png"}
    found.append(checks.check_trap(canary.connections, trap_reasons(run, rows, away)))
    return found


def linked(bodies: Mapping[str, bytes], host: str) -> set[str]:
    """Return the paths of a host that the scrape reached by links."""
    return {urlsplit(url).path for url in bodies if urlsplit(url).hostname == host}


def trap_reasons(run: Path, rows: list[FrontierRow], image_urls: set[str]) -> dict[str, str | None]:
    """Return the outcomes of the trap's URLs: URL -> reason, None if it was kept."""
    outcomes = {row.url: row.reason for row in rows if urlsplit(row.url).hostname == sites.TRAP_HOST}
    index = ImageStore(str(run / "images")).index()
    for url in image_urls:
        record = index.find(identity.image_key(url))
        outcomes[url] = record.reason if record else "never asked for"
    return outcomes


def examine_records(run: Path, answers: int, manifests: Mapping[str, Manifest]) -> list[Check]:
    """Check that no record was lost between the `answers` in the WARCs and the samples."""
    found = [checks.check_ledger("scrape", scrape_counts(run))]
    for name, manifest in manifests.items():
        found.append(checks.check_ledger(name, manifest.counts))
        found.append(checks.check_chain(name, manifest, answers))
    found.append(checks.check_again(manifests["m3w"], read_manifest(str(run / AGAIN))))
    return found


def examine_training(run: Path) -> tuple[dict[str, object], Check]:
    """Return the figures on pairs held out from training, and the check of the loss."""
    files = sorted((run / "align").glob("[0-9]*.parquet"))
    splits = [split for file in files for split in tables.read_table(str(file), ["split"])["split"].to_pylist()]
    held_out = splits.count("val")
    lines = [json.loads(line) for line in (run / "clip" / "metrics.jsonl").read_text().splitlines()]
    losses = [(int(line["step"]), float(line["loss"])) for line in lines]
    measured = json.loads((run / "clip" / "result.json").read_text())["evaluation"]
    facts: dict[str, object] = {"pairs trained on": len(splits) - held_out, "pairs held out": held_out}
    facts |= {f"{name} of them": round(value, 3) for name, value in measured.items()}
    facts["chance of r10"] = round(10 / max(held_out, 10), 3)
    check = checks.check_training(losses, load_config(MODEL).train.batch_size)
    return facts, check


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # SIGTERM raises SystemExit, so that nginx is stopped
    try:
        sys.exit(main(tyro.cli(RealConfig, description=__doc__)))
    except LoomError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
