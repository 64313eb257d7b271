"""Makes batches ahead in workers and yields them in order; the state counts what the caller has received.

Workers are threads, since the decoders release the interpreter lock, or processes if requested. One task makes one
batch. `workers + prefetch` tasks are under way at most, so a slow consumer slows the workers down. An error in a task
is raised when its batch is due.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from corpusloom.schemas.errors import ConfigError, DamageError
from corpusloom.trainers.stream.batches.assemble import AssembledBatch, Shapes, allocation, assemble, shapes_of, tensor
from corpusloom.trainers.stream.batches.processes import ProcessBatchPool, WorkerSetup
from corpusloom.trainers.stream.cursor import Cursor
from corpusloom.trainers.stream.dataloader.worker import this_worker
from corpusloom.trainers.stream.order.global_order import GlobalOrder
from corpusloom.trainers.stream.plan import SKIPPABLE, BatchPlan, SamplePlace, Transform
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.stream.samples.draws import SampleDraws

SKIPPED_LISTED = 1000
TRIED = 10_000
"""Samples that are tried for the shapes of a batch, before a data set counts as unusable."""


class BatchSource(Protocol):
    """The part of a stream that batches are made from."""

    @property
    def config(self) -> ReaderConfig:
        """Configuration with which another process opens the same samples."""

    @property
    def reader(self) -> SampleReader:
        """Reader of samples by place."""

    @property
    def order(self) -> GlobalOrder:
        """Order of the samples."""

    @property
    def cursor(self) -> Cursor:
        """Position of the stream, which moves with each batch that is handed out."""

    @property
    def rng_seed(self) -> int:
        """Seed of each sample's draws."""

    @property
    def on_error(self) -> str:
        """Default of `on_error`: skip or raise."""

    @property
    def skipped(self) -> Counter[str]:
        """Reason -> number of samples that were skipped."""

    def prefetch(self, running: int) -> None:
        """Fetch the remote blocks that follow a running position."""

    def note_skipped(self, key: str, error: Exception) -> None:
        """Count a sample that was skipped."""

    def state_dict(self) -> dict[str, Any]:
        """Return the stream's state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state was taken."""


class BatchPool(Protocol):
    """A pool of workers; each makes one batch at a time."""

    def submit(self, places: Sequence[SamplePlace | None]) -> Future[AssembledBatch]:
        """Start making one batch."""

    def shutdown(self) -> None:
        """End the workers; tasks that have not begun are dropped."""


def open_batches(stream: BatchSource, plan: BatchPlan, transform: Transform) -> "Batches":
    """Return the iterator over this rank's batches of `transform(sample, rng)`, made as planned."""
    if this_worker() is not None:
        raise ConfigError(
            "batches() inside a DataLoader's worker",
            remedy="iterate over the stream there, or use batches(workers=...) instead of the DataLoader",
        )
    return Batches(stream, plan, transform)


