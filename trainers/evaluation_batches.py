"""Evaluates items in batches: over ranks, past items that cannot be read, and on from where a killed evaluation was.

Batch i belongs to data rank i mod ranks. A finished batch is kept as one safetensors file, if a folder is given; its
number does not depend on the number of ranks, so an evaluation goes on with any.
"""

import hashlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from corpusloom.schemas import storage
from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.errors import reason_of
from corpusloom.trainers.stream.plan import SKIPPABLE, SamplePlace
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.loop import autocast

T, Row, Group = TypeVar("T"), TypeVar("Row"), TypeVar("Group")
SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """How an evaluation is computed; the figures depend on `limit`, `precision`, `shots` and `prompt` only."""

    limit: int | None = None
    """Samples, at most: the first ones."""
    batch_size: int = 64
    """Samples whose embeddings or scores are computed and kept together."""
    workers: int = 2
    """Threads per rank that read and decode."""
    precision: str = "fp32"
    """fp32, or bf16 autocast."""
    shots: int = 4
    """Examples before each image, for a model that is shown some."""
    prompt: str = "Output:"
    """Text between an image and its caption; empty for pairs as in training."""
    partial: str | None = None
    """Folder of the batches that are finished; None keeps none."""


@dataclass(frozen=True, slots=True)
class Source(Generic[T, Row]):
    """Items to evaluate: `read` makes an item's row in a thread, and `name` names an item that cannot be read."""

    items: Iterable[T]
    read: Callable[[T], Row]
    name: Callable[[T], str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of all items, on the CPU of every rank."""

    tensors: Mapping[str, Tensor]
    """Name -> values, one row per item in the order of the items."""
    skipped: tuple[str, ...] = ()
    """A line per item that could not be read: its name and the reason."""
    reused: int = 0
    """Batches that an earlier evaluation had finished."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an evaluation, and the samples that are not in them."""

    values: Mapping[str, float]
    skipped: tuple[str, ...] = ()
    reused: int = 0


def measure_batches(
    source: Source[T, Row], measure: Callable[[Sequence[Row]], Mapping[str, Tensor]], settings: EvaluationSettings
) -> Measured:
    """Return what `measure` returns of batches of rows, (rows, ...) each, over all batches and data ranks.

    All data ranks call `measure` equally often, with as many rows if there are several, so a model may be sharded: a
    rank that has none takes a row of another rank and drops the result. Raises InputError if no item can be read.
    """
    own: dict[int, Measured] = {}
    kept = _Kept(settings.partial)
    rounds = itertools.islice(source.items, settings.limit)
    with ThreadPoolExecutor(max(1, settings.workers), "evaluate") as pool:
        started = (_start(number, group, source, pool, kept) for number, group in _rounds(rounds, settings.batch_size))
        for begun in _ahead(started):
            found = begun.measured
            if found is None:
                found = _measure(begun, measure, settings)
                kept.write(begun.number, found)
            own[begun.number] = found
    everywhere = {number: found for part in collectives.gather_objects(own) for number, found in part.items()}
    return _joined([everywhere[number] for number in sorted(everywhere)])


def places(stream: StreamingDataset, limit: int | None = None) -> Iterator[SamplePlace]:
    """Yield the places of a stream's first samples, of all ranks."""
    import numpy as np

    yield from stream.order.places(np.arange(min(stream.epoch_samples, limit or stream.epoch_samples)))


def dataset_source(stream: StreamingDataset, make: Callable[[Any], Row]) -> Source[SamplePlace, Row]:
    """Return the samples of a stream, each made into a row by `make`; a sample is read only by the rank that needs it."""
    return Source(places(stream), lambda place: make(stream.reader.sample(place)), stream.reader.key_of)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A batch whose items are being read, or that is finished."""

    number: int
    names: list[str]
    rows: list["Future[Any]"]
    measured: Measured | None = None


def _rounds(items: Iterable[T], size: int) -> Iterator[tuple[int, list[T]]]:
    """Yield per round the number and the items of this rank's batch; none if the items of the round are too few."""
    rank, ranks = distributed.data_rank(), distributed.data_ranks()
    remaining = iter(items)
    for first in itertools.count(0, ranks):
        groups = [list(itertools.islice(remaining, size)) for _ in range(ranks)]
        if not groups[0]:
            return
        yield first + rank, groups[rank]


def _start(number: int, group: list[T], source: Source[T, Row], pool: ThreadPoolExecutor, kept: "_Kept") -> _Begun:
    finished = kept.read(number)
    if finished is not None:
        return _Begun(number, [], [], finished)
    return _Begun(number, [source.name(item) for item in group], [pool.submit(source.read, item) for item in group])


def _ahead(begun: Iterator[Group]) -> Iterator[Group]:
    """Begin each batch before the one before it is handed out."""
    waiting: deque[Group] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def _measure(
    begun: _Begun, measure: Callable[[Sequence[Row]], Mapping[str, Tensor]], settings: EvaluationSettings
) -> Measured:
    rows, skipped = [], []
    for name, future in zip(begun.names, begun.rows, strict=True):
        try:
            rows.append(future.result())
        except SKIPPABLE as error:
            skipped.append(f"{name}: {reason_of(error)}")
    count = len(rows)
    if min(collectives.row_counts(count)) == 0:  # another rank's row keeps this one in step
        rows = rows or next((found for found in collectives.gather_objects(rows[:1]) if found), [])
    if not rows:
        return Measured({}, tuple(skipped))
    if distributed.data_ranks() > 1:
        rows = rows + rows[-1:] * (settings.batch_size - len(rows))
    with torch.no_grad():
        found = measure(rows)
    return Measured({name: value[:count].cpu().contiguous() for name, value in found.items()}, tuple(skipped))


def _joined(parts: list[Measured]) -> Measured:
    measured = [part.tensors for part in parts if part.tensors]
    if not any(len(value) for tensors in measured for value in tensors.values()):
        raise InputError("no sample can be read", remedy="run loom verify")
    return Measured(
        {name: torch.cat([tensors[name] for tensors in measured]) for name in measured[0]},
        tuple(line for part in parts for line in part.skipped),
        sum(part.reused for part in parts),
    )


class _Kept:
    """The finished batches in a folder."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder

    def _path(self, number: int) -> str:
        return storage.join(self._folder or "", f"{number:07d}.safetensors")

    def read(self, number: int) -> Measured | None:
        """Return a finished batch; None if it is not finished, or its file is damaged."""
        if self._folder is None or not storage.exists(self._path(number)):
            return None
        try:
            with safe_open(self._path(number), "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return Measured(tensors, tuple(json.loads((file.metadata() or {})[SKIPPED])), 1)
        except (SafetensorError, OSError, ValueError, KeyError):
            return None

    def write(self, number: int, found: Measured) -> None:
        """Keep a batch."""
        if self._folder is not None:
            data = save(dict(found.tensors), {SKIPPED: json.dumps(found.skipped)})
            storage.write_bytes(self._path(number), data)


def identity(*parts: Any) -> str:
    """Return a short name of an evaluation by all that shapes its batches."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def files_digest(paths: Iterable[str]) -> list[tuple[str, int]]:
    """Return sha256 and size of files."""
    return [storage.hash_file(path) for path in paths]
