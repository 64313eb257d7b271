"""A stream inside one worker process of a DataLoader: the part of the rank's share that this worker yields."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from corpusloom.trainers.stream.cursor import Cursor
from corpusloom.trainers.stream.dataloader.loader_state import check_same_workers
from corpusloom.trainers.stream.dataloader.passes import Origin, Passes
from corpusloom.trainers.stream.dataloader.worker import Worker, dealt, samples_per_request, samples_per_worker

LOCATED = 256
"""Positions located at once."""


class WorkerShare:
    """Deals the rank's share out to this worker, in chunks as large as the DataLoader's batches."""

    def __init__(self, cursor: Cursor, passes: Passes) -> None:
        self._cursor, self._passes = cursor, passes
        self._origin: Origin | None = None
        """Position of the main process when it started this worker."""
        self._loaded = False
        """Whether the next pass begins with a state that was loaded in this worker."""
        self.place: dict[str, int] = {}
        """This worker's place in the pass: chunk size, samples taken, and the worker's identity."""

    def identity(self, worker: Worker) -> dict[str, int]:
        """Return the entries of a state that identify its worker."""
        return {
            "rank": self._cursor.rank,
            "world_size": self._cursor.world_size,
            "worker": worker.number,
            "workers": worker.workers,
        }

    def load(self, place: Mapping[str, int]) -> None:
        """Record that a state was loaded in this worker: the next pass begins at its place."""
        self._cursor.loads += 1
        self._loaded, self._origin = True, self._origin or Origin(-1, 0)
        self.place = {"chunk": 0, "taken": 0, **place}

    def begin(self, worker: Worker) -> int:
        """Begin a pass: move the cursor to where it began, and return its number."""
        cursor = self._cursor
        first, loaded = self._origin is None, cursor.running if self._loaded else None
        self._origin = self._origin or Origin(cursor.loads, cursor.running)
        number, start = self._passes.begin(worker, self._origin, loaded, cursor.epoch_samples, first=first)
        cursor.move_to(start)
        if not self._loaded:
            self.place = {"chunk": 0, "taken": 0, **self.identity(worker)}
        self._loaded = False
        chunk, taken = self.place["chunk"], self.place["taken"]
        if (
            chunk
            and self.place["workers"] == worker.workers
            and taken >= samples_per_worker(worker.workers, chunk, cursor.left)[worker.number]
        ):
            self._passes.end(worker.number, number)
        return number

    def walk(self, worker: Worker, number: int, items_at: Callable[[np.ndarray], Iterator[list[Any]]]) -> Iterator[Any]:
        """Yield this worker's part of a pass.

        `items_at(running positions)` yields one list per position: [item], or [] for a sample that is skipped.
        """
        cursor, place = self._cursor, self.place
        loads, at, chunk = cursor.loads, place["taken"], samples_per_request()
        if at:
            check_same_workers(place, {"chunk": chunk})
        place["chunk"] = chunk
        first, left = cursor.next_of_rank, cursor.left
        while len(mine := _next_numbers(worker, chunk, at, left)):
            for items in items_at(first + mine * cursor.world_size):
                at += 1
                for item in items:
                    cursor.check_not_loaded(loads)
                    place["taken"] = at
                    yield item
                    cursor.check_not_loaded(loads)
        place["taken"] = at
        self._passes.end(worker.number, number)


def _next_numbers(worker: Worker, chunk: int, at: int, left: int) -> np.ndarray:
    """Return the worker's next samples, as indexes into the `left` remaining samples of the rank's share."""
    mine = dealt(worker.number, worker.workers, chunk, np.arange(at, at + LOCATED))
    return mine[mine < left]
