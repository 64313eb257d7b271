"""Opens a run's stream and batches with the configured cache, workers and prefetch, for every family."""

from collections.abc import Mapping

from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.plan import Transform
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.training.config import RunConfig


def open_stream(
    config: RunConfig, source: str | Mapping[str, float], *, split: str | None = None, seed_offset: int = 0
) -> StreamingDataset:
    """Return this rank's share of a dataset, or of {folder: weight}; `seed_offset` sets each stream's own order."""
    loader = config.loader
    cache = None if loader.cache is None else CacheConfig(folder=loader.cache, max_bytes=loader.cache_bytes)
    seed = config.train.rng_seed + seed_offset
    return StreamingDataset(
        source,
        rng_seed=seed,
        split=split,
        cache=cache,
        verify=loader.verify,
        allow_addresses=loader.allow_addresses,
    )


def make_batches(
    config: RunConfig, stream: StreamingDataset, transform: Transform, *, batch_size: int | None = None
) -> Batches:
    """Return a stream's endless batches, of `train.batch_size` samples unless `batch_size` is given."""
    return stream.batches(
        batch_size or config.train.batch_size,
        transform=transform,
        workers=config.train.workers,
        prefetch=config.loader.prefetch,
        processes=config.loader.processes,
    )
