"""Measures the costs of a durable build: extraction over Beam and ledger, workers, shards, resume, verify, memory.

    python -m benchmarks.build [--only overhead writing resume verify workers memory] [--pages 20] [--rounds 3] python
    -m benchmarks.build --large          sizes of the table in docs/building.md, on a quiet machine: under 15 minutes

The input is the bundled web, scraped once with `--pages` pages per host; timed stages read its WARC `--copies` times.
Memory is measured on generated heads with as many values as real ones, 1 M and 10 M of them with --large. Each measure
prints one line of JSON with both sides of the comparison. The sides run alternately and medians are printed, so that
load from other programs affects both.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peak import clear_peak, peak_megabytes
from corpusloom.pipelines.builds import inputs
from corpusloom.pipelines.datasets.verify import Depth, verify
from corpusloom.pipelines.engine import runners
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import ExtractConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract import extract as warcs
from corpusloom.pipelines.stages.extract.input_fragments import ROW_GROUP_ROWS, STAGE, InputFile
from corpusloom.pipelines.stages.kinds import pages
from corpusloom.pipelines.stages.select import memory_estimate as estimates
from corpusloom.pipelines.stages.select.decisions import count_decisions, decision_rows, frequent_urls
from corpusloom.pipelines.stages.select.local import select
from corpusloom.pipelines.store.dataset.folder import TABLES, write_rows
from corpusloom.pipelines.store.dataset.samples import UnwrittenSample
from corpusloom.pipelines.store.dataset.shard_files import write_shard_files
from corpusloom.pipelines.store.fragments import FRAGMENT_ROWS
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.partitions import scratch_folder
from corpusloom.pipelines.store.stages import Stage
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse
from corpusloom.schemas import arrow, identity, layout, storage, tables
from corpusloom.schemas.manifest import Manifest, make_digest, read_manifest, write_manifest
from corpusloom.schemas.records import Head, SidecarRow
from corpusloom.schemas.verdicts import Dead, Rejected
from tests.pipelines.small_web import SmallWeb, small_web

ROOT = Path(__file__).resolve().parents[1]


def rounds(number: int, *sides: Callable[[], float]) -> list[float]:
    """Run all sides alternately, `number` times; return the median of each."""
    measured = [[side() for side in sides] for _ in range(number)]
    return [statistics.median(values) for values in zip(*measured, strict=True)]


def cpu(run: Callable[[], object]) -> float:
    """Return the CPU seconds of a call, in this process and the children that it waited for."""

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


def extract_config(web: SmallWeb, workers: int) -> warcs.ExtractStageConfig:
    """Return the configuration of an extract stage that writes into an empty folder."""
    return warcs.ExtractStageConfig(
        folder=tempfile.mkdtemp(dir=web.folder),
        kind=pages.PAGES,
        recipe=load_recipe("m3w"),
        workers=workers,
    )


def crawl(web: SmallWeb, copies: int) -> list[InputFile]:
    """Return `copies` of the web's WARCs, each under its own name."""
    found = inputs.warc_inputs((str(web.folder / "crawl"),))
    return [
        InputFile(path=entry.name, sha256=f"{copy:08x}{entry.sha256[8:]}") for copy in range(copies) for entry in found
    ]


def through_beam(web: SmallWeb, workers: int, copies: int) -> None:
    """Extract the crawl as the stage does."""
    config, todo = extract_config(web, workers), tuple(crawl(web, copies))
    runners.run(lambda pipeline: warcs.build(pipeline, config, todo), Profile())


def bare(web: SmallWeb, copies: int) -> None:
    """Extract the crawl with the functions alone; nothing is written."""
    recipe, config = load_recipe("m3w"), ExtractConfig()
    for warc in crawl(web, copies):
        for page in read_warc(warc.path):
            if isinstance(page, HtmlResponse):
                parsed = extract(page.body, page.url, content_type=page.content_type, config=config)
                if not isinstance(parsed, Rejected | Dead):
                    pages.make_page(page, parsed, recipe, Ledger(STAGE))


