"""`loom bench-stream`: measures how fast a dataset streams on this machine, and what limits it."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from corpusloom.pipelines.cli.flags import check_least, print_json
from corpusloom.pipelines.engine.printing import show


@dataclass(frozen=True, kw_only=True)
class Command:
    """Measure a dataset's throughput per stage (read, parse, decode, whole batches), and what limits it.

    Examples:
      loom bench-stream data/align
      loom bench-stream s3://bucket/align --cache /local/disk --workers 8
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Folder or URL of a dataset."""
    samples: int = 2000
    """Samples per stage."""
    batch_size: int = 64
    """Samples per batch."""
    workers: int = 2
    """Threads that make batches."""
    cache: str | None = None
    """Folder on a local disk that caches blocks of a remote dataset."""
    cache_bytes: int = 100 << 30
    """Bytes of the cache, at most."""
    allow_addresses: tuple[str, ...] = ()
    """Private networks (NET or NET:PORT) whose servers an index of foreign tars may name."""
    json: bool = False
    """Print the figures as JSON."""

    def run(self) -> int:
        """Measure."""
        check_least("--samples", self.samples, 1)
        check_least("--batch-size", self.batch_size, 1)
        check_least("--workers", self.workers, 0)
        check_least("--cache-bytes", self.cache_bytes, 1)
        from corpusloom.trainers.stream.bench import bench, bound_by
        from corpusloom.trainers.stream.reading.cache import CacheConfig

        cache = CacheConfig(folder=self.cache, max_bytes=self.cache_bytes) if self.cache else None
        stages = bench(
            self.dataset,
            samples=self.samples,
            batch_size=self.batch_size,
            workers=self.workers,
            cache=cache,
            allow_addresses=self.allow_addresses,
        )
        bound = bound_by(stages)
        if self.json:
            rows = [{"stage": s.stage, "samples": s.samples, "wall_s": s.wall_s, "cpu_s": s.cpu_s} for s in stages]
            print_json({"stages": rows, "bound_by": bound})
            return 0
        show(f"{'up to':<20} {'samples/s':>10} {'CPU ms/sample':>14} {'waiting':>8}")
        for stage in stages:
            show(
                f"{stage.stage:<20} {stage.samples_per_second:>10,.0f} {stage.cpu_ms_per_sample:>14.3f} "
                f"{stage.waiting:>8.0%}"
            )
        show(f"bound by: {bound}")
        return 0
