"""Compares `loom build m3w` without fetching with the sum of its parts: `python -m benchmarks.build_m3w --wcxb PATH`.

Packs pages into a WARC, builds up to the decisions on pages, and compares it with its parts: reading the WARC,
extracting, making and measuring the page with its MinHash bands. It does so twice: in one process by CPU seconds, which
other load hardly changes, and with worker processes by wall time, compared with the parts' CPU seconds divided by the
number of cores. `--growth` measures memory instead: the peak of such a build over one WARC, and over ten WARCs of the
same pages under other URLs, each in its own process.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import tyro
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from benchmarks.peak import peak_megabytes
from benchmarks.wcxb import pages
from corpusloom.pipelines.builds import build
from corpusloom.pipelines.builds.config import BuildConfig
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.worker_pool import relax_gc
from corpusloom.pipelines.extract.extractor import extract
from corpusloom.pipelines.extract.reading.types import Extracted
from corpusloom.pipelines.net.config import FetchConfig
from corpusloom.pipelines.recipes.recipe import load_recipe
from corpusloom.pipelines.stages.extract.input_fragments import STAGE
from corpusloom.pipelines.stages.kinds.pages import make_page
from corpusloom.pipelines.store.ledger import Ledger
from corpusloom.pipelines.store.warc.reading import read_warc
from corpusloom.pipelines.store.warc.responses import HtmlResponse


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildBenchmark:
    """Pages to build from, and settings of the builds."""

    wcxb: Path
    """Folder of WCXB's development split."""
    every: int = 3
    """Take every n-th page."""
    workers: int = 2
    """Parser processes of the run measured by wall time, and the number of cores that the parts' time is divided by."""
    growth: bool = False
    """Measure memory, not time."""


def write_warc(path: Path, wcxb: Path, every: int, mark: str = "") -> int:
    """Write every n-th page as a response record, with a mark appended to its URL; return their number."""
    count = 0
    with path.open("wb") as handle:
        writer = WARCWriter(handle, gzip=True)
        for page in list(pages(wcxb))[::every]:
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                page.url + mark, "response", payload=BytesIO(page.html), http_headers=headers
            )
            writer.write_record(record)
            count += 1
    return count


def parts(path: Path) -> float:
    """Return the CPU seconds that the parts take for all pages, one page after the other."""
    recipe = load_recipe("m3w")
    relax_gc()
    start = time.process_time()
    for record in read_warc(str(path)):
        if isinstance(record, HtmlResponse):
            found = extract(record.body, record.url, content_type=record.content_type)
            if isinstance(found, Extracted):
                make_page(record, found, recipe, Ledger(STAGE))
    return time.process_time() - start


def whole(path: Path | str, folder: Path, workers: int) -> tuple[float, float]:
    """Return this process's CPU seconds and the wall seconds of a build up to its decisions on pages."""
    config = BuildConfig(
        recipe=load_recipe("m3w"),
        out=str(folder / "out"),
        work=str(folder / "work"),
        store=str(folder / "store"),
        warcs=(str(path),),
        fetch=FetchConfig(contact=None),
        workers=workers,
    )
    start, clock = time.process_time(), time.monotonic()
    build.build(config, Reporter(quiet=True), until="select")
    return time.process_time() - start, time.monotonic() - clock


def print_peak(folder: str, workers: int) -> None:
    """Build from the WARCs of a folder, and print the peak of this process in MiB."""
    whole(f"{folder}/*.warc.gz", Path(folder), workers)
    print(peak_megabytes())


def growth(config: BuildBenchmark) -> int:
    """Print the peak memory over one WARC and over ten, and their ratio."""
    peaks = []
    for copies in (1, 10):
        with tempfile.TemporaryDirectory() as name:
            for number in range(copies):
                count = write_warc(Path(name, f"{number}.warc.gz"), config.wcxb, config.every, f"?{number}")
            code = f"from benchmarks.build_m3w import print_peak; print_peak({name!r}, {config.workers})"
            ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            peaks.append(float(ran.stdout.split()[-1]))
            print(f"{copies} WARCs of {count} pages: {peaks[-1]:.0f} MiB", flush=True)
    print(f"10 times the pages: {peaks[1] / peaks[0]:.2f} times the memory")
    return 0


def main(config: BuildBenchmark) -> int:
    """Print both times and their ratio."""
    if config.growth:
        return growth(config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_warc(folder / "pages.warc.gz", config.wcxb, config.every)
        source = folder / "pages.warc.gz"
        own = parts(source)
        alone, _ = whole(source, folder / "alone", 0)
        _, clock = whole(source, folder / "pool", config.workers)
    print(f"{count} pages, parts: {own:.1f} CPU seconds")
    print(f"in one process: {alone:.1f} CPU seconds, {own / alone:.2f} of the parts' speed")
    print(
        f"{config.workers} workers: {clock:.1f} s by the clock, {own / config.workers / clock:.2f} of the parts' speed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BuildBenchmark)))
