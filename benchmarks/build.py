"""What a durable build costs: extraction over Beam and ledger, workers, shard writing, resume, verify, memory.

    python -m benchmarks.build [--only overhead writing resume verify workers memory] [--pages 20] [--rounds 3]

The material is the bundled web, scraped once, `--pages` pages a host. Each measure prints a line of JSON with what is
compared; rounds take turns and medians are printed, so that a busy machine hits both sides alike.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peak import clear_peak, peak_megabytes
from pipelines import inputs, pages, runners, warcs
from pipelines.extract.blocks import ExtractConfig
from pipelines.extract.extractor import extract
from pipelines.recipes.recipe import load_recipe
from pipelines.runners import Profile
from pipelines.shards import write_shard_files
from pipelines.store.samples import Sample
from pipelines.store.warc import WarcPage, read_warc
from pipelines.verify import Depth, verify
from schemas import identity, tables
from schemas.manifest import read_manifest
from schemas.records import Candidate, Page, SidecarRow
from schemas.verdicts import Dead, Rejected
from tests.pipelines.small_web import SmallWeb, small_web

ROOT = Path(__file__).resolve().parents[1]


def rounds(number: int, *sides: Callable[[], float]) -> list[float]:
    """Run every side in turn, `number` times; return the median of each."""
    measured = [[side() for side in sides] for _ in range(number)]
    return [statistics.median(values) for values in zip(*measured, strict=True)]


def cpu(run: Callable[[], object]) -> float:
    """Return the CPU seconds of a call, in this process and those that it waited for."""

    def used() -> float:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))

    start = used()
    run()
    return used() - start


def wall(run: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# --- extraction ---


def extract_config(web: SmallWeb, workers: int) -> warcs.ExtractConfig:
    """Return an extract stage into an empty folder."""
    return warcs.ExtractConfig(
        folder=tempfile.mkdtemp(dir=web.folder),
        record=Page,
        parse=extract,
        make=pages.make_page,
        recipe=load_recipe("m3w"),
        workers=workers,
    )


def crawl(web: SmallWeb) -> list[warcs.WarcInput]:
    """Return the WARCs of the web."""
    return [warcs.WarcInput(path=e.name, sha256=e.sha256) for e in inputs.warc_inputs((str(web.folder / "crawl"),))]


def through_beam(web: SmallWeb, workers: int) -> None:
    """Extract the crawl as the stage does."""
    config, todo = extract_config(web, workers), tuple(crawl(web))
    runners.run(lambda pipeline: warcs.build(pipeline, config, todo), Profile())


def bare(web: SmallWeb) -> None:
    """Extract the crawl with the functions alone; nothing is written."""
    recipe, config = load_recipe("m3w"), ExtractConfig()
    for warc in crawl(web):
        for page in read_warc(warc.path):
            if isinstance(page, WarcPage):
                parsed = extract(page.body, page.url, content_type=page.content_type, config=config)
                if not isinstance(parsed, Rejected | Dead):
                    pages.make_page(page, parsed, recipe)


def overhead(web: SmallWeb, number: int) -> dict[str, Any]:
    """CPU of the extract stage in one process, against its bare functions."""
    through_beam(web, 0)  # imports and caches
    stage, functions = rounds(number, lambda: cpu(lambda: through_beam(web, 0)), lambda: cpu(lambda: bare(web)))
    return {"stage_cpu_s": stage, "bare_cpu_s": functions, "overhead": stage / functions - 1}


def workers(web: SmallWeb, number: int) -> dict[str, Any]:
    """Wall time of the extract stage: one worker with everything on one core, against two workers on all cores."""
    every = os.sched_getaffinity(0)

    def confined() -> float:
        os.sched_setaffinity(0, {min(every)})
        try:
            return wall(lambda: through_beam(web, 1))
        finally:
            os.sched_setaffinity(0, every)

    one, two = rounds(number, confined, lambda: wall(lambda: through_beam(web, 2)))
    return {"one_core_s": one, "two_workers_s": two, "speedup": one / two, "cores": len(every)}


# --- shards ---


def samples(count: int, size: int) -> list[Sample]:
    """Return samples of two images of `size` random bytes, in order of their keys."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        key = identity.make_key("page", str(number))
        fields = {"000.jpg": rng.bytes(size), "001.jpg": rng.bytes(size), "json": b'{"texts": []}' * 100}
        made.append(Sample(key, fields, SidecarRow(key=key, url="http://example.org/"), {}, {}))
    return sorted(made, key=lambda sample: sample.key)


def writing(folder: Path, number: int) -> dict[str, Any]:
    """Speed of a whole shard (tar, hashes, sidecar, statistics), against webdataset's TarWriter on the same members."""
    import webdataset

    made = samples(2_000, 36_000)
    size = sum(len(data) for sample in made for data in sample.fields.values()) / 1e6

    def peer() -> None:
        with open(folder / "peer.tar", "wb") as handle, webdataset.TarWriter(handle, mtime=0) as writer:
            for sample in made:
                writer.write({"__key__": sample.key, **sample.fields})
            handle.flush()
            os.fsync(handle.fileno())

    ours_s, peer_s = rounds(
        number, lambda: wall(lambda: write_shard_files(str(folder), 0, iter(made))), lambda: wall(peer)
    )
    assert (folder / "peer.tar").read_bytes() == (folder / "00000.tar").read_bytes()
    return {"ours_MB_s": size / ours_s, "webdataset_MB_s": size / peer_s, "ratio": peer_s / ours_s}


