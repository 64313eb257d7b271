"""A stream inside the worker processes of torch's DataLoader: who yields what, and which epoch a pass is of.

A DataLoader asks its workers in turn, each for a whole batch of its `batch_size` (one sample where that is None). So
the rank's share is dealt out in chunks of that size, chunk c to worker c mod workers, and what comes back is the
order of the rank. Workers never speak to the main process; that the next pass is of the next epoch, when all of them
have ended, they tell each other in a page of memory that every copy of a stream shares.
"""

import fcntl
import mmap
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from corpusloom.schemas.errors import ConfigError

MAX_WORKERS = 1000
_HEADER = 8
_OWN_LOADER = "the stream's own batches() resumes with any number of workers and ranks"


class Worker(NamedTuple):
    """One of the worker processes of a DataLoader."""

    number: int
    workers: int
    seed: int
    """Of this start of the workers: the same in all of them."""


class Origin(NamedTuple):
    """Where a copy of a stream stood when it was made; of two, the greater is the newer."""

    moves: int
    running: int


def this_worker() -> Worker | None:
    """Return which worker of a DataLoader this process is; none in the main process."""
    data = sys.modules.get("torch.utils.data")
    info = None if data is None else data.get_worker_info()
    return None if info is None else Worker(info.id, info.num_workers, info.seed - info.id)


def know_iterable(kind: type) -> None:
    """Have torch's DataLoader take a class for an IterableDataset, if torch is there already."""
    data = sys.modules.get("torch.utils.data")
    if hasattr(data, "IterableDataset"):
        data.IterableDataset.register(kind)  # type: ignore[union-attr]


def asked_at_once() -> int:
    """Return how many samples the DataLoader that is asking takes into a batch; 1 when it is none, or takes none.

    It does not say so to a dataset, only to the frame of its own that asks.
    """
    fetch = getattr(sys.modules.get("torch.utils.data._utils.fetch"), "_IterableDatasetFetcher", None)
    frame = sys._getframe(1)
    while frame is not None and fetch is not None:
        if frame.f_code is fetch.fetch.__code__:
            asking = frame.f_locals
            return len(asking["possibly_batched_index"]) if asking["self"].auto_collation else 1
        frame = frame.f_back  # type: ignore[assignment]
    return 1


def dealt(worker: int, workers: int, chunk: int, taken: np.ndarray) -> np.ndarray:
    """Return which samples of the rank's share are the `taken`-th ones of a worker."""
    rounds, inside = np.divmod(taken, chunk)
    return (worker + rounds * workers) * chunk + inside


def of_each(workers: int, chunk: int, total: int) -> list[int]:
    """Return how many of the first `total` samples of the rank's share each worker yields."""
    rounds, rest = divmod(total, workers * chunk)
    return [rounds * chunk + min(max(rest - worker * chunk, 0), chunk) for worker in range(workers)]


class Passes:
    """Passes of workers over a stream, counted in a page that the copies of the stream share, whoever forks them."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._maker = os.getpid() if descriptor is None else 0
        size = 8 * (_HEADER + 2 * MAX_WORKERS)
        if descriptor is None:
            descriptor = os.memfd_create("loader passes", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
        self._file = os.fdopen(descriptor, "rb+", buffering=0)
        words = np.frombuffer(mmap.mmap(descriptor, size), np.int64)
        # pass, its start, its workers, their seed, the newest origin (2), whether a pass was begun, samples skipped
        self._head, self._begun, self._ended = np.split(words, [_HEADER, _HEADER + MAX_WORKERS])

    @property
    def descriptor(self) -> int:
        """The memory, for a process that is spawned."""
        return self._file.fileno()

    @contextmanager
    def _alone(self) -> Iterator[np.ndarray]:
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield self._head
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def begin(
        self, worker: Worker, origin: Origin, loaded: int | None, epoch_samples: int, *, first: bool
    ) -> tuple[int, int]:
        """Return the pass that a worker's new iterator belongs to, and the running position where that began.

        `origin` is where the worker's copy was made, `loaded` where a state that was loaded in the worker began, and
        `first` tells its first iterator. The first worker of a pass decides for all: after one that all ended, it is
        the next epoch's.
        """
        if worker.workers > MAX_WORKERS:
            raise ConfigError(f"{worker.workers} workers of a DataLoader", remedy=f"use at most {MAX_WORKERS}")
        with self._alone() as head:
            number, start, workers, seed, moves, running = head[:6].tolist()
            if first and loaded is None and number and origin < (moves, running):
                return -1, origin.running  # the main process moved the stream while this worker was starting
            anew = self._begun[worker.number] == number or seed != worker.seed or workers != worker.workers
            if loaded is not None:
                anew, following = anew or start != loaded, loaded
            elif origin > (moves, running) or not number:
                anew, following = True, origin.running
                head[4:6] = origin
            else:
                members = range(workers) if self._maker != os.getpid() else [worker.number]
                ended = workers and all(self._ended[member] == number for member in members)
                following = (start // epoch_samples + 1) * epoch_samples if ended else start
            if anew:
                number, start = number + 1, following
                head[:4] = number, start, worker.workers, worker.seed
            head[6] = 1
            self._begun[worker.number] = number
            return int(number), int(start)

    def end(self, worker: int, number: int) -> None:
        """Note that a worker has yielded all of its share of a pass."""
        with self._alone() as head:
            if head[0] == number:
                self._ended[worker] = number

    def restart(self, running: int, moves: int) -> int:
        """Have the next pass begin at a running position, in all copies; return how often the stream moved by now."""
        with self._alone() as head:
            moves = max(moves, int(head[4])) + 1
            head[:7] = head[0] + 1, running, 0, 0, moves, running, 0
        return moves

    def skip(self) -> None:
        """Count a sample that a worker skipped."""
        with self._alone() as head:
            head[7] += 1

    @property
    def skipped(self) -> int:
        """Samples that workers skipped."""
        return int(self._head[7])

    def elsewhere(self, origin: Origin) -> bool:
        """Say whether workers have begun to yield what follows the place where a copy stands."""
        with self._alone() as head:
            return bool(head[6]) and origin <= (int(head[4]), int(head[5]))


def check_same_workers(state: Mapping[str, int], own: Mapping[str, int]) -> None:
    """Refuse the state of one worker in another: its chunks are not this one's."""
    for name, value in own.items():
        if state.get(name) != value:
            raise ConfigError(
                f"the state is of a DataLoader's worker with {name} {state.get(name)}, here {value}",
                where="stream state",
                remedy=f"load it with as many workers, or into the stream itself; {_OWN_LOADER}",
            )


def merged(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
    """Return the state of a stream as a pass began, and the positions since, from a StatefulDataLoader's state."""
    try:
        late = state["_steps_since_snapshot"]
        workers = [worker["dataset_state"] for worker in state["_snapshot"]["_worker_snapshots"].values()]
        places = {worker["loader"]["worker"]: worker["loader"] for worker in workers}
        taken = [places[number]["taken"] for number in range(len(places))]
        chunk = max(place["chunk"] for place in places.values())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError("not the state of a StatefulDataLoader over a stream", where="stream state") from error
    if late:
        raise ConfigError("the loader's state is older than its batches", remedy="use snapshot_every_n_steps=1")
    if chunk and taken != of_each(len(taken), chunk, sum(taken)):
        raise ConfigError(
            "the workers' places do not meet: samples were skipped", where="stream state", remedy=_OWN_LOADER
        )
    return workers[0], sum(taken) * int(places[0]["world_size"])
