"""Batches: worker threads read, decode and transform; the caller gets them in order, and the state follows it.

Threads, since the decoders release the interpreter lock. A batch is one task; `workers + prefetch` are under way,
so a slow consumer holds the workers back. What a task raises is raised at the batch's turn.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from schemas.errors import ConfigError, DamageError, InputError
from schemas.images import ImageError
from trainers.stream.decoding import sample_rng
from trainers.stream.errors import SampleError

if TYPE_CHECKING:
    from trainers.stream.dataset import Place, StreamingDataset

Transform: TypeAlias = Callable[[Any, np.random.Generator], Mapping[str, Any]]
"""(sample, its generator) -> arrays of fixed shapes by name."""
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


class Batches:
    """The batches of one rank, made ahead; the dataset's state moves when one is handed out."""

    def __init__(self, stream: "StreamingDataset", plan: Plan, transform: Transform) -> None:
        self.stream, self.plan, self.transform = stream, plan, transform
        self.skipped: list[str] = []
        """What could not be used, each as one line; the dataset counts it by reason."""
        self._batches: Iterator[dict[str, Any]] | None = None

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> dict[str, Any]:
        if self._batches is None:
            self._batches = _in_order(self)
        return next(self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the stream's state: samples count when they are handed out."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state stands; what was made ahead is dropped."""
        self.close()
        self.stream.load_state_dict(state)

    def close(self) -> None:
        """End the threads; the next batch begins where the stream stands."""
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]
            self._batches = None

    def make(self, places: list["Place | None"]) -> "Made":
        """Return one batch; DamageError when none of its samples can be used."""
        return make_batch(self.stream, places, self.plan, self.transform)

    def hand_out(self, made: "Made", end: int, moves: int) -> dict[str, Any]:
        """Move the stream to the batch's end, and count only now what was skipped in it."""
        self.stream.hand_out(end, moves)
        for place, key, error in made.skipped:
            self.stream.note(key, error)
            self.skipped.append(f"position {place.position}: {key}: {error}")
        return made.batch


class Made(NamedTuple):
    """A batch, and which of its samples were skipped."""

    batch: dict[str, Any]
    skipped: list[tuple["Place", str, Exception]]


def _in_order(batches: Batches) -> Iterator[dict[str, Any]]:
    """Yield the batches in order, `workers + prefetch` under way."""
    stream, plan = batches.stream, batches.plan
    moves = stream.moves
    steps = _steps(stream, plan, stream.running)
    if plan.workers == 0:
        for end, places in steps:
            yield batches.hand_out(batches.make(places), end, moves)
        return
    pool = ThreadPoolExecutor(plan.workers, thread_name_prefix="loader")
    pending: deque[tuple[int, Future[Made]]] = deque()
    try:
        for end, places in steps:
            pending.append((end, pool.submit(batches.make, places)))
            if len(pending) >= plan.workers + plan.prefetch:
                yield _take(batches, pending, moves)
        while pending:
            yield _take(batches, pending, moves)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _take(batches: Batches, pending: deque[tuple[int, Future[Made]]], moves: int) -> dict[str, Any]:
    end, future = pending.popleft()
    return batches.hand_out(future.result(), end, moves)


def _steps(stream: "StreamingDataset", plan: Plan, position: int) -> Iterator[tuple[int, list["Place | None"]]]:
    """Yield (running position after the step, this rank's places); None is padding after the last epoch."""
    world, size, total = stream.world_size, plan.batch_size, stream.epoch_samples
    stop = None if plan.epochs is None else (position // total + plan.epochs) * total
    while stop is None or position < stop:
        end = position + size * world
        stream.look_ahead(position)
        wanted = np.arange(position + (stream.rank - position) % world, end, world)
        if stop is not None and end > stop:
            if plan.last == "drop":
                return
            wanted, end = wanted[wanted < stop], stop
        places: list[Place | None] = [*stream.places(wanted)]
        yield end, places + [None] * (size - len(places))
        position = end


def make_batch(
    dataset: "StreamingDataset",
    places: list["Place | None"],
    plan: Plan,
    transform: Transform,
) -> Made:
    """Return one batch; DamageError when none of its samples can be used."""
    columns: dict[str, np.ndarray] = {}
    skipped: list[tuple[Place, str, Exception]] = []
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
            if plan.on_error == "raise":
                raise dataset.damage(place, keys[at], error) from error
            skipped.append((place, keys[at], error))
            continue
        _put(columns, values, at, len(places))
        valid[at] = True
    if not valid.any() and any(places):
        raise DamageError(
            f"no sample of a batch of {len(places)} can be used; the first: {skipped[0][1]}: {skipped[0][2]}",
            where=dataset.sources[0].index.path,
            remedy="run loom verify",
        )
    _fill(columns, valid)
    batch = {"keys": keys, "valid": _tensor(valid), **{name: _tensor(column) for name, column in columns.items()}}
    return Made(batch, skipped)


def _put(columns: dict[str, np.ndarray], values: Mapping[str, Any], at: int, size: int) -> None:
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


class Together:
    """One batch of each of several streams a step: what a weighted sum of losses over data sets is made of."""

    def __init__(self, streams: Mapping[str, Batches]) -> None:
        self.streams = dict(streams)

    def __iter__(self) -> "Together":
        return self

    def __next__(self) -> dict[str, Any]:
        return {name: next(stream) for name, stream in self.streams.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each stream."""
        return {name: stream.state_dict() for name, stream in self.streams.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where each stream stood."""
        if set(state) != set(self.streams):
            raise ConfigError(
                f"the state is of {sorted(state)}, the run of {sorted(self.streams)}", where="stream state"
            )
        for name, stream in self.streams.items():
            stream.load_state_dict(state[name])


def _tensor(array: np.ndarray) -> Any:
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)
