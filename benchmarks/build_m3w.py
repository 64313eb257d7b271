"""`loom build m3w` without fetching beside the sum of its parts: `python -m benchmarks.build_m3w --wcxb PATH`.

Packs pages into a WARC, builds up to the decisions on pages, and compares the CPU seconds of the whole build, worker
processes included, with those of its parts in one process: reading the WARC, extracting, making and measuring the page
with its MinHash bands. CPU seconds, not the clock's, so that a busy machine does not decide; the clock is printed too.
"""

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import tyro
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from benchmarks.wcxb import pages
from pipelines import build
from pipelines.extract.blocks import Extracted
from pipelines.extract.extractor import extract
from pipelines.extract.pool import calm_collector
from pipelines.net.config import FetchConfig
from pipelines.pages import make_page
from pipelines.progress import Reporter
from pipelines.recipes.recipe import load_recipe
from pipelines.store.warc import WarcPage, read_warc


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildBenchmark:
    """Which pages, and how they are built."""

    wcxb: Path
    """Folder of WCXB's development split."""
    every: int = 3
    """Take every n-th page."""
    workers: int = 2
    """Processes that parse."""


def write_warc(path: Path, wcxb: Path, every: int) -> int:
    """Write every n-th page as a response record; return how many."""
    count = 0
    with path.open("wb") as handle:
        writer = WARCWriter(handle, gzip=True)
        for page in list(pages(wcxb))[::every]:
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            record = writer.create_warc_record(page.url, "response", payload=BytesIO(page.html), http_headers=headers)
            writer.write_record(record)
            count += 1
    return count


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the workers that it has waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def parts(path: Path) -> float:
    """Return the CPU seconds of a page's way through the parts, one page after the other."""
    recipe = load_recipe("m3w")
    calm_collector()
    start = time.process_time()
    for record in read_warc(str(path)):
        if isinstance(record, WarcPage):
            found = extract(record.body, record.url, content_type=record.content_type)
            if isinstance(found, Extracted):
                make_page(record, found, recipe)
    return time.process_time() - start


def whole(path: Path, folder: Path, workers: int) -> tuple[float, float]:
    """Return the CPU seconds and the seconds of a build up to its decisions on pages."""
    config = build.BuildConfig(
        recipe=load_recipe("m3w"),
        out=str(folder / "out"),
        work=str(folder / "work"),
        store=str(folder / "store"),
        warcs=(str(path),),
        fetch=FetchConfig(contact=None),
        workers=workers,
    )
    start, clock = cpu_seconds(), time.monotonic()
    build.build(config, Reporter(quiet=True), until="pages")
    return cpu_seconds() - start, time.monotonic() - clock


def main(config: BuildBenchmark) -> int:
    """Print both and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = write_warc(folder / "pages.warc.gz", config.wcxb, config.every)
        all_cpu, clock = whole(folder / "pages.warc.gz", folder, config.workers)
        own = parts(folder / "pages.warc.gz")
    print(f"{count} pages: parts {own:.1f} CPU seconds, build {all_cpu:.1f} ({clock:.1f} by the clock)")
    print(f"the build does {own / all_cpu:.2f} of what its parts would in the same CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(BuildBenchmark)))
