"""The samples of datasets as items of an evaluation."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from corpusloom.trainers.evaluation.batches import ItemSource
from corpusloom.trainers.stream.dataset import StreamingDataset
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows

Row = TypeVar("Row")


def dataset_source(
    paths: Sequence[str],
    make: Callable[[Any], Row],
    closing: contextlib.ExitStack,
    *,
    split: str | None = None,
    limit: int | None = None,
    annotated: AnnotatedRows | None = None,
) -> ItemSource[tuple[StreamingDataset, SamplePlace], Row]:
    """Return the first `limit` samples of each dataset in the order of the shards, each made into a row by `make`.

    With `annotated` they are the annotations of the only dataset, each with its sample. A sample is read by the
    rank that needs it. The files are closed with `closing`.
    """
    streams = [
        StreamingDataset(path, rank=0, world_size=1, split=split, shuffle=False, annotated=annotated) for path in paths
    ]
    for stream in streams:
        closing.callback(stream.close)
    return ItemSource(
        [(stream, place) for stream in streams for place in _places(stream, limit)],
        lambda item: make(item[0].reader.item(item[1])),
        lambda item: item[0].reader.key_of(item[1]),
        ", ".join(paths),
    )


def check_split(paths: Sequence[str], split: str) -> None:
    """Raise InputError if a dataset has no sample in a split: before training, as it is evaluated after it."""
    for path in paths:
        StreamingDataset(path, rank=0, world_size=1, split=split, shuffle=False).close()


def _places(stream: StreamingDataset, limit: int | None) -> Iterator[SamplePlace]:
    count = stream.epoch_samples if limit is None else min(limit, stream.epoch_samples)
    return iter(stream.order.places(np.arange(count)))
