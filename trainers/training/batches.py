"""The batches of a run: opens its streams, drops samples that cannot be used, moves tensors, lists what was skipped."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, device

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.batches.batches import Batches
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.plan import Transform
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows
from corpusloom.trainers.stream.reading.cache import CacheConfig
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.config import RunConfig

LISTED = 1000
"""Largest number of samples that are listed; all are counted."""


class Stream(Protocol):
    """An endless iterator over batches whose state can be saved and loaded.

    A batch is a mapping of tensors and lists of equal length, with the samples' "keys", or a mapping of such batches.
    """

    def __next__(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


def open_stream(
    config: RunConfig,
    source: str | Mapping[str, float],
    *,
    split: str | None = None,
    min_score: float | None = None,
    seed_offset: int = 0,
    annotated: AnnotatedRows | None = None,
) -> StreamingDataset:
    """Return this rank's share of a dataset, or of {folder: share}; `seed_offset` sets each stream's own order.

    With `annotated` it is a share of the annotations of the only dataset.
    """
    loader = config.loader
    cache = None if loader.cache is None else CacheConfig(folder=loader.cache, max_bytes=loader.cache_bytes)
    return StreamingDataset(
        source,
        rng_seed=config.train.rng_seed + seed_offset,
        rank=distributed.data_rank(),
        world_size=distributed.data_ranks(),
        split=split,
        min_score=min_score,
        cache=cache,
        verify=loader.verify,
        allow_addresses=loader.allow_addresses,
        annotated=annotated,
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


def next_batch(stream: Stream, step: int) -> Any:
    """Return a stream's next batch; InputError if there is none."""
    try:
        return next(stream)
    except StopIteration:
        raise InputError(f"the stream ended before step {step}", remedy="is the dataset empty?") from None


def usable_rows(batch: Any, example: Callable[[], Any] | None = None) -> Any:
    """Return a batch, or a mapping of batches, without the rows whose "valid" is False.

    A batch without a row left becomes `example()`, one row without a key. Rows beyond the "keys" do not count: with
    them a rank takes part in the collectives of a step for which it has no sample.
    """
    if not isinstance(batch, Mapping):
        return batch
    if "keys" not in batch:
        examples = {} if example is None else example()
        return {name: usable_rows(value, _constant(examples.get(name))) for name, value in batch.items()}
    valid = batch.get("valid")
    if valid is None or bool(valid.all()):
        return batch
    kept = valid.nonzero()[:, 0].tolist()
    if not kept and example is not None:
        return {**example(), "keys": []}
    return {
        name: value[valid] if isinstance(value, Tensor) else [value[row] for row in kept]
        for name, value in batch.items()
    }


def _constant(value: Any) -> Callable[[], Any] | None:
    return None if value is None else lambda: value


def counted_rows(batch: Mapping[str, Any]) -> int:
    """Return how many rows of a batch count: the first rows, one per key."""
    return len(batch["keys"])


def sample_keys(batch: Any) -> list[str]:
    """Return the keys of a batch, or of all batches of a mapping."""
    if not isinstance(batch, Mapping):
        return []
    if "keys" in batch:
        return list(batch["keys"])
    return [key for value in batch.values() for key in sample_keys(value)]


def to_device(batch: Any, place: device) -> Any:
    """Move the tensors in nested tuples, lists, mappings and dataclasses; other values stay as they are."""
    if isinstance(batch, Tensor):
        return batch.to(place, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: to_device(value, place) for name, value in batch.items()}
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        changes = {item.name: to_device(getattr(batch, item.name), place) for item in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **changes)
    if type(batch) in (list, tuple):
        return type(batch)(to_device(value, place) for value in batch)
    return batch


@dataclass(frozen=True, slots=True)
class SkippedSamples:
    """Samples of all ranks that could not be used since the run began or resumed."""

    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reason -> number of samples."""
    listed: tuple[str, ...] = ()
    """One line per sample: its position, key and error."""

    @property
    def count(self) -> int:
        """Number of samples."""
        return sum(self.reasons.values())

    def to_plain(self) -> dict[str, Any]:
        """Return plain values, as in result.json."""
        return {"samples": self.count, "reasons": dict(self.reasons), "first": list(self.listed)}


def skipped_samples(stream: Any) -> SkippedSamples:
    """Return the samples that the streams of all data ranks skipped; every rank calls this."""
    reasons: Counter[str] = Counter()
    listed: list[str] = []
    for counted, lines in collectives.gather_objects(_of_this_rank(stream)):
        reasons.update(counted)
        listed += lines
    return SkippedSamples(dict(sorted(reasons.items())), tuple(listed[:LISTED]))


def _of_this_rank(stream: Any) -> tuple[Counter[str], list[str]]:
    reasons: Counter[str] = Counter()
    listed: list[str] = []
    for part in getattr(stream, "streams", {"": stream}).values():
        reasons.update(getattr(getattr(part, "stream", None), "skipped", ()))
        listed += getattr(part, "skipped", ())
    return reasons, listed
