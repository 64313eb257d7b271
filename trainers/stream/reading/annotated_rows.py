"""Annotations of a dataset's samples, such as questions about images: a stream with them has one item per annotation.

Samples stay where they are: a sample with several annotations is stored once and read for each of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from corpusloom.schemas.errors import ConfigError
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.reading.index import DatasetIndex


class Annotation(Protocol):
    """One annotation of a sample; its `repr` has all of its content."""

    @property
    def key(self) -> str:
        """Key among all annotations, from which its random draws come."""


@dataclass(frozen=True, slots=True)
class AnnotatedSample:
    """A sample and one of its annotations."""

    key: str
    """Key of the annotation."""
    sample: Any
    annotation: Any


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedRows:
    """The annotations of one dataset, by shard."""

    rows: Sequence[np.ndarray]
    """Per shard, in the order of the index: the row of each annotation's sample, ascending."""
    annotations: Sequence[Sequence[Any]]
    """Per shard: the annotations of these rows."""
    digest: str
    """Hash of all of them."""

    def annotated(self, index: DatasetIndex) -> DatasetIndex:
        """Return a dataset's index that counts annotations, so that an order over it is one of annotations."""
        counts = np.array([len(rows) for rows in self.rows], np.int64)
        return replace(index, counts=counts, digest=f"{index.digest} with annotations {self.digest}")

    def place(self, place: SamplePlace) -> SamplePlace:
        """Return the place of an annotation's sample."""
        return place._replace(row=int(self.rows[place.shard][place.row]))

    def annotation(self, place: SamplePlace) -> Any:
        """Return the annotation at a place."""
        return self.annotations[place.shard][place.row]


def annotate(index: DatasetIndex, found: Sequence[tuple[int, int, Annotation]]) -> AnnotatedRows:
    """Return the annotations of a dataset, each given with the number of its sample's shard and its row in it.

    Raises ConfigError if a split or a least score leaves out samples: annotations have splits of their own.
    """
    if index.split is not None or index.scored is not None:
        raise ConfigError("a split and annotations exclude each other", where=index.path, remedy="leave the split out")
    ordered = sorted(found, key=lambda item: (item[0], item[1], item[2].key))
    digest = hashlib.sha256()
    rows: list[list[int]] = [[] for _ in range(len(index.shards))]
    annotations: list[list[Annotation]] = [[] for _ in range(len(index.shards))]
    for shard, row, annotation in ordered:
        digest.update(f"{shard} {row} {annotation!r}\n".encode("utf-8", "surrogatepass"))
        rows[shard].append(row)
        annotations[shard].append(annotation)
    return AnnotatedRows([np.array(own, np.int64) for own in rows], annotations, digest.hexdigest())
