"""Batches: workers read, decode and transform; the caller gets them in order, and the state follows it.

Threads, since the decoders release the interpreter lock, or processes when asked. A batch is one task; `workers +
prefetch` are under way, so a slow consumer holds the workers back. What a task raises is raised at the batch's turn.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.batches.collate import Made, Plan, Transform, allocation, make_batch, tensor
from corpusloom.trainers.stream.batches.processes import ProcessMakers

if TYPE_CHECKING:
    from corpusloom.trainers.stream.dataset import Place, StreamingDataset


class Makers(Protocol):
    """Who makes batches, several at a time."""

    def submit(self, places: list["Place | None"]) -> Future[Made]:
        """Have one batch made."""

    def shutdown(self) -> None:
        """End; what has not begun is dropped."""


class ThreadMakers:
    """A pool of threads."""

    def __init__(self, batches: "Batches") -> None:
        self._make = batches.make
        self._pool = ThreadPoolExecutor(batches.plan.workers, thread_name_prefix="loader")

    def submit(self, places: list["Place | None"]) -> Future[Made]:
        """Have one batch made."""
        return self._pool.submit(self._make, places)

    def shutdown(self) -> None:
        """End the threads after what each is making now."""
        self._pool.shutdown(wait=True, cancel_futures=True)


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

    def make(self, places: list["Place | None"]) -> Made:
        """Return one batch; DamageError when none of its samples can be used."""
        return make_batch(self.stream, places, self.plan, self.transform, allocation(self.plan.pin))

    def makers(self) -> Makers:
        """Start the workers."""
        if self.plan.processes:
            return ProcessMakers(self.stream.recipe, self.plan, self.transform)
        return ThreadMakers(self)

    def hand_out(self, made: Made, end: int, moves: int) -> dict[str, Any]:
        """Move the stream to the batch's end, and count only now what was skipped in it."""
        self.stream.hand_out(end, moves)
        for place, key, error in made.skipped:
            self.stream.note(key, error)
            self.skipped.append(f"position {place.position}: {key}: {error}")
        return {"keys": made.keys, **{name: tensor(array) for name, array in made.arrays.items()}}


def _in_order(batches: Batches) -> Iterator[dict[str, Any]]:
    """Yield the batches in order, `workers + prefetch` under way."""
    stream, plan = batches.stream, batches.plan
    moves = stream.moves
    steps = _steps(stream, plan, stream.running)
    if plan.workers == 0:
        for end, places in steps:
            yield batches.hand_out(batches.make(places), end, moves)
        return
    makers = batches.makers()
    pending: deque[tuple[int, Future[Made]]] = deque()
    try:
        for end, places in steps:
            pending.append((end, makers.submit(places)))
            if len(pending) >= plan.workers + plan.prefetch:
                yield _take(batches, pending, moves)
        while pending:
            yield _take(batches, pending, moves)
    finally:
        makers.shutdown()


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