def overhead(web: SmallWeb, number: int, copies: int) -> dict[str, Any]:
    """Compare the CPU time of the extract stage in one process with that of its bare functions, without imports."""
    through_beam(web, 0, 1)
    stage, functions = rounds(
        number, lambda: cpu(lambda: through_beam(web, 0, copies)), lambda: cpu(lambda: bare(web, copies))
    )
    return {"stage_cpu_s": stage, "bare_cpu_s": functions, "overhead": stage / functions - 1}


def workers(web: SmallWeb, number: int, copies: int) -> dict[str, Any]:
    """Compare wall time of the extract stage: all on one core with one worker, and two workers on all cores.

    The time for one copy of the crawl is subtracted from each, to exclude start-up.
    """
    every = os.sched_getaffinity(0)

    def confined(copies: int) -> float:
        os.sched_setaffinity(0, {min(every)})
        try:
            return wall(lambda: through_beam(web, 1, copies))
        finally:
            os.sched_setaffinity(0, every)

    def spread(copies: int) -> float:
        return wall(lambda: through_beam(web, 2, copies))

    one, two = rounds(number, lambda: confined(copies) - confined(1), lambda: spread(copies) - spread(1))
    return {"one_core_s": one, "two_workers_s": two, "speedup": one / two, "cores": len(every)}


# --- shards ---


def samples(count: int, size: int) -> list[UnwrittenSample]:
    """Return samples of two images of `size` random bytes, in order of their keys."""
    rng, made = np.random.default_rng(0), []
    for number in range(count):
        key = identity.make_key("page", str(number))
        fields = {"000.jpg": rng.bytes(size), "001.jpg": rng.bytes(size), "json": b'{"texts": []}' * 100}
        made.append(UnwrittenSample(key, fields, SidecarRow(key=key, url="http://example.org/"), {}, {}))
    return sorted(made, key=lambda sample: sample.key)


def writing(folder: Path, number: int) -> dict[str, Any]:
    """Compare writing a shard (tar, hashes, sidecar, statistics) with webdataset's TarWriter on the same members."""
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


def large_dataset(folder: Path) -> Path:
    """Write a dataset of four shards of 74 MB; return its folder."""
    out, made = folder / "large", samples(4_000, 36_000)
    parts = [[sample for sample in made if layout.shard_of(sample.key, 4) == index] for index in range(4)]
    written = [write_shard_files(str(out), index, iter(part)) for index, part in enumerate(parts)]
    shards = tuple(entry for entry in written if entry is not None)
    manifest = Manifest(
        recipe="m3w",
        kind="interleaved",
        config="{}",
        inputs=(),
        shard_count=4,
        samples=len(made),
        counts=(),
        shards=shards,
        tables=(),
        digest=make_digest("{}", shards, ()),
    )
    write_manifest(str(out), manifest)
    return out


def proofs(web: SmallWeb, number: int) -> dict[str, Any]:
    """Time verify: quick, per shard of 64; full and deep on large shards, compared with sha256 alone."""
    web.build("m3w", "many", shards=64)
    many, large = web.folder / "many", large_dataset(web.folder)
    manifest = read_manifest(str(large))
    files = [large / entry.name for shard in manifest.shards for entry in (shard.tar, shard.sidecar, shard.stats)]

    def prove(dataset: Path, depth: Depth) -> float:
        return wall(lambda: check(list(verify(str(dataset), depth)) == []))

    def hashing() -> float:
        return wall(lambda: [storage.hash_file(str(path)) for path in files])

    quick, full, deep, sha = rounds(
        number,
        lambda: prove(many, "quick"),
        lambda: prove(large, "full"),
        lambda: prove(large, "deep"),
        hashing,
    )
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    return {
        "quick_ms_a_shard": quick / len(read_manifest(str(many)).shards) * 1e3,
        "full_MB_s": megabytes / full,
        "deep_MB_s": megabytes / deep,
        "sha256_MB_s": megabytes / sha,
        "full_speed_over_sha256": sha / full,
        "deep_speed_over_sha256": sha / deep,
    }


def check(held: bool) -> None:
    """Stop if the measured dataset does not verify."""
    if not held:
        raise SystemExit("a benchmark's dataset does not verify")


