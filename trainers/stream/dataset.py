"""The exact, elastic stream: position p of the global order belongs to rank p mod world size, whoever reads it."""

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.errors import ConfigError, LoomError
from schemas.images import ImageError
from trainers.stream.index import DatasetIndex
from trainers.stream.order import Order, seed_of
from trainers.stream.reading import Reader
from trainers.stream.samples import Sample

Transform = Callable[[Sample, np.random.Generator], Mapping[str, Any]]
PERIOD = 1_000
"""Draws after which a mixture repeats its pattern; every window of it holds each dataset's share."""


def mixture_pattern(weights: Sequence[float], period: int = PERIOD) -> np.ndarray:
    """Return which dataset each of `period` draws takes: at every step the one that is furthest behind its share."""
    if any(weight <= 0 for weight in weights):
        raise ConfigError("a dataset's weight is 0 or less", where="mixture", remedy="leave it out instead")
    shares = np.asarray(weights, float) / sum(weights)
    taken = np.zeros(len(weights))
    pattern = np.empty(period, np.int64)
    for draw in range(period):
        chosen = int(np.argmax(shares * (draw + 1) - taken))
        pattern[draw] = chosen
        taken[chosen] += 1
    return pattern


@dataclass
class StreamingDataset:
    """One dataset, or a weighted mixture of several, as an endless global order of samples.

    `iter()` yields this rank's share of one epoch (an epoch is as many draws as the mixture holds samples); the
    state is where the global order stands, so that any rank's state restores any world size.
    """

    source: str | Mapping[str, float]
    rng_seed: int = 0
    rank: int | None = None
    world_size: int | None = None
    split: str | None = None
    shuffle: bool = True
    _readers: list[Reader] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.rank is None or self.world_size is None:
            self.rank, self.world_size = _ranks()
        mixture = {self.source: 1.0} if isinstance(self.source, str) else dict(self.source)
        self._readers = [Reader(DatasetIndex(path, split=self.split)) for path in mixture]
        self._sizes = [len(reader.index) for reader in self._readers]
        self._orders = [Order(size, seed_of(self.rng_seed, number)) for number, size in enumerate(self._sizes)]
        self._pattern = mixture_pattern(list(mixture.values())) if len(mixture) > 1 else np.zeros(1, np.int64)
        self._before = [np.concatenate([[0], np.cumsum(self._pattern == n)]) for n in range(len(mixture))]
        self._position = 0

    def __len__(self) -> int:
        """Return the samples of an epoch, over all ranks."""
        return sum(self._sizes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return what the datasets hold."""
        return tuple(reader.index.kind for reader in self._readers)

    def locate(self, position: int) -> tuple[int, int, int]:
        """Return dataset, its epoch and its sample at a position of the endless global order."""
        period = len(self._pattern)
        rounds, place = divmod(position, period)
        number = int(self._pattern[place])
        draw = rounds * int(self._before[number][-1]) + int(self._before[number][place])
        epoch, inside = divmod(draw, self._sizes[number])
        if not self.shuffle:
            return number, epoch, inside
        return number, epoch, self._orders[number].sample(epoch, inside)

    def read(self, position: int) -> tuple[Sample, np.random.Generator]:
        """Return the sample at a position with the generator that all its random draws come from."""
        number, epoch, sample = self.locate(position)
        read = self._readers[number].read(sample)
        return read, np.random.Generator(np.random.Philox(seed_of(self.rng_seed, epoch, int(read.key[:16], 16))))

    def __iter__(self) -> Iterator[Sample]:
        """Yield this rank's samples from the current position to the end of the epoch."""
        rank, world = self.rank or 0, self.world_size or 1
        end = (self._position // len(self) + 1) * len(self)
        while self._position < end:
            mine = self._position + (rank - self._position) % world
            if mine >= end:
                self._position = end
                return
            sample, _ = self.read(mine)
            self._position = min(mine - rank + world, end) if world > 1 else mine + 1
            yield sample

    def state_dict(self) -> dict[str, Any]:
        """Return where the global order stands; small, and equal on all ranks after equal numbers of samples."""
        epoch, position = divmod(self._position, len(self))
        return {"epoch": epoch, "position": position, "sizes": list(self._sizes), "rng_seed": self.rng_seed}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state stands; one of other datasets or another seed is an error."""
        if list(state["sizes"]) != self._sizes or state["rng_seed"] != self.rng_seed:
            raise ConfigError(
                f"the state is of datasets of {state['sizes']} samples with seed {state['rng_seed']}, "
                f"this stream has {self._sizes} with seed {self.rng_seed}",
                where="stream state",
                remedy="resume with the datasets and seed that the run began with",
            )
        self._position = int(state["epoch"]) * len(self) + int(state["position"])

    def batches(
        self,
        batch_size: int,
        *,
        transform: Transform,
        workers: int = 2,
        on_error: str = "skip",
        ahead: int = 4,
    ) -> "Batches":
        """Return the endless iterator of this rank's batches, which runs on over the epoch's border."""
        return Batches(self, batch_size, transform, workers=workers, on_error=on_error, ahead=ahead)

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()


class Batches:
    """Batches of one rank: read, decoded and collated ahead by threads; the state moves when one is handed out."""

    def __init__(
        self,
        stream: StreamingDataset,
        batch_size: int,
        transform: Transform,
        *,
        workers: int,
        on_error: str,
        ahead: int,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}", remedy="1 or more")
        if on_error not in ("skip", "raise"):
            raise ConfigError(f"on_error is {on_error!r}", remedy="skip or raise")
        self.stream, self.batch_size, self.transform, self.on_error = stream, batch_size, transform, on_error
        self.skipped: list[str] = []
        """What could not be read or decoded, each as one line."""
        self._ahead = max(ahead, 1)
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._waiting: list[tuple[int, list[Any]]] = []
        self._next = stream._position

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> dict[str, Any]:
        while len(self._waiting) < (self._ahead if self._pool else 1):
            self._schedule()
        start, jobs = self._waiting.pop(0)
        items = [job.result() if isinstance(job, Future) else job for job in jobs]
        batch = self._collate(items)
        self.stream._position = start + self.batch_size * (self.stream.world_size or 1)
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return the stream's state: samples count when they are handed out."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state stands; what was read ahead is dropped."""
        self.stream.load_state_dict(state)
        self._waiting, self._next = [], self.stream._position

    def _schedule(self) -> None:
        rank, world = self.stream.rank or 0, self.stream.world_size or 1
        start = self._next
        positions = [start + (rank - start) % world + number * world for number in range(self.batch_size)]
        submit = self._pool.submit if self._pool else (lambda function, *rest: function(*rest))
        self._waiting.append((start, [submit(self._make, position) for position in positions]))
        self._next = start + self.batch_size * world

    def _make(self, position: int) -> tuple[str, Mapping[str, Any]] | str:
        try:
            sample, rng = self.stream.read(position)
            return sample.key, self.transform(sample, rng)
        except (LoomError, ImageError) as error:
            if self.on_error == "raise":
                raise
            return f"position {position}: {error}"

    def _collate(self, items: list[Any]) -> dict[str, Any]:
        """Stack the arrays; a sample that failed keeps its place: the next good one of the batch stands in for it."""
        good = [number for number, item in enumerate(items) if not isinstance(item, str)]
        self.skipped += [item for item in items if isinstance(item, str)]
        if not good:
            raise LoomError(
                f"no sample of a batch can be read; the first: {items[0]}", remedy="loom verify the dataset"
            )
        chosen = [items[good[bisect.bisect_left(good, number) % len(good)]] for number in range(len(items))]
        batch: dict[str, Any] = {"keys": [key for key, _ in chosen]}
        for name in chosen[0][1]:
            batch[name] = _stack([fields[name] for _, fields in chosen])
        return batch

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _stack(values: list[Any]) -> Any:
    import torch

    if isinstance(values[0], np.ndarray | np.generic | int | float | bool):
        return torch.from_numpy(np.stack([np.asarray(value) for value in values]))
    return values


class Together:
    """One batch of each of several streams a step: what a weighted sum of losses over datasets is made of."""

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


def _ranks() -> tuple[int, int]:
    """Return rank and world size of a torchrun process, else 0 and 1."""
    import os

    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
