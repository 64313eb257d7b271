"""Regions of the ground-truth boxes of images: a second dataset of regions, read by the name of the image.

The detector's features of these boxes are files of their own in the public code, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from corpusloom.schemas.errors import ConfigError, InputError
from corpusloom.trainers.stream.plan import SamplePlace
from corpusloom.trainers.stream.sample_reader import ReaderConfig, SampleReader
from corpusloom.trainers.stream.samples.typed import RegionsSample
from corpusloom.trainers.vilbert.config import VCR
from corpusloom.trainers.vilbert.data import image_size
from corpusloom.trainers.vilbert.downstream.join import JoinedAnnotations, place_of, places_of
from corpusloom.trainers.vilbert.downstream.task import TaskAnnotation

EVALUATED = (VCR,)
"""Tasks whose evaluations have ground-truth boxes: in the others a model chooses among those of the detector."""


class GroundTruth:
    """The regions of one dataset by image. Safe for threads; another process opens the files anew."""

    def __init__(self, path: str, by_number: bool) -> None:
        self.path, self._by_number = path, by_number
        self._reader = SampleReader(ReaderConfig(paths=(path,)))
        (index,) = self._reader.indexes
        if index.kind != "regions":
            raise ConfigError(f"a dataset of {index.kind}", where=path, remedy="data.ground_truth is one of regions")
        self._places = places_of(index, by_number=by_number)

    def __reduce__(self) -> "tuple[type[GroundTruth], tuple[str, bool]]":
        return GroundTruth, (self.path, self._by_number)

    def of(self, annotation: TaskAnnotation) -> RegionsSample | None:
        """Return the regions of an annotation's image; None if the dataset lacks it."""
        place = place_of(annotation, self._places)
        if place is None:
            return None
        sample = self._reader.sample(SamplePlace(0, 0, 0, *place))
        assert isinstance(sample, RegionsSample)
        return sample

    def missing(self, annotations: Sequence[TaskAnnotation]) -> list[TaskAnnotation]:
        """Return the annotations whose images the dataset lacks."""
        return [item for item in annotations if place_of(item, self._places) is None]


def open_ground_truth(path: str | None, joined: JoinedAnnotations) -> tuple[GroundTruth | None, tuple[str, ...]]:
    """Return the ground-truth regions of annotated images, if there is a path, and a note if some images have none.

    Raises InputError if no image has any.
    """
    if path is None:
        return None, ()
    annotations = joined.annotations
    found = GroundTruth(path, isinstance(annotations[0].image, int))
    missing = found.missing(annotations)
    if len(missing) == len(annotations):
        what = f"has no sample of image {missing[0].image}, nor of any other image of the annotations"
        raise InputError(what, where=path, remedy="give the ground-truth boxes of the same images")
    if not missing:
        return found, ()
    what = f"{len(missing):,} of {len(annotations):,} annotations have no ground-truth boxes"
    return found, (f"{what}: {path} lacks image {missing[0].image}, ...",)


def joined_regions(sample: RegionsSample, more: RegionsSample, limit: int) -> RegionsSample:
    """Return an image's regions and then more regions of it, `limit` in all: those of `sample` are cut first.

    Boxes of `more` are scaled to the size of the image in `sample`. Raises ConfigError for another width of features or
    number of classes.
    """
    widths = {"feature_width": (sample.features, more.features), "class_count": (sample.class_probs, more.class_probs)}
    for name, (own, other) in widths.items():
        if own.shape[1] != other.shape[1]:
            what = f"{name} is {other.shape[1]} in sample {more.key}, and {own.shape[1]} in --data"
            raise ConfigError(what, where="data.ground_truth", remedy="give the features of one detector")
    kept = max(min(len(sample.boxes), limit - len(more.boxes)), 0)
    sides, theirs = (np.array(image_size(part) * 2, np.float32) for part in (sample, more))
    return replace(
        sample,
        boxes=np.concatenate([sample.boxes[:kept], more.boxes * (sides / theirs)]),
        features=np.concatenate([sample.features[:kept], more.features]),
        class_probs=np.concatenate([sample.class_probs[:kept], more.class_probs]),
    )
