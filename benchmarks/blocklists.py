"""Measures blocklists of millions of entries: seconds to load, peak memory, microseconds per lookup.

    python -m benchmarks.blocklists [--entries 10000000] [--near 1000000] [--distance 4]

Each list is random and loaded in its own process, whose peak memory includes the imports; then random hashes are looked
up.
"""

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.peak import clear_peak, peak_megabytes
from corpusloom.pipelines.store.images.blocklists import HEX_DIGITS, Blocklist, NearHashes, compile_lists, load_entries

LOOKUPS = 20_000
STEP = 1_000_000


def write_list(path: Path, digits: int, count: int) -> None:
    """Write a list of random hashes."""
    random = np.random.default_rng(0)
    with path.open("w") as handle:
        for start in range(0, count, STEP):
            rows = min(STEP, count - start)
            text = random.bytes(rows * digits // 2).hex()
            handle.write("".join(f"{text[at : at + digits]}\n" for at in range(0, len(text), digits)))


def measure_exact(path: str, folder: str, result: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    """Load a list of sha256 and look entries up; then map the compiled list, as the processes of a fetch do."""
    imports = peak_megabytes()
    start = time.perf_counter()
    blocklist = Blocklist.load([f"sha256={path}"])
    loaded, peak = time.perf_counter() - start, peak_megabytes()
    keys = [np.random.default_rng(n).bytes(32).hex() for n in range(LOOKUPS)]
    start = time.perf_counter()
    found = sum(blocklist.of_content(b"", key) is not None for key in keys)
    asked = time.perf_counter() - start
    (compiled,) = compile_lists([f"sha256={path}"], folder)
    del blocklist
    clear_peak()
    start = time.perf_counter()
    Blocklist.load([compiled])
    result.put((imports, peak, loaded, asked, time.perf_counter() - start, found))


def measure_near(path: str, distance: int, result: "multiprocessing.Queue[tuple[float, ...]]") -> None:
    """Load a list of perceptual hashes and look entries up."""
    imports = peak_megabytes()
    start = time.perf_counter()
    near = NearHashes(load_entries("phash", path), distance)
    loaded, peak = time.perf_counter() - start, peak_megabytes()
    values = np.random.default_rng(1).integers(0, 2**63, LOOKUPS // 20)
    start = time.perf_counter()
    found = sum(near.nearest(int(value)) is not None for value in values)
    result.put((imports, peak, loaded, 20 * (time.perf_counter() - start), 0.0, found))


def main() -> None:
    """Print one line per list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000_000, help="of sha256")
    parser.add_argument("--near", type=int, default=1_000_000, help="perceptual hashes")
    parser.add_argument("--distance", type=int, default=4)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    plans = (("sha256", options.entries, measure_exact), ("phash", options.near, measure_near))
    for kind, count, measure in plans:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list.txt"
            write_list(path, HEX_DIGITS[kind], count)
            result: multiprocessing.Queue[tuple[float, ...]] = context.Queue()
            last = folder if kind == "sha256" else options.distance
            process = context.Process(target=measure, args=(str(path), last, result))
            process.start()
            imports, peak, loaded, asked, mapped, _ = result.get()
            process.join()
        print(
            f"{kind}: {count} entries, {loaded:.1f} s to load, {peak:.0f} MiB at the peak ({imports:.0f} before), "
            f"{1e6 * asked / LOOKUPS:.1f} us per lookup" + (f", {mapped:.3f} s to map compiled" if mapped else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
