"""Measures the lower bound of raw reads: several ways to read the members of all samples, in the loader's order.

    python benchmarks/stream_floor.py [--folder DIR] [--tars 8] [--samples 500] [--rounds 5]

Prints CPU microseconds per sample of: the loader; the two preads per sample that the loader makes, and nothing else;
tars that are mapped anew in each round, as in a first epoch; one pread per 28 neighbours, cut apart; a copy alone.
"""

import argparse
import mmap
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.stream import make_material, open_stream
from corpusloom.trainers.stream.reading.index import read_shard

NEIGHBOURS = 28
"""Number of samples of about 36 KB in a megabyte."""


class Wanted(NamedTuple):
    """One sample: the number of its tar, and (field, offset, size) of its members."""

    tar: int
    members: list[tuple[str, int, int]]


def plan(folder: str) -> tuple[list[str], list[Wanted], list[list[Wanted]]]:
    """Return the tars, the samples in the loader's order, and the samples of each tar in the tar's order."""
    stream = open_stream(folder)
    index = stream.reader.indexes[0]
    shards = [read_shard(index.path, entry) for entry in index.shards]

    def wanted(tar: int, row: int) -> Wanted:
        shard = shards[tar]
        members = [shard.member(number) for number in range(shard.starts[row], shard.starts[row + 1])]
        return Wanted(tar, [(shard.fields[code], offset, size) for offset, size, _, _, code in members])

    order = [wanted(place.shard, place.row) for place in stream.order.places(np.arange(stream.epoch_samples))]
    lying = [[wanted(tar, row) for row in range(len(shard))] for tar, shard in enumerate(shards)]
    return [shard.path for shard in shards], order, lying


def two_preads(descriptors: list[int], order: list[Wanted]) -> None:
    pread = os.pread
    for tar, members in order:
        (first, offset, size), *rest = members
        found = {first: pread(descriptors[tar], size, offset)}
        begin, end = rest[0][1], rest[-1][1] + rest[-1][2]
        data = pread(descriptors[tar], end - begin, begin)
        for field, place, length in rest:
            found[field] = data[place - begin : place - begin + length]


def mapped(descriptors: list[int], order: list[Wanted]) -> None:
    maps = [mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) for descriptor in descriptors]
    for tar, members in order:
        tape = maps[tar]
        _ = {field: tape[place : place + length] for field, place, length in members}


def neighbours(descriptors: list[int], lying: list[list[Wanted]]) -> None:
    for descriptor, samples in zip(descriptors, lying, strict=True):
        for at in range(0, len(samples), NEIGHBOURS):
            some = samples[at : at + NEIGHBOURS]
            begin = some[0].members[0][1]
            _, place, length = some[-1].members[-1]
            data = os.pread(descriptor, place + length - begin, begin)
            for _, members in some:
                _ = {field: data[place - begin : place - begin + length] for field, place, length in members}


def copies(order: list[Wanted]) -> None:
    data = os.urandom(1 << 20)
    for _, members in order:
        _ = data[1000 : 1000 + members[0][2]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tars", type=int, default=8)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = flags.folder or f"{scratch}/data"
        if not Path(folder, "manifest.json").exists():
            make_material(folder, flags.tars, flags.samples)
        paths, order, lying = plan(folder)
        descriptors = [os.open(path, os.O_RDONLY) for path in paths]
        ways: dict[str, Callable[[], Any]] = {
            "the loader": lambda: [None for _ in open_stream(folder).raw()],
            "two preads per sample": lambda: two_preads(descriptors, order),
            "mapped tars": lambda: mapped(descriptors, order),
            "one pread per 28 neighbours": lambda: neighbours(descriptors, lying),
            "a copy alone": lambda: copies(order),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(flags.rounds):
            for name, way in ways.items():
                started = time.process_time()
                way()
                found[name].append(1e6 * (time.process_time() - started) / len(order))
        for name, times in found.items():
            print(f"{name:26s} {statistics.median(times):7.2f} us")


if __name__ == "__main__":
    main()
