"""Joins annotations with the images of a dataset of regions, by the name of the image.

An image's name is the last part of its sample's URL without the ending, or the sample's key if it has no URL. An
annotation names its image so, by another name, or by the number at the end of this name: COCO's image 9 is
COCO_val2014_000000000009.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from corpusloom.schemas.errors import InputError
from corpusloom.trainers.stream.reading.annotated_rows import AnnotatedRows, annotate
from corpusloom.trainers.stream.reading.index import DatasetIndex, open_index, read_sidecar
from corpusloom.trainers.vilbert.downstream.task import ImageAnnotation

Places = Mapping[str | int, tuple[int, int]]
"""Name or number of an image -> (shard, row) of its sample."""
_NUMBER = re.compile(r"[0-9]+$")


@dataclass(frozen=True, slots=True)
class JoinedAnnotations:
    """The annotations whose images a dataset has, and a count of the others."""

    rows: AnnotatedRows
    count: int
    left_out: int
    """Annotations whose image the dataset lacks."""
    missing: str | None
    """The first image that is missing."""

    @property
    def annotations(self) -> list[Any]:
        """Return the annotations, in the order of the dataset."""
        return [item for shard in self.rows.annotations for item in shard]

    @property
    def notes(self) -> tuple[str, ...]:
        """Return a note for the user if annotations are left out."""
        if not self.left_out:
            return ()
        total = self.count + self.left_out
        return (
            f"{self.left_out:,} of {total:,} annotations are left out: the dataset lacks image {self.missing}, ...",
        )


def join(path: str, annotations: Sequence[ImageAnnotation]) -> JoinedAnnotations:
    """Return the annotations with the places of their images; of several samples of one image the first counts.

    Raises InputError that names the first image if the dataset has none of them.
    """
    index = open_index(path)
    places = places_of(index, by_number=isinstance(annotations[0].image, int))
    found = [(*place, item) for item in annotations for place in [place_of(item, places)] if place is not None]
    missing = next((str(item.image) for item in annotations if place_of(item, places) is None), None)
    if not found:
        raise InputError(
            f"has no sample of image {missing}, nor of any other image of the annotations",
            where=path,
            remedy="give regions of these images; their URLs, or keys without URLs, end in the images' file names",
        )
    return JoinedAnnotations(annotate(index, found), len(found), len(annotations) - len(found), missing)


def place_of(annotation: ImageAnnotation, places: Places) -> tuple[int, int] | None:
    """Return (shard, row) of an annotation's image, by either of its names; None if it is not among `places`."""
    return places.get(annotation.image, places.get(annotation.alias or ""))


def places_of(index: DatasetIndex, *, by_number: bool) -> Places:
    """Return name or number of each image -> (shard, row) of its first sample."""
    found: dict[str | int, tuple[int, int]] = {}
    for place, name in _names(index):
        if not by_number:
            found.setdefault(name, place)
        elif number := _NUMBER.search(name):
            found.setdefault(int(number[0]), place)
    return found


def _names(index: DatasetIndex) -> Iterator[tuple[tuple[int, int], str]]:
    for number, shard in enumerate(index.shards):
        table = read_sidecar(index.path, shard, ["key", "url"])
        columns = (table.column(name).to_pylist() for name in ("key", "url"))
        for row, (key, url) in enumerate(zip(*columns, strict=True)):
            yield (number, row), image_name(key, url or "")


def image_name(key: str, url: str) -> str:
    """Return the name of a sample's image: the last part of its URL without the ending, or its key."""
    last = posixpath.basename(unquote(urlsplit(url).path))
    return posixpath.splitext(last or posixpath.basename(key))[0] if last else posixpath.basename(key)
