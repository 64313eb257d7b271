"""Worker processes of torch's DataLoader: the number of this one, and its samples within the rank's share.

A DataLoader asks its workers in turn, each for a whole batch of `batch_size` samples (one sample where that is None).
The rank's share is therefore dealt out in chunks of that size, chunk c to worker c mod workers, so that the batches
come back in the rank's order.
"""

import sys
from typing import NamedTuple

import numpy as np


class Worker(NamedTuple):
    """One worker process of a DataLoader."""

    number: int
    workers: int
    seed: int
    """Base seed of this start of the workers, the same in all of them."""


def this_worker() -> Worker | None:
    """Return the DataLoader worker that this process is; None in the main process."""
    data = sys.modules.get("torch.utils.data")
    info = None if data is None else data.get_worker_info()
    return None if info is None else Worker(info.id, info.num_workers, info.seed - info.id)


def register_iterable(kind: type) -> None:
    """Register a class as an IterableDataset, if torch.utils.data is imported already."""
    data = sys.modules.get("torch.utils.data")
    if hasattr(data, "IterableDataset"):
        data.IterableDataset.register(kind)  # type: ignore[union-attr]


def samples_per_request() -> int:
    """Return how many samples the DataLoader takes per request: its batch size; 1 without one, or outside of it.

    A DataLoader does not pass its batch size to the dataset; it is found only in the stack frame of the iterating
    method.
    """
    fetch = getattr(sys.modules.get("torch.utils.data._utils.fetch"), "_IterableDatasetFetcher", None)
    frame = sys._getframe(1)
    while frame is not None and fetch is not None:
        if frame.f_code is fetch.fetch.__code__:
            caller = frame.f_locals
            return len(caller["possibly_batched_index"]) if caller["self"].auto_collation else 1
        frame = frame.f_back  # type: ignore[assignment]
    return 1


def dealt(worker: int, workers: int, chunk: int, taken: np.ndarray) -> np.ndarray:
    """Return the indexes within the rank's share of a worker's `taken`-th samples."""
    rounds, inside = np.divmod(taken, chunk)
    return (worker + rounds * workers) * chunk + inside


def samples_per_worker(workers: int, chunk: int, total: int) -> list[int]:
    """Return how many of the first `total` samples of the rank's share each worker yields."""
    rounds, rest = divmod(total, workers * chunk)
    return [rounds * chunk + min(max(rest - worker * chunk, 0), chunk) for worker in range(workers)]