def proofs(web: SmallWeb, number: int) -> dict[str, Any]:
    """Time of verify on a dataset of 64 shards, a shard; full against sha256 alone over its files."""
    out = str(web.folder / "many")
    web.build("m3w", "many", shards=64)
    manifest = read_manifest(out)
    count = len(manifest.shards)

    def prove(depth: Depth) -> float:
        return wall(lambda: list(verify(out, depth)))

    def hashing() -> float:
        files = [e for s in manifest.shards for e in (s.tar, s.sidecar, s.stats)] + list(manifest.tables)
        return wall(lambda: [hashlib.sha256(Path(out, e.name).read_bytes()).hexdigest() for e in files])

    quick, full, deep, sha = rounds(
        number, lambda: prove("quick"), lambda: prove("full"), lambda: prove("deep"), hashing
    )
    size = sum(shard.tar.bytes for shard in manifest.shards)
    values = {"quick_ms_a_shard": quick / count * 1e3, "full_s": full, "deep_s": deep, "sha256_s": sha}
    return {**values, "full_speed_over_sha256": sha / full, "shards": count, "MB": size / 1e6}


def resume(web: SmallWeb, number: int) -> dict[str, Any]:
    """Time of `loom build` where everything is finished, a process of its own."""
    web.build("m3w", "done", shards=64)
    shards = len(read_manifest(str(web.folder / "done")).shards)
    command = [sys.executable, "-m", "pipelines.main", "build", "m3w", "--out", str(web.folder / "done")]
    command += ["--work", str(web.folder / "work"), "--store", str(web.folder / "store"), "--shards", "64"]
    command += ["--warc", str(web.folder / "crawl"), "--workers", "0", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def once() -> float:
        return wall(lambda: subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL))

    (seconds,) = rounds(number, once)
    return {"seconds": seconds, "shards": shards, "allowed_s": 1.5 + shards / 1e3}


# --- memory ---


def candidates(count: int) -> Iterator[Candidate]:
    """Yield heads of pages as m3w makes them: 14 bands, a few images and scores; a tenth are near-duplicates."""
    for number in range(count):
        text = number - number % 10 if number % 10 == 1 else number
        yield Candidate(
            unit="page",
            key=identity.make_key("page", str(number)),
            parent=identity.make_key("record", str(number)),
            url=f"http://example.org/{number}.html",
            rank=f"{number:020d}",
            text_key=identity.make_key("text", str(text)),
            images=tuple(f"http://example.org/{number}-{image}.jpg" for image in range(3)),
            bands=tuple(identity.make_key("band", str(text), str(band))[:16] for band in range(14)),
            scores=dict.fromkeys(("language_score", "words", "images", "lines"), 1.0),
        )


def select_memory(folder: str, count: int) -> float:
    """Decide over `count` candidates; return the peak of memory above the imports, in bytes."""
    paths = []
    rows = candidates(count)
    for part in range(0, count, warcs.FRAGMENT_ROWS):
        path = f"{folder}/candidates/{part:08d}.parquet"
        batch = [row for row, _ in zip(rows, range(min(warcs.FRAGMENT_ROWS, count - part)), strict=False)]
        tables.write_records(path, Candidate, batch, sort_by=("key", "parent"))
        paths.append(path)
    recipe = load_recipe("m3w")
    clear_peak()
    before = peak_megabytes()
    runners.run(lambda p: pages.build_select(p, recipe, paths, f"{folder}/decisions", f"{folder}/spill"), Profile())
    return (peak_megabytes() - before) * 2**20


def memory(number: int) -> dict[str, Any]:
    """Peak memory of the select stage of m3w, a process each, over a growing number of candidates."""
    found = {}
    for count in (10_000, 20_000, 40_000)[: max(2, number)]:
        with tempfile.TemporaryDirectory() as folder:
            code = f"from benchmarks.build import select_memory; print(select_memory({folder!r}, {count}))"
            ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            found[count] = float(ran.stdout.split()[-1])
    return {"peak_MB": {count: round(size / 1e6, 1) for count, size in found.items()}}


def main() -> None:
    """Run the measures that are asked for; print a line of JSON each."""
    names = ("overhead", "writing", "resume", "verify", "workers", "memory")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=names, default=list(names))
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loom-bench-") as name, small_web(Path(name), options.pages) as web:
        if set(options.only) & {"overhead", "resume", "verify", "workers"}:
            web.scrape()
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "overhead": lambda: overhead(web, options.rounds),
            "writing": lambda: writing(Path(name), options.rounds),
            "resume": lambda: resume(web, options.rounds),
            "verify": lambda: proofs(web, options.rounds),
            "workers": lambda: workers(web, options.rounds),
            "memory": lambda: memory(options.rounds),
        }
        for measure in options.only:
            load = os.getloadavg()[0]
            values = measures[measure]()
            print(json.dumps({"measure": measure, **values, "load": round(load, 1)}), flush=True)


if __name__ == "__main__":
    main()