class Batches:
    """The batches of one rank, made ahead; the stream's cursor moves when a batch is handed out."""

    def __init__(self, stream: BatchSource, plan: BatchPlan, transform: Transform) -> None:
        self.stream, self.plan, self.transform = stream, plan, transform
        self.skipped: deque[str] = deque(maxlen=SKIPPED_LISTED)
        """One line for each of the samples skipped last; the stream counts all of them by reason."""
        self._shapes: Shapes | None = None
        """Shapes and types of a batch's arrays, once they are known."""
        self._batches: Iterator[dict[str, Any]] | None = None
        self._pool: BatchPool | None = None

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> dict[str, Any]:
        if self._batches is None:
            self._batches = self._in_order()
        return next(self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Return the stream's state, which counts the samples that were handed out."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state was taken; batches that were made ahead are dropped."""
        self.close()
        self.stream.load_state_dict(state)

    def close(self) -> None:
        """End the workers; the next batch begins at the stream's cursor."""
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]
            self._batches = None
        self._end_workers()

    def _end_workers(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _in_order(self) -> Iterator[dict[str, Any]]:
        """Yield the batches in order, with `workers + prefetch` tasks under way."""
        plan, loads = self.plan, self.stream.cursor.loads
        steps = _steps(self.stream, plan)
        if plan.workers == 0:
            for end, places in steps:
                yield self._hand_out(self._make(places), end, loads)
            return
        self._pool = pool = self._start_workers()
        pending: deque[tuple[int, Future[AssembledBatch]]] = deque()
        try:
            for end, places in steps:
                pending.append((end, pool.submit(places)))
                if len(pending) >= plan.workers + plan.prefetch:
                    end, future = pending.popleft()
                    yield self._hand_out(future.result(), end, loads)
            while pending:
                end, future = pending.popleft()
                yield self._hand_out(future.result(), end, loads)
        except GeneratorExit:  # close() ends the workers; the garbage collector may not wait for threads
            raise
        except BaseException:
            self._end_workers()
            raise
        self._end_workers()

    def _start_workers(self) -> BatchPool:
        plan, stream = self.plan, self.stream
        if not plan.processes:
            return _ThreadBatchPool(self, plan.workers)
        setup = WorkerSetup(stream.config, self.transform, stream.rng_seed, plan.on_error)
        return ProcessBatchPool(setup, plan.workers)

    def _make(self, places: Sequence[SamplePlace | None]) -> AssembledBatch:
        stream, plan = self.stream, self.plan
        return assemble(
            stream.reader,
            places,
            self.transform,
            allocation(plan.pin),
            rng_seed=stream.rng_seed,
            on_error=plan.on_error,
        )

    def _hand_out(self, made: AssembledBatch, end: int, loads: int) -> dict[str, Any]:
        """Move the cursor to the batch's end, and count only now the samples that were skipped in it."""
        self.stream.cursor.check_not_loaded(loads)
        self.stream.cursor.move_to(end)
        for place, key, error in made.skipped:
            self.stream.note_skipped(key, error)
            self.skipped.append(f"position {place.position}: {key}: {error}")
        arrays = {**made.arrays, **self._zeros(end)} if not made.arrays["valid"].any() else made.arrays
        self._shapes = {name: (array.shape, array.dtype) for name, array in arrays.items() if name != "valid"}
        return {"keys": made.keys, **{name: tensor(array) for name, array in arrays.items()}}

    def _zeros(self, running: int) -> dict[str, np.ndarray]:
        """Return the arrays of a batch without a usable sample; `running` is the position after it.

        Their shapes are those of earlier batches, else of the next sample in the global order that can be used.
        """
        if self._shapes is None:
            self._shapes = shapes_of(self._next_usable(running), self.plan.batch_size)
        return allocation(self.plan.pin)(self._shapes)

    def _next_usable(self, running: int) -> Mapping[str, Any]:
        """Return the arrays of the next sample that can be used; it is neither counted nor handed out here."""
        stream, draws, error = self.stream, SampleDraws(self.stream.rng_seed), None
        tried = min(stream.cursor.epoch_samples, TRIED)
        for place in stream.order.places(np.arange(running, running + tried)):
            try:
                sample = stream.reader.item(place)
                return self.transform(sample, draws.of(place.epoch, sample.key))
            except SKIPPABLE as found:
                error = error or found
        raise DamageError(
            f"none of {tried} samples in a row can be used; the first: {error}",
            where=stream.reader.indexes[0].path,
            remedy="run loom verify",
        ) from error


class _ThreadBatchPool:
    """A pool of threads."""

    def __init__(self, batches: Batches, workers: int) -> None:
        self._make = batches._make
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="loader")

    def submit(self, places: Sequence[SamplePlace | None]) -> Future[AssembledBatch]:
        """Start making one batch."""
        return self._pool.submit(self._make, places)

    def shutdown(self) -> None:
        """End the threads after the batch that each is making now."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _steps(stream: BatchSource, plan: BatchPlan) -> Iterator[tuple[int, list[SamplePlace | None]]]:
    """Yield (running position after the step, this rank's places); None is padding after the last epoch."""
    cursor, position, size = stream.cursor, stream.cursor.running, plan.batch_size
    world, total = cursor.world_size, cursor.epoch_samples
    stop = None if plan.epochs is None else (position // total + plan.epochs) * total
    while stop is None or position < stop:
        end = position + size * world
        stream.prefetch(position)
        wanted = np.arange(position + (cursor.rank - position) % world, end, world)
        if stop is not None and end > stop:
            if plan.last == "drop":
                return
            wanted, end = wanted[wanted < stop], stop
        places: list[SamplePlace | None] = [*stream.order.places(wanted)]
        yield end, places + [None] * (size - len(places))
        position = end