def resume(web: SmallWeb, number: int) -> dict[str, Any]:
    """Time `loom build` of a finished dataset, in its own process."""
    web.build("m3w", "done", shards=64)
    shards = len(read_manifest(str(web.folder / "done")).shards)
    command = [sys.executable, "-m", "corpusloom", "build", "m3w", "--out", str(web.folder / "done")]
    command += ["--work", str(web.folder / "work"), "--store", str(web.folder / "store"), "--shards", "64"]
    command += ["--warc", str(web.folder / "crawl"), "--workers", "0", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def once() -> object:
        return subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    seconds, used = rounds(number, lambda: wall(once), lambda: cpu(once))
    return {"seconds": seconds, "cpu_s": used, "shards": shards, "allowed_s": 1.5 + shards / 1e3}


# --- memory ---

MEMORY_ROWS = (100_000, 1_000_000)
LARGE_ROWS = (1_000_000, 10_000_000)
LARGE_COPIES = 75
"""Copies of the crawl with --large: more than a minute of extraction on one core."""


def strings_of(keys: np.ndarray) -> pa.Array:
    """Return keys of 16 bytes, shape [n, 16], as 32 hex digits each."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = digits[np.stack((keys >> 4, keys & 15), axis=2)].reshape(-1)
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def lists_of(values: pa.Array, each: int) -> pa.ListArray:
    """Return lists of `each` values."""
    offsets = np.arange(len(values) // each + 1, dtype=np.int32) * each
    item = pa.field("item", pa.string(), nullable=False)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=pa.list_(item))


def heads(first: int, count: int) -> pa.Table:
    """Return heads of pages as the recipes make them: 14 bands, 5 paragraphs, 3 images, 8 scores.

    Of every ten pages, one shares its URL with another, one its text and one a band; every tenth paragraph is
    boilerplate.
    """
    number = np.arange(first, first + count)
    tenth = number % 10

    def like(place: int, salt: int, columns: int = 1) -> np.ndarray:
        base = np.where(tenth == place, number - 1, number)[:, None] * columns + np.arange(columns)
        return hashed(base.reshape(-1), salt)

    bands = like(3, 5, 14)
    bands[np.arange(count) * 14 + 13] = like(4, 6)  # near-duplicates share one band only
    boilerplate = np.arange(count * 5) % 10 == 0
    paragraphs = np.where(boilerplate[:, None], hashed(np.arange(count * 5) % 1000, 7), like(11, 8, 5))
    names = [f"score_{index}" for index in range(5)] + ["language_score", "words", "images"]
    scores = pa.MapArray.from_arrays(
        pa.array(np.arange(count + 1, dtype=np.int32) * len(names)),
        pa.array(names * count),
        pa.array(np.tile(np.arange(len(names), dtype=float) + 1, count)),
        type=arrow.schema(Head).field("scores").type,
    )
    text = number.astype(str)
    urls = pa.array(np.char.add("http://www.example.org/a/page/of/some/length/", text))
    shown = pa.array(np.char.add("http://images.example.org/pictures/", np.repeat(text, 3)))
    empty = pa.array([], pa.string())
    none = pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), empty, type=paragraph_type())
    values = {
        "unit": pa.array(["page"] * count),
        "key": strings_of(like(1, 1)),
        "parent": strings_of(hashed(number, 2)),
        "url": urls,
        "rank": pa.array(np.char.zfill(np.char.add("7973", (number * 7919 % 100_003).astype(str)), 50)),
        "text_key": strings_of(like(2, 3)),
        "image_key": strings_of(like(5, 4)),
        "images": lists_of(shown, 3),
        "bands": lists_of(strings_of(bands), 14),
        "paragraphs": lists_of(strings_of(paragraphs), 5),
        "frequent_paragraphs": none,
        "scores": scores,
        "outcome": pa.array(["kept"] * count),
        "reason": pa.nulls(count, pa.string()),
        "measured": pa.nulls(count, pa.float64()),
        "threshold": pa.nulls(count, pa.float64()),
    }
    schema = arrow.schema(Head)
    return pa.table([values[name] for name in schema.names], schema=schema)


def paragraph_type() -> pa.DataType:
    """Return the type of a list of keys."""
    return arrow.schema(Head).field("frequent_paragraphs").type


def hashed(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Return 16 pseudo-random bytes for each number (splitmix64, twice)."""
    halves = []
    for part in (salt, salt + 100):
        value = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15 * part & (1 << 64) - 1)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
        halves.append(value ^ (value >> np.uint64(31)))
    return np.stack(halves, axis=1).astype("<u8").view(np.uint8).reshape(-1, 16)


