"""Measures a dataset's throughput by stage (read, parse, decode, batch) and names the slowest (`loom bench-stream`)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.stream.samples.image_ops import centre_square, decode_near
from corpusloom.trainers.stream.samples.typed import ClipSample, InterleavedSample, TypedSample

MAX_WAITING = 0.5
"""Share of waiting time above which reading counts as bound by storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpeed:
    """Samples, wall seconds and CPU seconds of one stage on its own."""

    stage: str
    samples: int
    wall_s: float
    cpu_s: float
    starved_s: float = 0.0
    """Seconds for which the reading thread was ready to run while other processes had the cores."""

    @property
    def samples_per_second(self) -> float:
        """Samples per second of wall time."""
        return self.samples / max(self.wall_s, 1e-9)

    @property
    def cpu_ms_per_sample(self) -> float:
        """CPU milliseconds per sample, over all threads."""
        return 1000 * self.cpu_s / max(self.samples, 1)

    @property
    def waiting(self) -> float:
        """Share of wall time spent waiting for anything but a core; when reading, for storage."""
        wall = max(self.wall_s - self.starved_s, 1e-9)
        return max(0.0, 1 - self.cpu_s / wall)


def first_image(sample: TypedSample) -> bytes | None:
    """Return the first encoded image of a sample, if it has one."""
    if isinstance(sample, InterleavedSample):
        return next((image for image in sample.images if image is not None), None)
    return sample.frames[0] if isinstance(sample, ClipSample) else sample.image


def decode_square(sample: TypedSample, rng: np.random.Generator, side: int = 224) -> dict[str, Any]:
    """Decode a sample's first image to a square of `side` pixels, as most transforms do first."""
    data = first_image(sample)
    if data is None:
        return {"image": np.zeros((side, side, 3), dtype=np.uint8)}
    return {"image": centre_square(decode_near(data, side), side)}


def bench(
    path: str,
    *,
    samples: int = 2000,
    batch_size: int = 64,
    workers: int = 2,
    cache: CacheConfig | None = None,
    allow_addresses: tuple[str, ...] = (),
) -> tuple[StageSpeed, ...]:
    """Return the speed of reading bytes, of reading and parsing, of both and decoding, and of whole batches."""

    def opened() -> StreamingDataset:
        return StreamingDataset(path, rank=0, world_size=1, cache=cache, allow_addresses=allow_addresses)

    samples = max(min(samples, len(opened()) - 1), 1)
    stages = [
        _timed("read", samples, opened().raw()),
        _timed("parse", samples, iter(opened())),
        _timed("decode", samples, _decoded(opened())),
    ]
    batches = opened().batches(batch_size, transform=decode_square, workers=workers)
    steps = max(samples // batch_size, 1)
    stages.append(_timed(f"batches, {workers} workers", steps, batches, batch_size))
    batches.close()
    return tuple(stages)


def bound_by(stages: tuple[StageSpeed, ...]) -> str:
    """Return one line that names the bound: storage when reading mostly waits, else the part with most CPU time."""
    read = stages[0]
    if read.waiting > MAX_WAITING:
        return f"storage: reading waits {read.waiting:.0%} of its time (use more workers, or a cache for remote data)"
    times = [0.0, *(stage.cpu_ms_per_sample for stage in stages)]
    parts = dict(zip(("read", "parse", "decode", "collate"), np.diff(times).tolist(), strict=False))
    most = max(parts, key=lambda name: parts[name])
    return f"{most}: {parts[most]:.3f} of {max(times):.3f} CPU ms per sample (use more workers, up to the cores)"


def _decoded(stream: StreamingDataset) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(0)
    for sample in stream:
        yield decode_square(sample, rng)


def _timed(stage: str, count: int, items: Iterator[Any], weight: int = 1) -> StageSpeed:
    """Time `count` items of `weight` samples each, after a first item that opens files and imports modules."""
    next(items)
    wall, cpu, starved = time.perf_counter(), time.process_time(), _starved()
    taken = weight * sum(1 for _ in islice(items, count))
    return StageSpeed(
        stage=stage,
        samples=taken,
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        starved_s=_starved() - starved,
    )


def _starved() -> float:
    """Return the seconds that this thread has waited for a core; 0 if the kernel does not report them."""
    try:
        with open("/proc/thread-self/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
