"""Evaluates items in batches: ranks share them, unreadable items are skipped, and a killed evaluation resumes.

Batch i belongs to data rank i mod ranks. A finished batch is kept as one safetensors file, if a folder is given; its
number does not depend on the number of ranks, so an evaluation goes on with any.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.finished import FinishedBatches, Measured
from corpusloom.trainers.evaluation.predictions import Prediction
from corpusloom.trainers.evaluation.written_texts import WrittenText
from corpusloom.trainers.stream.errors import SampleError, reason_of
from corpusloom.trainers.stream.plan import SKIPPABLE
from corpusloom.trainers.training import collectives, distributed
from corpusloom.trainers.training.numerics import autocast

T = TypeVar("T")
Row = TypeVar("Row")
Group = TypeVar("Group")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """Settings of an evaluation. The figures depend on `batch_size` and `workers` by rounding alone."""

    limit: int | None = None
    """Samples, at most: the first ones."""
    batch_size: int = 64
    """Samples whose embeddings or scores are computed and kept together."""
    workers: int = 2
    """Threads per rank that read and decode."""
    precision: str = "fp32"
    """fp32, or bf16 autocast."""
    shots: tuple[int, ...] = (4,)
    """Numbers of examples before each image, for a model that is shown some; each is evaluated."""
    text_shots: int = 2
    """Examples of which the texts alone stand before an image without shots; one alone is harmful (Flamingo, arXiv
    2204.14198, section 3.3). 0 for a model that was fine-tuned without."""
    seeds: int = 1
    """Number of random choices of the examples, each with a seed of its own from 0."""
    benchmark: str | None = None
    """Name of a benchmark, whose files are in the folder of the data."""
    pool: str | None = None
    """Dataset from which examples are taken; None: the other samples of the evaluated one."""
    rices: bool = False
    """Whether the examples are those whose images are most similar, instead of random ones."""
    beams: int = 3
    """Beams of the search for a text."""
    ensemble: int = 1
    """Orders of the examples over which the log likelihoods of classes are averaged."""
    prompt: str = "Output:"
    """Text between an image and its caption; empty for pairs as in training."""
    images: str | None = None
    """Folder of pictures, or of the images that a file of captions names."""
    classes: str | None = None
    """File with the names of classes, or a dataset whose captions are the classes."""
    split: str | None = None
    """Split of the data; None: test of a benchmark, all of a dataset."""
    annotations: tuple[str, ...] = ()
    """Files of a task's annotations, as they are published."""
    ground_truth: str | None = None
    """Dataset of the regions of ground-truth boxes, for a task that has them; None: that of the training."""
    templates: str | None = None
    """File with templates of texts about a class, or the name of a bundled ensemble."""
    partial: str | None = None
    """Local folder of the batches that are finished; None keeps none."""
    writes: bool = True
    """Whether the outputs are written, so that they are of use without figures."""
    note: Callable[[str], None] | None = None
    """Receives a line for the user before long work begins, on every rank; None: no such line is made."""