def write_heads(folder: str, count: int) -> list[str]:
    """Write heads as the extract stage does, each fragment sorted by key; return the paths."""
    paths = []
    for first in range(0, count, FRAGMENT_ROWS):
        path = f"{folder}/candidates/{first:010d}.parquet"
        table = heads(first, min(FRAGMENT_ROWS, count - first))
        tables.write_table(path, table, sort_by=("key", "parent"), row_group_rows=ROW_GROUP_ROWS)
        paths.append(path)
    return paths


def select_memory(paths: list[str], folder: str, passes: int) -> dict[str, float]:
    """Decide over heads with every step of OBELICS, find frequent URLs, write ledger and scores.

    Returns the peak memory above that of the imports, and the estimate by which `loom build` refuses a corpus.
    """
    recipe = load_recipe("obelics")
    stage = Stage(name="select", folder=folder, fingerprint="", depends_on="{}")
    rows, size = estimates.measure(paths)
    clear_peak()
    before = peak_megabytes()
    start, used = time.perf_counter(), time.process_time()
    with scratch_folder(folder) as scratch:
        select(paths, pages.PAGES.steps(recipe), f"{folder}/decisions", scratch=scratch, passes=passes)
        count_decisions(stage)
        frequent_urls(stage, recipe)
        for kind in TABLES:
            write_rows(f"{folder}/out", kind, "select", decision_rows(stage, kind), scratch)
    need = estimates.select_need(rows, size, passes).memory / 2**20
    return {
        "peak_MB": round(peak_megabytes() - before),
        "estimate_MB": round(need),
        "wall_s": round(time.perf_counter() - start),
        "cpu_s": round(time.process_time() - used),
        "heads_GB": round(size / 1e9, 2),
    }


def memory(counts: Sequence[int], passes: int) -> dict[str, Any]:
    """Measure the peak memory of deciding over growing numbers of heads, each in its own process."""
    found: dict[int, dict[str, float]] = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            code = (
                "import json; from benchmarks import build; "
                f"paths = build.write_heads({folder!r}, {count}); print(json.dumps(paths))"
            )
            made = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            code = (
                "import json, sys; from benchmarks import build; "
                f"print(json.dumps(build.select_memory(json.load(sys.stdin), {folder!r}, {passes})))"
            )
            ran = subprocess.run(
                [sys.executable, "-c", code], check=True, capture_output=True, text=True, input=made.stdout
            )
            found[count] = json.loads(ran.stdout.splitlines()[-1])
    peaks = [row["peak_MB"] for row in found.values()]
    return {"by_heads": found, "growth": round(peaks[-1] / peaks[0], 2), "passes": passes}


def main() -> None:
    """Run the measures named by --only; print one line of JSON for each."""
    names = ("overhead", "writing", "resume", "verify", "workers", "memory")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=names, default=list(names))
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=8, help="how often the crawl is extracted")
    parser.add_argument("--rows", type=int, nargs="*", default=list(MEMORY_ROWS), help="heads of the memory runs")
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="a minute of extraction, 1 M and 10 M heads")
    options = parser.parse_args()
    if options.large:
        options.copies, options.rows = LARGE_COPIES, list(LARGE_ROWS)
    with tempfile.TemporaryDirectory(prefix="loom-bench-") as name, small_web(Path(name), options.pages) as web:
        if set(options.only) & {"overhead", "resume", "verify", "workers"}:
            web.scrape()
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "overhead": lambda: overhead(web, options.rounds, min(options.copies, 8)),
            "writing": lambda: writing(Path(name), options.rounds),
            "resume": lambda: resume(web, options.rounds),
            "verify": lambda: proofs(web, options.rounds),
            "workers": lambda: workers(
                web, min(options.rounds, 2) if options.large else options.rounds, options.copies
            ),
            "memory": lambda: memory(options.rows, options.passes),
        }
        for measure in options.only:
            load = os.getloadavg()[0]
            values = measures[measure]()
            print(json.dumps({"measure": measure, **values, "load": round(load, 1)}), flush=True)


if __name__ == "__main__":
    main()
