"""Batches: worker threads read, decode and transform; the caller gets them in order, and the state follows it.

Threads, since the decoders release the interpreter lock. A batch is one task; `workers + prefetch` are under way,
so a slow consumer holds the workers back. What a task raises is raised at the batch's turn.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from schemas.errors import ConfigError, DamageError, InputError
from schemas.images import ImageError
from trainers.stream.decoding import sample_rng
from trainers.stream.samples import SampleError

if TYPE_CHECKING:
    from trainers.stream.dataset import Place, StreamingDataset

Transform: TypeAlias = Callable[[Any, np.random.Generator], dict[str, np.ndarray]]
_SKIPPABLE = (SampleError, ImageError, InputError, DamageError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How batches are made."""

    batch_size: int
    """Samples a rank a step."""
    workers: int = 2
    """Threads; 0 does the work in the caller's."""
    prefetch: int = 2
    """Batches ahead of the caller, beyond one a worker."""
    on_error: str = "skip"
    epochs: int | None = None
    last: str = "pad"

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("workers", 0), ("prefetch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}", remedy=f"set it to {least} or more")
        if self.last not in ("pad", "drop"):
            raise ConfigError(f"last {self.last!r}", remedy="use pad or drop")


def batches(dataset: "StreamingDataset", plan: Plan, transform: Transform) -> Iterator[dict[str, Any]]:
    """Yield the batches of a dataset's rank, the dataset's state moving as each is handed out."""
    moves, position = dataset.moves, dataset.running
    steps = _steps(dataset, plan, position)
    if plan.workers == 0:
        for end, places in steps:
            batch = make_batch(dataset, places, plan, transform)
            dataset.hand_out(end, moves)
            yield batch
        return
    pool = ThreadPoolExecutor(plan.workers, thread_name_prefix="loader")
    try:
        pending: deque[tuple[int, Future[dict[str, Any]]]] = deque()
        for end, places in steps:
            pending.append((end, pool.submit(make_batch, dataset, places, plan, transform)))
            if len(pending) >= plan.workers + plan.prefetch:
                yield _take(dataset, pending, moves)
        while pending:
            yield _take(dataset, pending, moves)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(
    dataset: "StreamingDataset", pending: deque[tuple[int, Future[dict[str, Any]]]], moves: int
) -> dict[str, Any]:
    end, future = pending.popleft()
    batch = future.result()
    dataset.hand_out(end, moves)
    return batch


def _steps(dataset: "StreamingDataset", plan: Plan, position: int) -> Iterator[tuple[int, list["Place | None"]]]:
    """Yield (running position after the step, this rank's places); None is padding after the last epoch."""
    world, size, total = dataset.world_size, plan.batch_size, dataset.epoch_samples
    stop = None if plan.epochs is None else (position // total + plan.epochs) * total
    while stop is None or position < stop:
        end = position + size * world
        first = position + (dataset.rank - position) % world
        wanted = np.arange(first, end, world)
        if stop is not None and end > stop:
            if plan.last == "drop":
                return
            wanted, end = wanted[wanted < stop], stop
        places: list[Place | None] = [*dataset.places(wanted)]
        yield end, places + [None] * (size - len(places))
        position = end


def make_batch(
    dataset: "StreamingDataset", places: list["Place | None"], plan: Plan, transform: Transform
) -> dict[str, Any]:
    """Return one batch; DamageError when none of its samples can be used."""
    columns: dict[str, np.ndarray] = {}
    valid, keys = np.zeros(len(places), dtype=bool), [""] * len(places)
    for at, place in enumerate(places):
        if place is None:
            continue
        try:
            sample = dataset.sample(place)
            keys[at] = sample.key
            values = transform(sample, sample_rng(dataset.rng_seed, place.epoch, sample.key))
        except _SKIPPABLE as error:
            keys[at] = keys[at] or dataset.key_of(place)
            dataset.skip(place, error, plan.on_error)
            continue
        _put(columns, values, at, len(places))
        valid[at] = True
    if not valid.any() and any(places):
        raise DamageError(
            f"no sample of a batch of {len(places)} can be used: {dict(dataset.skipped)}",
            where=dataset.sources[0].index.path,
            remedy="run loom verify",
        )
    _fill(columns, valid)
    return {"keys": keys, "valid": _tensor(valid), **{name: _tensor(column) for name, column in columns.items()}}


def _put(columns: dict[str, np.ndarray], values: dict[str, np.ndarray], at: int, size: int) -> None:
    """Copy one sample's arrays into their columns, which the first sample shapes."""
    if not columns:
        for name, value in values.items():
            array = np.asarray(value)
            columns[name] = np.zeros((size, *array.shape), dtype=array.dtype)
    if columns.keys() != values.keys():
        raise ConfigError(f"the transform returned {sorted(values)}, before {sorted(columns)}")
    for name, value in values.items():
        try:
            columns[name][at] = value
        except ValueError as error:
            raise ConfigError(
                f"{name} has shape {np.shape(value)}, others {columns[name].shape[1:]}", remedy="pad in the transform"
            ) from error


def _fill(columns: dict[str, np.ndarray], valid: np.ndarray) -> None:
    """Fill the places of skipped samples with the nearest good one before them, else the first good one."""
    good = np.flatnonzero(valid)
    if not len(good):
        return
    for at in np.flatnonzero(~valid):
        neighbour = good[max(int(np.searchsorted(good, at)) - 1, 0)]
        for column in columns.values():
            column[at] = column[neighbour]


def _tensor(array: np.ndarray) -> Any:
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)