@dataclass(frozen=True, slots=True)
class ItemSource(Generic[T, Row]):
    """Items to evaluate, and how they are read."""

    items: Iterable[T]
    read: Callable[[T], Row]
    """Returns an item's row; called in a thread."""
    name: Callable[[T], str]
    """Returns an item's name, for the list of items that cannot be read."""
    where: str
    """Folder of the items."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of an evaluation, and the samples that are not in them."""

    values: Mapping[str, float]
    skipped: tuple[str, ...] = ()
    """A line per sample that could not be read: its name, the reason, and what is missing if it is known."""
    reused: int = 0
    """Number of batches that a killed evaluation had finished."""
    notes: tuple[str, ...] = ()
    """Remarks on the data, for the user."""
    classes: tuple[str, ...] = ()
    """Classes of a classification."""
    predictions: tuple[Prediction, ...] = ()
    """Predictions of a classification, in the order of the images."""
    texts: tuple[WrittenText, ...] = ()
    """Texts that a model wrote."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """End of a name -> content of a file that is written beside the result: outputs as a benchmark takes them."""
    thumbnails: Callable[[set[int], int], Mapping[int, str]] | None = None
    """(numbers of images, pixels per side) -> number -> thumbnail as a data: URI; None if there are no pictures."""
    page: Callable[[str, str], str] | None = None
    """(title, checkpoint) -> the HTML page of this evaluation; None if it has none but that of a classification."""


Evaluation = Callable[[Any, Any, str, EvaluationSettings], Figures]
"""(model, its tokenizer or transform, path of the data, settings) -> figures."""


def measure_batches(
    source: ItemSource[T, Row],
    measure: Callable[[Sequence[Row]], Mapping[str, Tensor]],
    settings: EvaluationSettings,
    device: torch.device,
) -> Measured:
    """Return what `measure` returns of batches of rows, (rows, ...) each, over all batches and data ranks.

    Unless finished batches are kept, all data ranks call `measure` equally often, with as many rows if there are
    several, so the model may be sharded: a rank that has none takes a row of another rank and drops the result. Raises
    InputError if no item can be read.
    """
    own: dict[int, Measured] = {}
    kept = FinishedBatches(settings.partial)
    with ThreadPoolExecutor(max(1, settings.workers), "evaluate") as pool:
        rounds = _rounds(source.items, settings.batch_size)
        for begun in one_ahead(_start(number, group, source, pool, kept) for number, group in rounds):
            found = begun.measured or _measure(begun, measure, settings, device)
            if begun.measured is None and begun.names:
                kept.write(begun.number, found)
            own[begun.number] = found
    everywhere = {number: found for part in collectives.gather_objects(own) for number, found in part.items()}
    return _joined([everywhere[number] for number in sorted(everywhere)], source.where)


def read_all(source: ItemSource[T, Row], settings: EvaluationSettings) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows of all items on every rank, and a line per item that cannot be read."""
    with ThreadPoolExecutor(max(1, settings.workers), "evaluate") as pool:
        items = list(source.items)
        rows, skipped = _read([source.name(item) for item in items], [pool.submit(source.read, item) for item in items])
    if not rows:
        raise _nothing(source.where, skipped)
    return rows, skipped


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


def _start(
    number: int, group: list[T], source: ItemSource[T, Row], pool: ThreadPoolExecutor, kept: "FinishedBatches"
) -> _Begun:
    finished = kept.read(number)
    if finished is not None:
        return _Begun(number, [], [], finished)
    return _Begun(number, [source.name(item) for item in group], [pool.submit(source.read, item) for item in group])


def one_ahead(begun: Iterator[Group]) -> Iterator[Group]:
    """Yield items one late, so that the work of each begins before the previous one is yielded."""
    waiting: deque[Group] = deque()
    for item in begun:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


def _read(names: Sequence[str], rows: Sequence["Future[Row]"]) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows that could be read, and a line per item that could not."""
    found, skipped = [], []
    for name, future in zip(names, rows, strict=True):
        try:
            found.append(future.result())
        except SKIPPABLE as error:
            detail = error.detail if isinstance(error, SampleError) else ""
            skipped.append(": ".join(filter(None, (name, reason_of(error), detail))))
    return found, tuple(skipped)


def _measure(
    begun: _Begun,
    measure: Callable[[Sequence[Row]], Mapping[str, Tensor]],
    settings: EvaluationSettings,
    device: torch.device,
) -> Measured:
    rows, skipped = _read(begun.names, begun.rows)
    count, in_step = len(rows), settings.partial is None and distributed.data_ranks() > 1
    if in_step and min(collectives.row_counts(count)) == 0:  # another rank's row keeps this one in step
        offered = collectives.gather_objects(rows[:1])
        rows = rows or next((found for found in offered if found), [])
    if not rows:
        return Measured({}, skipped)
    if in_step:
        rows = rows + rows[-1:] * (settings.batch_size - len(rows))
    with torch.no_grad(), autocast(settings.precision, device):
        found = measure(rows)
    return Measured({name: value[:count].cpu().contiguous() for name, value in found.items()}, skipped)


def _joined(parts: list[Measured], where: str) -> Measured:
    measured = [part.tensors for part in parts if part.tensors]
    if not any(len(value) for tensors in measured for value in tensors.values()):
        raise _nothing(where, [line for part in parts for line in part.skipped])
    return Measured(
        {name: torch.cat([tensors[name] for tensors in measured]) for name in measured[0]},
        tuple(line for part in parts for line in part.skipped),
        sum(part.reused for part in parts),
    )


def _nothing(where: str, skipped: Sequence[str]) -> InputError:
    first = f"; the first of {len(skipped):,} is {skipped[0]}" if skipped else ""
    return InputError(f"holds no sample that can be read{first}", where=where, remedy="check the path and the files")
