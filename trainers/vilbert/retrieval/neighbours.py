"""The nearest images of each image, of whose captions its hard captions are drawn (arXiv 1908.02265, section 3.2).

Shapes: N images, F feature width, k neighbours.
"""

import json
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.evaluation.batches import EvaluationSettings, ItemSource, measure_batches
from corpusloom.trainers.evaluation.samples import dataset_source
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedSample
from corpusloom.trainers.vilbert.data import region_inputs
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations

NONE = -1
"""Number in the rows of images that have no neighbours because they cannot be read."""
BLOCK = 256
"""Images whose distances to all others are computed together."""
_ROWS, _DIGEST = "nearest", "digest"


def nearest(features: Tensor, numbers: Sequence[int], count: int) -> Tensor:
    """Return the `count` nearest other rows of some rows, the nearest first: (N, F) float64 -> (rows, count) int64.

    The distance is Euclidean; of rows at equal distance the first ones count.
    """
    asked = features[list(numbers)]
    squares = features.square().sum(1)[None] - 2 * asked @ features.T  # less the row's own square, which orders nothing
    squares[torch.arange(len(numbers)), list(numbers)] = torch.inf
    limits = squares.kthvalue(count, dim=1).values
    return torch.stack([_first(row, limit, count) for row, limit in zip(squares, limits, strict=True)])


def _first(row: Tensor, limit: Tensor, count: int) -> Tensor:
    """Return the places of the `count` smallest values of a row, of which the last is `limit`; equal ones in order."""
    near = (row <= limit).nonzero()[:, 0]
    return near[row[near].sort(stable=True).indices[:count]]


def mean_features(
    path: str, joined: JoinedAnnotations, regions: int, settings: EvaluationSettings
) -> tuple[Tensor, Tensor]:
    """Return numbers of the images that can be read and the means of their first `regions` features, (N,), (N, F).

    The means are the features of the IMG region. The data ranks share the images, and each gets all means.
    """

    def read(item: AnnotatedSample) -> tuple[int, np.ndarray]:
        return item.annotation.number, region_inputs(item.sample, regions)["features"][0].copy()

    def measure(rows: Sequence[tuple[int, np.ndarray]]) -> dict[str, Tensor]:
        numbers = torch.tensor([number for number, _ in rows])
        return {"number": numbers, "mean": torch.from_numpy(np.stack([mean for _, mean in rows]))}

    with ExitStack() as closing:
        source = dataset_source([path], read, closing, annotated=joined.rows)
        found = measure_batches(source, measure, settings, torch.device("cpu")).tensors
    return found["number"], found["mean"]


def find_neighbours(
    path: str, joined: JoinedAnnotations, images: int, regions: int, count: int, settings: EvaluationSettings
) -> np.ndarray:
    """Return the nearest images of each image by the L2 distance of mean features, (images, k) int32.

    `joined` are annotations whose `number` is below `images`. k is `count`, or less if there are fewer images. Beside
    the means a block of BLOCK x N distances is in memory; the data ranks share the blocks. Raises InputError for one
    image alone.
    """
    numbers, means = mean_features(path, joined, regions, settings)
    if len(numbers) < 2:
        raise InputError("one image alone has no hard captions", where=path, remedy="give the regions of more images")
    order = numbers.argsort()
    numbers, features = numbers[order], means[order].double()
    count = min(count, len(numbers) - 1)
    blocks = EvaluationSettings(batch_size=BLOCK, workers=1)
    source = ItemSource(range(len(numbers)), lambda number: number, str, path)
    found = measure_batches(
        source, lambda rows: {_ROWS: nearest(features, rows, count)}, blocks, torch.device("cpu")
    ).tensors[_ROWS]
    table = np.full((images, count), NONE, np.int32)
    table[numbers.numpy()] = numbers[found].numpy()
    return table


def to_bytes(table: np.ndarray, digest: str) -> bytes:
    """Return a table as the content of an attachment of a checkpoint; `digest` names all that it depends on."""
    return save({_ROWS: table}, {_DIGEST: digest})


def from_bytes(data: bytes, digest: str) -> np.ndarray | None:
    """Return the table of an attachment, None if it is one of other images."""
    length = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(_DIGEST)
    return load(data)[_ROWS] if found == digest else None
