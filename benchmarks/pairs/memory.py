"""Peak memory of `loom pairs` over a Parquet list, up to the decisions: a million candidates against 100,000.

The candidates have made texts and URLs; no image is fetched. Each build is a process of its own.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bounded_rows import Row
from benchmarks.pairs.config import PairsConfig
from benchmarks.pairs.made_texts import make_texts, make_words
from benchmarks.peak import peak_megabytes
from corpusloom.pipelines.cli.main import run

FEW, MANY = 100_000, 1_000_000
AT_ONCE = 50_000


def write_list(path: Path, number: int, seed: int) -> None:
    """Write candidates as a Parquet list."""
    rng = random.Random(seed)
    words = make_words(50_000, rng)
    schema = pa.schema([("url", pa.string()), ("caption", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, number, AT_ONCE):
            urls = [f"https://site{at % 5000}.example/{at}.jpg" for at in range(start, min(start + AT_ONCE, number))]
            writer.write_table(pa.table({"url": urls, "caption": make_texts(words, len(urls), rng)}, schema))


def print_peak(folder: str) -> None:
    """Decide on the pairs of a folder's list, and print the peak of this process in MiB."""
    argv = ["pairs", "align", "--list", f"{folder}/list.parquet", "--caption-column", "caption", "--work", folder]
    code = run([*argv, "--out", f"{folder}/out", "--workers", "0", "--quiet"])
    print(code, peak_megabytes())


def peak(number: int, seed: int) -> float:
    """Return the peak memory of a build over this number of candidates, in MiB."""
    with tempfile.TemporaryDirectory() as name:
        write_list(Path(name, "list.parquet"), number, seed)
        code = f"from benchmarks.pairs.memory import print_peak; print_peak({name!r})"
        ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    status, megabytes = ran.stdout.split()[-2:]
    assert status == "0", ran.stderr
    return float(megabytes)


def rows(config: PairsConfig) -> Iterator[Row]:
    """Yield the peak over the many candidates divided by that over the few."""
    few, many = peak(FEW, config.rng_seed), peak(MANY, config.rng_seed)
    note = f"{FEW:,}: {few:.0f} MiB, {MANY:,}: {many:.0f} MiB"
    yield Row("pairs: peak memory, 10 times the candidates", many / few, 1.5, 1.0, True, note)
