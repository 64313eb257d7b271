"""Measures seconds and memory for a list of a million rows with few distinct URLs; checks that each is fetched once.

python -m benchmarks.duplicates [--rows 1000000] [--urls 10]
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.peak import clear_peak, peak_megabytes
from corpusloom.pipelines.engine.progress import Reporter
from corpusloom.pipelines.engine.runners import Profile
from corpusloom.pipelines.stages.fetch.from_lists import fetch_lists
from corpusloom.pipelines.stages.fetch.lanes import ImagesConfig
from corpusloom.pipelines.store.lists.list_config import ListConfig
from tests.pipelines.image_server import image_server


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--urls", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, image_server() as server:
        path = Path(folder) / "list.txt"
        with path.open("w") as handle:
            handle.writelines(f"{server.base}/{n % options.urls}.png\n" for n in range(options.rows))
        config = ImagesConfig(store=f"{folder}/store", fetch=server.fetch, lanes=2)
        clear_peak()
        before, start = peak_megabytes(), time.perf_counter()
        report = fetch_lists((str(path),), ListConfig(), config, Reporter(quiet=True), Profile())
        seconds = time.perf_counter() - start
        if set(server.asked.values()) != {1} or (report.rows, report.kept + report.duplicates) != (
            options.rows,
            options.rows,
        ):
            raise SystemExit(f"not each was fetched once: {report}")
    print(f"{report.rows} rows, {report.kept} kept, {report.duplicates} duplicates: {seconds:.1f} s")
    print(f"{peak_megabytes():.0f} MiB at the peak, {before:.0f} before")


if __name__ == "__main__":
    main()
